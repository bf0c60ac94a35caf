"""A dataset as a file without a name, which a trial's process maps instead of reading a copy.

The file lies in the temporary folder and is deleted while it is open: its pages are the system's cache, which it can
take back, are shared by one trial's process and the next, and are gone with the last of them.
"""

from __future__ import annotations

import dataclasses
import json
import mmap
import os
import tempfile
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from workers.data.dataset import Dataset, Split
from workers.trial.codec import decoder, encode

_ALIGNED: Final = 64  #: Bytes at whose multiples arrays begin.
_SPLITS: Final = ("train", "validation", "test")


def write_data(data: Dataset) -> int:
    """Write a dataset into a nameless file; returns its descriptor.

    Raises:
        OSError: if the temporary folder has no room for it.
    """
    arrays: list[NDArray[Any]] = []
    splits = {name: _describe(getattr(data, name), arrays) for name in _SPLITS}
    header, _ = encode(_fields_of(data) | {"splits": splits})
    with tempfile.TemporaryFile(prefix="gasearch-data-") as file:
        file.write(len(header).to_bytes(8) + header)
        for array in arrays:
            file.write(bytes(-file.tell() % _ALIGNED))
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        file.flush()
        return os.dup(file.fileno())


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


def _describe(split: Split, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """Type and shape of each array of a split, in their order in the file."""
    found: dict[str, Any] = {}
    for part in ("x", "y", "teacher"):
        array = getattr(split, part)
        found[part] = None if array is None else (array.dtype.str, array.shape)
        if array is not None:
            arrays.append(array)
    return found


def _fields_of(data: Dataset) -> dict[str, Any]:
    return {field.name: getattr(data, field.name) for field in dataclasses.fields(data) if field.name not in _SPLITS}
