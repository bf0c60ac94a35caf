"""Files that are written whole or not at all, and folders through which machines exchange them."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write, in a folder that is made if need be; at the end it takes the path's place.

    Where writing fails, what was there stays. Other processes may do the same at the same time: one of them is last.

    Raises:
        OSError: if the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.writing")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[Callable[[], None]]:
    """Hold a folder that other processes take in the same way, waiting for them; gives what syncs its names to disk.

    Where the file system has no such locks (some of a network), nobody is kept out.

    Raises:
        OSError: if the folder can't be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield lambda: os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why_not_shared(mark: str) -> str:
    """Why files can't be exchanged through the folder of the controller's file; "" where they can."""
    folder = Path(mark).parent
    if not Path(mark).is_file():
        return f"{socket.gethostname()} doesn't see what the controller has in {folder}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{socket.gethostname()} can't write to {folder}"
    return ""
