"""Copies of whole databases: of either kind into a SQLite file, and from such a file into one of either kind."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gasearch.errors import BadInput, StoreError, WrongState
from gasearch.storage import schema
from gasearch.storage.checksums import restamped
from gasearch.storage.damage import CHUNK, CHUNK_OF_BYTES, has_bytes, rows_of
from gasearch.storage.engines import disposed, parse_url, reading_engine, writing_engine
from gasearch.storage.faults import as_store_errors, shown, store_error
from gasearch.storage.tables import audit, metadata, searches, submissions

_OF_TARGET = ("full", "readonly", "unable to open")  #: What SQLite says of the copy; the original was read before.
_UNOWNED = {"owner": None, "lease_until": 0.0, "is_stop_requested": False}


def file_url(path: Path) -> str:
    """The URL of a SQLite file.

    Raises:
        BadInput: if its name is no text.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadInput(f"a database's name is text that UTF-8 can hold; got {str(path)!r}") from None
    return URL.create("sqlite", database=str(path)).render_as_string()


def copy_to_file(url: str, path: Path) -> list[str]:
    """Copy one state of a database, while others write, into a new SQLite file: a single one, without a log.

    In the copy nobody owns a search.

    Returns:
        The names of the searches that somebody owned.

    Raises:
        StoreError: if there is no database, or it can't be read.
        OSError: if the file can't be written.
    """
    source = parse_url(url)
    target = file_url(path)
    copy = _copy_pages if source.get_backend_name() == "sqlite" else _copy_into_new_file
    copy(source, path)
    try:
        owned = _release_all(target)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise _not_written(error) from error
    except SQLAlchemyError as error:
        raise _not_written(error) from error
    return owned


def copy_from_file(path: Path, url: str, notice: Callable[[str], None]) -> None:
    """Copy a SQLite file into a database that holds no search; all or nothing.

    Args:
        path: The file.
        url: The database, which is created where there is none.
        notice: Takes a sentence before that.

    Raises:
        WrongState: if the database holds a search.
        StoreError: if one of the two can't be used.
    """
    from_url, to_url = parse_url(file_url(path)), parse_url(url)
    with disposed(reading_engine(from_url)) as source, disposed(writing_engine(to_url)) as target:
        schema.require_current(source)
        schema.upgrade(target, notice)
        with as_store_errors(target.url), source.connect() as reading, target.begin() as writing:
            if writing.dialect.name == "postgresql":  # SQLite: BEGIN IMMEDIATE has locked the file already
                writing.execute(text("LOCK TABLE searches IN EXCLUSIVE MODE"))
            count = writing.execute(select(func.count()).select_from(searches)).scalar_one()
            if count:
                raise WrongState(f"{shown(target.url)} holds {count} searches already: restore into an empty database")
            if writing.execute(select(audit.c.id).limit(1)).first() is not None:
                raise WrongState(f"{shown(target.url)} holds tokens of its own: restore into an empty database")
            if writing.execute(select(submissions.c.id).limit(1)).first() is not None:
                raise WrongState(f"{shown(target.url)} holds a queue of its own: restore into an empty database")
            copy_rows(reading, writing)


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows, as they are, into the empty tables of another database of the same schema."""
    for table in metadata.sorted_tables:
        chunk: list[dict[str, Any]] = []
        most = CHUNK_OF_BYTES if has_bytes(table.columns) else CHUNK
        for row in rows_of(source, select(table).order_by(*table.primary_key)):
            chunk.append({str(name): value for name, value in row.items()})
            if len(chunk) == most:
                target.execute(insert(table), chunk)
                chunk = []
        if chunk:
            target.execute(insert(table), chunk)
        if target.dialect.name == "postgresql" and "id" in table.columns:  # the next row gets a number of its own
            newest = f"SELECT max(id) FROM {table.name}"  # noqa: S608
            sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
            target.execute(text(f"SELECT setval({sequence}, newest) FROM ({newest}) AS found(newest)"))  # noqa: S608


def _copy_pages(source: URL, path: Path) -> None:
    """SQLite's own way; whatever the schema."""
    try:
        with disposed(reading_engine(source)) as engine, as_store_errors(source), engine.connect() as connection:
            if schema.read_revision(connection) is None:
                schema.require_newest(None, engine)
            driver: Any = connection.connection.driver_connection
            driver.execute("ROLLBACK")  # its own way has a snapshot of its own
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # says why not, as SQLite doesn't
            with closing(sqlite3.connect(path)) as copy:
                driver.backup(copy)
    except sqlite3.Error as error:
        if any(symptom in str(error) for symptom in _OF_TARGET):
            raise _not_written(error) from error
        raise store_error(DBAPIError.instance("backup", None, error, sqlite3.Error), source) from error


def _copy_into_new_file(source: URL, path: Path) -> None:
    """Row by row, in one snapshot."""
    target = parse_url(file_url(path))
    try:
        with disposed(reading_engine(source)) as reading, disposed(writing_engine(target)) as writing:
            schema.require_current(reading)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            schema.upgrade(writing, lambda message: None)
            with as_store_errors(source), reading.connect() as rows, writing.begin() as copy:
                copy_rows(rows, copy)
    except StoreError as error:
        cause = error.__cause__
        if isinstance(cause, DBAPIError) and isinstance(cause.orig, sqlite3.Error):  # the source is none of SQLite's
            raise _not_written(cause) from cause
        raise


def _not_written(error: sqlite3.Error | SQLAlchemyError) -> OSError:
    """Why the new file can't be written, as the system says such things."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    number = errno.ENOSPC if "full" in str(cause) else errno.EIO
    return OSError(number, f"{os.strerror(number)} ({cause})")


def _release_all(url: str) -> list[str]:
    """Let nobody own a search of a copy: its owner goes on with the original."""
    with disposed(writing_engine(parse_url(url))) as engine, engine.begin() as connection:
        if schema.read_revision(connection) != schema.HEAD:  # of an older version: its checksums may be none of ours
            owned = connection.execute(select(searches.c.name).where(searches.c.owner.is_not(None))).scalars().all()
            connection.execute(update(searches).values(_UNOWNED))
            return list(owned)
        rows = connection.execute(select(searches).where(searches.c.owner.is_not(None))).mappings().all()
        for row in rows:
            connection.execute(update(searches).where(searches.c.id == row["id"]).values(restamped(row, _UNOWNED)))
        return [row["name"] for row in rows]
