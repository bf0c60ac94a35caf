"""Opening the store: an archive to write to, or one that can only be read; its schema, shown and upgraded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from gasearch.storage import schema
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.engines import parse_url, reading_engine, sqlite_path, writing_engine
from gasearch.storage.faults import as_store_errors, shown
from gasearch.storage.sql_reader import SqlReader
from gasearch.storage.sqlite_file import SqliteFile


def open_archive(url: str, *, notice: Callable[[str], None]) -> Archive:
    """The archive at a database URL, created where there is none, its schema upgraded where it is older.

    Args:
        url: "sqlite:///FILE" or "postgresql://USER@HOST/NAME".
        notice: Takes a sentence before the database is created or upgraded.

    Raises:
        StoreError: if it can't be reached or written, isn't ours, has a newer schema, or an older one on a server that
            others may use.
    """
    from gasearch.storage.sql_writer import SqlArchive  # a reader needs no dialect's insert

    parsed = parse_url(url)
    writing = writing_engine(parsed)
    with _disposed_on_error(writing):
        schema.upgrade(writing, notice)
        return SqlArchive(writing, reading_engine(parsed))


def open_reader(url: str) -> ArchiveReader:
    """The archive at a database URL, to be read only: also while a search writes to it, or after its writer died.

    Raises:
        StoreError: if there is no database, it can't be reached, or its schema isn't the current one.
    """
    engine = reading_engine(parse_url(url))
    with _disposed_on_error(engine):
        schema.require_current(engine)
        return SqlReader(engine)


def sqlite_file(url: str) -> SqliteFile | None:
    """The file of a SQLite database that is there; None for PostgreSQL."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    return SqliteFile(sqlite_path(parsed), shown(parsed))


def upgrade(url: str, notice: Callable[[str], None]) -> None:
    """Bring the database to the newest schema (`gasearch db upgrade`).

    Raises:
        StoreError: if it can't be reached or written, isn't ours, or has a newer schema.
    """
    engine = writing_engine(parse_url(url))
    try:
        schema.upgrade(engine, notice, may_upgrade=lambda question: True)
    finally:
        engine.dispose()


def upgrade_if_older(
    url: str, notice: Callable[[str], None], *, may_upgrade: Callable[[str], bool] = schema.never
) -> None:
    """Bring an existing database to the newest schema where it has an older one; never creates one.

    Args:
        url: The database.
        notice: Takes a sentence before it is upgraded.
        may_upgrade: Asked where others may work with an older gasearch, which the upgrade locks out.

    Raises:
        StoreError: if it can't be reached or written, isn't ours, has a newer schema, or the answer was no.
    """
    revision, newest = current(url)
    if revision in (None, newest):
        return
    engine = writing_engine(parse_url(url))
    try:
        schema.upgrade(engine, notice, may_upgrade=may_upgrade)
    finally:
        engine.dispose()


def current(url: str) -> tuple[str | None, str]:
    """The revision of the database's schema (None: it has none) and the newest one (`gasearch db current`).

    Raises:
        StoreError: if there is no database, or it can't be reached.
    """
    engine = reading_engine(parse_url(url))
    try:
        with as_store_errors(engine.url), engine.connect() as connection:
            return schema.read_revision(connection), schema.HEAD
    finally:
        engine.dispose()


def database_file(url: str) -> Path | None:
    """The file of a SQLite database; None for one on a server.

    Raises:
        StoreError: if the URL is none of a database.
    """
    parsed = parse_url(url)
    return sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    """Leave no connection open behind an error."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise
