"""A failing database as one sentence: what happened, to which database, and what to do. No password is ever shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from gasearch.errors import StoreError
from gasearch.storage.passwords import hidden, scrubbed

#: What SQLite says, and what that means for whoever reads it.
_SQLITE_FAULTS = {
    "unable to open database file": "{url} can't be opened: its folder must exist and be writable",
    "attempt to write a readonly database": "{url} is read-only for this user: make the file and its folder writable",
    "readonly database": "{url} is read-only for this user: make the file and its folder writable",
    "database or disk is full": "the disk that holds {url} is full: free some space, then resume the search",
    "file is not a database": "{url} is not a SQLite database: name another file with --db",
    "database disk image is malformed": "{url} is damaged: restore it from a backup",
    "malformed database schema": "{url} is damaged: restore it from a backup",
    "database is locked": "{url} stayed locked by another process: end that process, then try again",
    "disk i/o error": "the disk that holds {url} fails to read or write (disk I/O error): check the disk",
}
SQLITE_PATIENCE_S = 30  #: How long a SQLite writer waits for another one, at least.


def shown(url: URL) -> str:
    """The URL as messages show it, without its password."""
    return hidden(url.render_as_string(hide_password=True))


@contextmanager
def as_store_errors(url: URL) -> Iterator[None]:
    """Turn every SQLAlchemy error inside into one sentence.

    Raises:
        StoreError: in its place.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise store_error(error, url) from error
    except UnicodeDecodeError as error:  # a damaged name, of which SQLite itself complains
        raise damaged(url) from error


def damaged(url: URL) -> StoreError:
    """The sentence for a SQLite file in which a text is none."""
    return StoreError(f"{shown(url)} is damaged (a text is no Unicode): see `gasearch db check`, restore a backup")


def store_error(error: SQLAlchemyError, url: URL) -> StoreError:
    """The sentence for an error of the database at that URL."""
    cause = cause_of(error, url)
    if "could not decode to utf-8" in cause.lower():
        return damaged(url)
    if url.get_backend_name() == "sqlite":
        for symptom, sentence in _SQLITE_FAULTS.items():
            if symptom in cause.lower():
                return StoreError(sentence.format(url=shown(url)))
    elif isinstance(error, OperationalError | InterfaceError) and _is_out_of_reach(error):
        return StoreError(
            f"the database {shown(url)} can't be reached: {cause}. Is it running, and is the address right?"
        )
    return StoreError(f"the database {shown(url)} refused: {cause}")


#: States of PostgreSQL that pass: serialization failure, deadlock, lock and statement timeout, too many connections.
_PASSING = ("40001", "40P01", "55P03", "57014", "53300")


def is_worth_repeating(error: SQLAlchemyError) -> bool:
    """Whether the same transaction may succeed later: no connection, a server that starts or ends, a lock, a deadlock.

    Not so a disk that is full or fails: what of the write is on it nobody knows.
    """
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return "is locked" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or state in _PASSING:
        return True
    is_refused = state is None and isinstance(error, OperationalError)  # libpq gives a failed connection no state
    return is_refused or (state is not None and state.startswith(("08", "57P")))


def _is_out_of_reach(error: DBAPIError) -> bool:
    """Whether there is no connection: it was refused (no SQLSTATE), it broke, or the server is starting or ending."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith(("08", "57P", "28", "3D"))


def cause_of(error: SQLAlchemyError, url: URL) -> str:
    """Quote the driver, in one line: neither the statement nor its parameters, nor the password."""
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error.args[0] if error.args else error)
    return scrubbed(" ".join(text.split()).rstrip("."), url.render_as_string(hide_password=False))
