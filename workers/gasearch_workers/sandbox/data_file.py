"""A dataset as a file that the trials of a node map, so that all of them together hold it once.

Each host has a link to the file in its own temporary folder: the last one takes it away. Where that folder is on a
disk, the file's pages are the system's cache, which it can take back.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.machine.files import alone_in
from gasearch_workers.sandbox.codec import ALIGNED, decode, encode_in_pieces

FOLDER: Final = "gasearch-"  #: How the names of hosts' temporary folders begin.


def open_data(data: Dataset, folder: str) -> int:
    """A descriptor of a dataset's file: one that another host of this user has here, else a new one.

    Args:
        data: What the file is to hold.
        folder: The host's own one, where the file gets a link.

    Raises:
        OSError: if the temporary folder has no room for it.
    """
    text, pieces = encode_in_pieces(data)
    header = len(text).to_bytes(8) + text
    content = [header, bytes(-len(header) % ALIGNED), *pieces]
    digest = hashlib.blake2b(digest_size=16)
    for piece in content:
        digest.update(piece)
    path = Path(folder, f"data-{digest.hexdigest()}")
    with alone_in(path.parent.parent):
        if not _link(path):
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                file.writelines(content)
            partial.rename(path)
    return os.open(path, os.O_RDONLY)


def read_data(descriptor: int) -> Dataset:
    """The dataset in such a file; its arrays are the file's pages, and read-only."""
    mapped = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    end = 8 + int.from_bytes(mapped[:8])
    data: Dataset = decode(Dataset, bytes(mapped[8:end]), mapped[end + -end % ALIGNED :])
    return data


def make_folder() -> str:
    """A temporary folder of a host's own."""
    return tempfile.mkdtemp(prefix=FOLDER)


def _link(path: Path) -> bool:
    """Link to the file of that name that another host of this user has; False where none has one."""
    for other in path.parent.parent.glob(f"{FOLDER}*/{path.name}"):
        with contextlib.suppress(OSError):  # gone meanwhile, or a file system without links
            found = other.lstat()
            if found.st_uid == os.getuid() and stat.S_ISREG(found.st_mode):
                os.link(other, path, follow_symlinks=False)
                return True
    return False
