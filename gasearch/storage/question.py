"""A question that may be given up while the database is still at it: its statement ends, on both databases."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection

from gasearch.errors import GivenUp

#: SQLite asks after so many of its instructions, about every millisecond, whether to go on.
INSTRUCTIONS = 20_000
CANCEL_S = 5.0  #: How long PostgreSQL may take to hear that a statement is to end.


class Question:
    """A request for somebody who may stop waiting; `asking` says what a thread asks for. Thread-safe."""

    def __init__(self) -> None:
        """Nobody has given it up yet."""
        self._is_given_up = threading.Event()
        self._lock = threading.Lock()
        self._running: set[Any] = set()  # connections to PostgreSQL

    def give_up(self) -> None:
        """End what runs for it, and let nothing more begin.

        PostgreSQL forgets it where no statement has begun yet: call it again until the asker has heard.
        """
        self._is_given_up.set()
        with self._lock:
            for connection in self._running:
                with suppress(Exception):  # it may have ended by itself, or have lost its server
                    connection.cancel_safe(timeout=CANCEL_S)

    @contextmanager
    def on(self, connection: Connection) -> Iterator[None]:
        """Let what this connection does inside end once the question is given up.

        Raises:
            GivenUp: if it is.
        """
        driver: Any = connection.connection.driver_connection
        if self._is_given_up.is_set():
            raise GivenUp("nobody waits for the answer any more")
        is_sqlite = isinstance(driver, sqlite3.Connection)
        if is_sqlite:
            driver.set_progress_handler(self._is_given_up.is_set, INSTRUCTIONS)
        else:
            with self._lock:
                self._running.add(driver)
        try:
            yield
        except Exception as error:
            if self._is_given_up.is_set():
                raise GivenUp("the question took too long, or nobody waited for the answer any more") from error
            raise
        finally:
            if is_sqlite:
                driver.set_progress_handler(None, 0)
            else:
                with self._lock:
                    self._running.discard(driver)


_asked: ContextVar[Question | None] = ContextVar("gasearch_question", default=None)


@contextmanager
def asking(question: Question) -> Iterator[None]:
    """Ask readers for the question, in this context and in threads that take it over."""
    token = _asked.set(question)
    try:
        yield
    finally:
        _asked.reset(token)


@contextmanager
def answering(connection: Connection) -> Iterator[None]:
    """Work on a connection for the question of this context, if there is one.

    Raises:
        GivenUp: if the question is given up.
    """
    question = _asked.get()
    if question is None:
        yield
        return
    with question.on(connection):
        yield
