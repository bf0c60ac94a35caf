"""One reader for all requests: its connections stay open, and no request pays for a new one."""

from __future__ import annotations

import threading

from gasearch.storage.archive import ArchiveReader
from gasearch.storage.sql import open_reader, sqlite_file
from gasearch.storage.sqlite_file import SqliteFile


class SharedReader:
    """Opens the database at the first request, and anew after an error or where the file is another one. Thread-safe.

    What other threads still ask of a reader that was given up is answered: its connections close when they are done.
    """

    def __init__(self, db_url: str) -> None:
        self._db_url = db_url
        self._lock = threading.RLock()
        self._reader: ArchiveReader | None = None
        self._file: SqliteFile | None = None

    def __call__(self) -> ArchiveReader:
        """The reader.

        Raises:
            StoreError: if there is no database, it can't be reached, or its schema isn't the current one.
        """
        with self._lock:
            if self._reader is None or not (self._file is None or self._file.is_same()):
                self.close()
                self._reader, self._file = open_reader(self._db_url), sqlite_file(self._db_url)
            return self._reader

    def close(self) -> None:
        """Give the reader up; the next request opens another one."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
            self._reader = self._file = None
