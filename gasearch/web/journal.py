"""What the server itself writes: logins into the audit log, and when tokens were last used.

It is written by a thread of its own, over a connection of its own, so that no request waits for a lock, and a database
that can only be read is served, too: then this is missing, and the log says so. What changes a search belongs into the
audit log in the transaction of the change, not here.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import closing

from gasearch.errors import GasearchError
from gasearch.storage.access import AuditRecord
from gasearch.storage.archive import Archive
from gasearch.storage.sql import open_archive

EVERY_S = 60.0  #: A token's use is written at most so often.
MOST_WAITING = 1000  #: Writes that a database which doesn't take them leaves waiting; further ones are dropped.
_LOG = logging.getLogger(__name__)
_Write = Callable[[Archive], None]


class Journal:
    """Takes what is to be written, and never waits. Thread-safe."""

    def __init__(self, db_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is written yet, and no thread runs."""
        self._db_url, self._clock = db_url, clock
        self._queue = queue.Queue[_Write](MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._noted: dict[int, float] = {}

    def note_use(self, token_id: int) -> None:
        """Let it be written that a token was used, unless that was less than a minute ago."""
        now = self._clock()
        with self._lock:
            if now - self._noted.get(token_id, -EVERY_S) < EVERY_S:
                return
            self._noted[token_id] = now
        self._put(lambda archive: archive.note_token_use(token_id))

    def add(self, record: AuditRecord) -> None:
        """Let it be written into the audit log."""
        self._put(lambda archive: archive.add_audit(record))

    def flush(self) -> None:
        """Wait until all is written, or dropped."""
        self._queue.join()

    def _put(self, write: _Write) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(write)
        except queue.Full:
            _LOG.warning("the database takes nothing: an entry of the journal was dropped")

    def _run(self) -> None:
        while True:
            write = self._queue.get()
            try:
                with closing(open_archive(self._db_url, notice=_LOG.info)) as archive:
                    write(archive)
            except GasearchError as error:
                _LOG.warning("the journal can't be written: %s", error)
            except Exception:
                _LOG.exception("the journal can't be written")
            finally:
                self._queue.task_done()
