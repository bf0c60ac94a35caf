"""The process's standard streams, however it was started: closed ones, narrow encodings, readers that have gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO


class Lost(io.TextIOBase):
    """The place of a stream that was closed before the program began (`>&-`): nothing can be written there."""

    def write(self, text: str) -> int:
        """Refuse.

        Raises:
            OSError: always.
        """
        raise OSError(errno.EBADF, "it is closed")

    def writable(self) -> bool:
        """Says that it was made for writing."""
        return True


def prepare_streams() -> None:
    """Make stdout and stderr usable, or honest about what they are.

    A descriptor that is closed is given out again to the next file that is opened, a database for instance: whoever
    prints to it then, a library in C or a child, would write into that. And an answer may hold what the encoding of
    the terminal has no character for: it is spelled out then.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = Lost()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def give_up(stream: TextIO) -> None:
    """Send what a broken stream still holds nowhere: Python would complain when it flushes at exit."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # none of the process's own
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
