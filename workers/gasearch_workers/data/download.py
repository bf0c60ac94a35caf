"""Downloads of named data sets, when the user says so: tried again where the network fails, and whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from gasearch_workers.data.dataset import DataError

Notice = Callable[[str], None]  #: Takes what is downloaded, from where, and what came.
Found = TypeVar("Found")

#: What brings the libraries that know public data sets, in versions that fit the installed torch.
INSTALL: Final = "python -m pip install -c constraints.txt '.[data]'"
PAUSES_S: Final = (2.0, 10.0)  #: Between the tries.
SILENCE_S = 60.0  #: A connection that says nothing for so long has failed.
UNPACKED = 3  #: Times the size of a download that it takes on the disk, with its archives, until it is whole;
LEAST_FREE = 100  #: and the fewest megabytes, since small images pack well.

#: What another try would only fail at again: a name that nobody has, a value that can't be used, and these.
_FINAL = (FileNotFoundError, NotADirectoryError, PermissionError, ValueError, TypeError)
_FINAL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class NotDownloaded(DataError):
    """A data set that is known by its name, or the library that knows it, isn't on this machine."""


def not_installed(source: str, library: str, error: ImportError) -> NotDownloaded:
    """The error of a library that isn't here.

    Args:
        source: Needs it.
        library: Its name.
        error: Of its import.
    """
    return NotDownloaded(
        f"{source}: expected the library {library}, which isn't installed ({error}); install it with: {INSTALL}"
    )


def tried(fetch: Callable[[], Found], what: str, notice: Notice, pauses_s: Sequence[float] | None = None) -> Found:
    """A download's result, tried again where the network fails.

    Args:
        fetch: Makes the download.
        what: It is, for errors.
        notice: Takes why it is tried again.
        pauses_s: Before each further try; None: `PAUSES_S`.

    Raises:
        DataError: if it fails for good, with the last reason.
    """
    with _impatient_sockets():
        for pause_s in (*(PAUSES_S if pauses_s is None else pauses_s), None):
            try:
                return fetch()
            except DataError:
                raise
            except Exception as error:  # each library and each transport has errors of its own
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                if pause_s is None or _is_final(error):
                    raise DataError(f"{what} can't be downloaded: {reason}") from error
                notice(f"{what}: {reason}; trying again in {pause_s:g} s")
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


@contextmanager
def made_aside(target: Path, *, what: str, megabytes: int) -> Iterator[Path]:
    """A folder beside what `target` holds; its files are moved there once the block has ended well, and else removed.

    Each file appears at once and as a whole, and replaces one that was there, which may be damaged.

    Args:
        target: The folder for good.
        what: Is made, for errors.
        megabytes: Its download has.

    Raises:
        DataError: if there is no room for it, or it can't be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        free, needed = shutil.disk_usage(target).free // 1_000_000, max(UNPACKED * megabytes, LEAST_FREE)
        if free < needed:
            raise DataError(f"{what} needs some {needed:,} MB in {target}; {free:,} MB are free")
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=target) as folder:
            yield Path(folder)
            for path in sorted(Path(folder).rglob("*")):
                place = target / path.relative_to(folder)
                if path.is_dir():
                    place.mkdir(exist_ok=True)
                else:
                    os.replace(path, place)
    except OSError as error:
        raise DataError(f"{what} can't be written to {target}: {error.strerror or error}") from error


def _is_final(error: Exception) -> bool:
    return isinstance(error, _FINAL) or (isinstance(error, OSError) and error.errno in _FINAL_NUMBERS)


@contextmanager
def _impatient_sockets() -> Iterator[None]:
    """Let connections that are opened meanwhile give up some time; by default they wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
