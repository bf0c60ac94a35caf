"""Opening the store: an archive to write to, or one that can only be read; its schema, shown and upgraded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from gasearch.storage import schema
from gasearch.storage.archive import Archive, ArchiveReader
from gasearch.storage.engines import disposed, parse_url, reading_engine, sqlite_path, writing_engine
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
    with ExitStack() as on_error:
        writing = writing_engine(parsed)
        on_error.callback(writing.dispose)  # a generator would do so, where no exception is heard, once it is forgotten
        schema.upgrade(writing, notice)
        archive = SqlArchive(writing, reading_engine(parsed))
        on_error.pop_all()
        return archive


def open_reader(url: str) -> ArchiveReader:
    """The archive at a database URL, to be read only: also while a search writes to it, or after its writer died.

    Raises:
        StoreError: if there is no database, it can't be reached, or its schema isn't the current one.
    """
    with ExitStack() as on_error:
        engine = reading_engine(parse_url(url))
        on_error.callback(engine.dispose)
        schema.require_current(engine)
        on_error.pop_all()
        return SqlReader(engine)


def database_file(url: str) -> Path | None:
    """The file of a SQLite database; None for one on a server.

    Raises:
        StoreError: if the URL is none of a database.
    """
    parsed = parse_url(url)
    return sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None


def sqlite_file(url: str) -> SqliteFile | None:
    """The file of a SQLite database that is there; None for PostgreSQL."""
    path = database_file(url)
    return None if path is None else SqliteFile(path, shown(parse_url(url)))


def upgrade(
    url: str, notice: Callable[[str], None], *, may_upgrade: Callable[[str], bool] = lambda question: True
) -> None:
    """Bring the database to the newest schema (`gasearch db upgrade`).

    Args:
        url: The database.
        notice: Takes a sentence before it is upgraded.
        may_upgrade: Asked where others may work with an older gasearch, which the upgrade locks out.

    Raises:
        StoreError: if it can't be reached or written, isn't ours, has a newer schema, or the answer was no.
    """
    with disposed(writing_engine(parse_url(url))) as engine:
        schema.upgrade(engine, notice, may_upgrade=may_upgrade)


def upgrade_if_older(
    url: str, notice: Callable[[str], None], *, may_upgrade: Callable[[str], bool] = schema.never
) -> None:
    """Bring an existing database to the newest schema where it has an older one; never creates one.

    Args:
        url: The database.
        notice: Takes a sentence before it is upgraded.
        may_upgrade: Asked whether others may be locked out.
    """
    revision, newest = current(url)
    if revision not in (None, newest):
        upgrade(url, notice, may_upgrade=may_upgrade)


def current(url: str) -> tuple[str | None, str]:
    """The revision of the database's schema (None: it has none) and the newest one (`gasearch db current`).

    Raises:
        StoreError: if there is no database, or it can't be reached.
    """
    with (
        disposed(reading_engine(parse_url(url))) as engine,
        as_store_errors(engine.url),
        engine.connect() as connection,
    ):
        return schema.read_revision(connection), schema.HEAD
