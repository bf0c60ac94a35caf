"""A dataset as a file that the trials of a node map, so that all of them together hold it once.

Each host has a link to the file in its own temporary folder: the last one takes it away. Where that folder is on a
disk, the file's pages are the system's cache, which it can take back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Dataset, Split
from gasearch_workers.sandbox.codec import decoder, encode

FOLDER: Final = "gasearch-"  #: How the names of hosts' temporary folders begin.
_ALIGNED: Final = 64  #: Bytes at whose multiples arrays begin.
_SPLITS: Final = ("train", "validation", "test")


def open_data(data: Dataset, folder: str) -> int:
    """A descriptor of a dataset's file: one that another host of this user has here, else a new one.

    Args:
        data: What the file is to hold.
        folder: The host's own one, where the file gets a link.

    Raises:
        OSError: if the temporary folder has no room for it.
    """
    arrays: list[NDArray[Any]] = []
    splits = {name: _describe(getattr(data, name), arrays) for name in _SPLITS}
    header, _ = encode(_fields_of(data) | {"splits": splits})
    digest = hashlib.blake2b(header, digest_size=16)
    for array in arrays:
        digest.update(_bytes_of(array))
    path = Path(folder, f"data-{digest.hexdigest()}")
    with _one_at_a_time(path.parent.parent):
        if not _link(path):
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                _write(file, header, arrays)
            partial.rename(path)
    return os.open(path, os.O_RDONLY)


def read_data(descriptor: int) -> Dataset:
    """The dataset in such a file; its arrays are the file's pages, and read-only."""
    mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    end = 8 + int.from_bytes(mapped[:8])
    content, place = json.loads(mapped[8:end]), end
    fields: dict[str, Any] = {}
    for name, described in content.pop("splits").items():
        found: dict[str, Any] = {}
        for part, form in described.items():
            if form is None:
                found[part] = None
                continue
            place += -place % _ALIGNED
            dtype, shape = np.dtype(form[0]), tuple(form[1])
            count = int(np.prod(shape))
            found[part] = np.frombuffer(mapped, dtype=dtype, count=count, offset=place).reshape(shape)
            place += count * dtype.itemsize
        fields[name] = Split(**found)
    hints = get_type_hints(Dataset)
    for name, value in content.items():
        fields[name] = decoder(hints[name])(value, memoryview(b""))
    return Dataset(**fields)


def make_folder() -> str:
    """A temporary folder of a host's own."""
    return tempfile.mkdtemp(prefix=FOLDER)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hosts that start together wait for the first one's file; locks nothing but others that do so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: each writes its own
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(path: Path) -> bool:
    """Link to the file of that name that another host of this user has; False where none has one."""
    for other in path.parent.parent.glob(f"{FOLDER}*/{path.name}"):
        with contextlib.suppress(OSError):  # gone meanwhile, or a file system without links
            found = other.lstat()
            if found.st_uid == os.getuid() and stat.S_ISREG(found.st_mode):
                os.link(other, path, follow_symlinks=False)
                return True
    return False


def _write(file: BinaryIO, header: bytes, arrays: list[NDArray[Any]]) -> None:
    file.write(len(header).to_bytes(8) + header)
    for array in arrays:
        file.write(bytes(-file.tell() % _ALIGNED))
        file.write(_bytes_of(array))


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _describe(split: Split, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """Type and shape of each array of a split, in their order in the file."""
    found: dict[str, Any] = {}
    for part in ("x", "y", "teacher", "cut"):
        array = getattr(split, part)
        found[part] = None if array is None else (array.dtype.str, array.shape)
        if array is not None:
            arrays.append(array)
    return found


def _fields_of(data: Dataset) -> dict[str, Any]:
    return {field.name: getattr(data, field.name) for field in dataclasses.fields(data) if field.name not in _SPLITS}
