"""From a database URL to SQLAlchemy engines: one that writes, one that can only read."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from gasearch.errors import StoreError
from gasearch.storage.faults import SQLITE_PATIENCE_S, shown

_EXAMPLES = "sqlite:///results.db or postgresql://user@host/name"
#: libpq: give up an attempt after 10 s; find a silent peer dead after about a minute.
_POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms
    "application_name": "gasearch",
}
_POSTGRESQL_LIMITS = "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s"


#: The execution option of an engine that says whether the user wants the end, see answering.py.
IS_OVER = "gasearch_is_over"
#: How long SQLite itself waits for a lock. No longer: an interrupt has to wait for it, too.
BUSY_S = 2


def parse_url(text: str) -> URL:
    """The URL of a store.

    Raises:
        StoreError: if it is no URL, or of a database that gasearch doesn't know.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreError(f"a database is named by a URL such as {_EXAMPLES}; got {_without_password(text)!r}") from None
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if url.database in (None, "", ":memory:"):
                raise StoreError(
                    f"the store must be a file, to outlive the process, such as sqlite:///results.db; got {text!r}"
                )
            return url.set(drivername="sqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"{other!r} databases are not supported; use {_EXAMPLES}")


def writing_engine(url: URL) -> Engine:
    """An engine whose transactions write; a SQLite file is created where there is none."""
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url, _POSTGRESQL_LIMITS)
    _require_folder(url)
    engine = create_engine(url, connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite_writer)
    # IMMEDIATE: a transaction that reads, then writes, would fail at once ("locked") if another one wrote in between.
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(url: URL) -> Engine:
    """An engine that can't write, and that hinders no writer: each transaction reads one snapshot.

    Raises:
        StoreError: if there is no such SQLite file.
    """
    if url.get_backend_name() == "postgresql":
        limits = f"{_POSTGRESQL_LIMITS} -c default_transaction_read_only=on"
        return _postgresql_engine(url, limits, isolation_level="REPEATABLE READ")
    path = _sqlite_path(url)
    if not path.exists():
        raise StoreError(f"there is no database {shown(url)}: run a search first, or name another one with --db")
    engine = create_engine(url, creator=lambda: _connect_read_only(path))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(engine, "checkin", _forget_if_immutable)
    return engine


def _postgresql_engine(url: URL, limits: str, **options: Any) -> Engine:
    """An engine over psycopg 3; what the URL itself sets has precedence."""
    defaults = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in url.query}
    own_limits = url.query.get("options", "")
    arguments = {**defaults, "options": f"{limits} {own_limits}".strip()}
    try:
        from gasearch.storage.answering import limit_silence

        engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, **options)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{shown(url)} needs a driver that is not installed ({error.name}): pip install 'gasearch[postgres]'"
        ) from error
    limit_silence(engine)
    return engine


def _sqlite_path(url: URL) -> Path:
    return Path(str(url.database))


def _require_folder(url: URL) -> None:
    folder = _sqlite_path(url).absolute().parent
    if not folder.is_dir():
        raise StoreError(
            f"the folder {folder} of the database {shown(url)} does not exist: create it, or name another --db"
        )


def _prepare_sqlite_writer(connection: sqlite3.Connection, record: object) -> None:
    """Settings of each SQLite connection that writes."""
    connection.isolation_level = None  # transactions begin by our event, not behind our back
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL survives a kill, only FULL a power cut
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    """Begin by the driver itself: each outcome is a transaction, and Core's execution would double what that costs."""
    try:
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise DBAPIError.instance("BEGIN IMMEDIATE", None, error, sqlite3.Error) from error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Readers and one writer at once. Two first starts may collide here, and SQLite then doesn't wait by itself."""
    deadline = time.monotonic() + SQLITE_PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that can't write.

    Reading a WAL database takes its -shm file, which SQLite creates where the folder is writable. Where it isn't, and
    there is no -wal file, nobody writes at this moment: `immutable` then does without.
    """
    connection: sqlite3.Connection = _open_sqlite(path, "mode=ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        connection.close()
        if not any(symptom in str(error) for symptom in ("unable to open", "readonly")) or _has_wal(path):
            raise
        connection = _open_sqlite(path, "mode=ro&immutable=1", _Immutable)
    connection.execute("PRAGMA query_only=ON")
    return connection


class _Immutable(sqlite3.Connection):
    """A connection that takes no notice of writers."""


def _forget_if_immutable(connection: sqlite3.Connection | None, record: ConnectionPoolEntry) -> None:
    """Let no such connection outlive a transaction: someone may write before the next one."""
    if isinstance(connection, _Immutable):
        record.invalidate()


def _has_wal(path: Path) -> bool:
    wal = Path(f"{path}-wal")
    return wal.exists() and wal.stat().st_size > 0


def _open_sqlite(
    path: Path, options: str, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        factory=factory,
        isolation_level=None,
        timeout=SQLITE_PATIENCE_S,
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )


def _without_password(text: str) -> str:
    """Text that is no URL, with whatever may be a password left out."""
    head, at, tail = text.rpartition("@")
    return f"***@{tail}" if at else tail or head
