"""A SQLite database as a file: it stays the one that was opened, and whoever copies it has all of it.

What is committed lies in a log beside the file (`-wal`) until somebody writes it back. SQLite does that by itself when
the last connection closes, but only if that one may write: readers are often the last, and theirs may not.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from gasearch.errors import StoreLost

CHECKPOINT_EVERY_S = 30.0  #: So old is what a copy of a running search's file lacks, about.


class SqliteFile:
    """The file behind open connections."""

    def __init__(self, path: Path, name: str) -> None:
        """Remember which file it is; a connection to it is open, so that no other one gets its number.

        Args:
            path: Where it lies.
            name: How messages call it.
        """
        self._path, self._name = path.absolute(), name
        self._identity = _identity(self._path)

    def require_same(self) -> None:
        """Check that what is written still reaches the file of that name.

        Raises:
            StoreLost: if it was deleted, moved away, or another one stands in its place.
        """
        found = _identity(self._path)
        if found == self._identity:
            return
        what = "was deleted or moved away" if found is None else "was replaced by another file"
        raise StoreLost(
            f"the file of {self._name} {what} while it was in use: what no copy holds is lost; bring a backup back "
            "with `gasearch db restore`, or begin again"
        )

    def is_same(self) -> bool:
        """Whether it still has its name."""
        return _identity(self._path) == self._identity


def checkpoint(connection: sqlite3.Connection, *, patience_s: float) -> None:
    """Write the log back into the file, and empty it, unless a reader or a writer is in its way for so long."""
    [[before_ms]] = connection.execute("PRAGMA busy_timeout").fetchall()
    connection.execute(f"PRAGMA busy_timeout={round(1000 * patience_s)}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout={before_ms}")


def write_back(path: Path) -> None:
    """Have the file hold all, without a log beside it, unless somebody else has it open or it can't be written."""
    if not Path(f"{path}-wal").exists():
        return
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(open_file(path, "mode=rw")) as last:  # also a damaged one
        last.execute("SELECT count(*) FROM sqlite_master").fetchall()


def open_file(
    path: Path, options: str, *, factory: type[sqlite3.Connection] = sqlite3.Connection, patience_s: float = 0.0
) -> sqlite3.Connection:
    """A connection by SQLite's own URI.

    Args:
        path: The file.
        options: Of the URI: what it may do.
        factory: Its class.
        patience_s: How long it waits for a lock.
    """
    return sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        factory=factory,
        isolation_level=None,
        timeout=patience_s,
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None where there is none, or none that we may look at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
