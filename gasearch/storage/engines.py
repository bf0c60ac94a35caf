"""From a database URL to SQLAlchemy engines: one that writes, one that can only read."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from gasearch.errors import BadInput, NoStore, StoreError
from gasearch.storage.faults import SQLITE_PATIENCE_S, shown
from gasearch.storage.passwords import hidden
from gasearch.storage.sqlite_file import SqliteFile, open_file, write_back

T = TypeVar("T")

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


#: Connections that threads read through at a time: as many as the service has threads. Five of them are kept.
_READERS: dict[str, Any] = {"pool_size": 5, "max_overflow": 35}
#: A server that answers ends a statement after 60 s by itself (`statement_timeout`).
SILENCE_S = 75.0
HURRY_S = 3.0  #: The same, once the user wants the end.
#: The execution option of an engine that says whether the user wants the end.
IS_OVER = "gasearch_is_over"
#: How long SQLite itself waits for a lock. No longer: an interrupt has to wait for it, too.
BUSY_S = 2


def parse_url(text: str) -> URL:
    """The URL of a store.

    Raises:
        BadInput: if it is no URL, or of a database that gasearch doesn't know.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadInput(f"a database is named by text that UTF-8 can hold; got {hidden(text)!r}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # a port that is no number
        raise BadInput(_no_url(text)) from None
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            _require_file_name(url, text)
            return url.set(drivername="sqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            if "@" in (url.host or ""):
                raise BadInput(f"write each @ of the user's name and password as %40 in {hidden(text)!r}")
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise BadInput(f"{other!r} databases are not supported; use {_EXAMPLES}")


def _no_url(text: str) -> str:
    """What a database is named by, and what a text that is no URL may have been meant as."""
    wanted = f"a URL such as {_EXAMPLES}, or a file whose name ends in .db, .sqlite or .sqlite3"
    is_name = text and not {":", "@", "?", "#", "%"} & set(text)
    meant = f"; a SQLite file of that name is sqlite:///{text}" if is_name else ""
    return f"a database is named by {wanted}; got {hidden(text)!r}{meant}"


def _require_file_name(url: URL, text: str) -> None:
    """Refuse what doesn't name one file to everybody: to us when we write and when we read, and to SQLite itself."""
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise BadInput(
            f"the store must be a file, to outlive the process, such as sqlite:///results.db; got {hidden(text)!r}"
        )
    if url.host is not None:
        raise BadInput(f"a SQLite file has three slashes, four where its path begins at the root; got {hidden(text)!r}")
    if "?" in text:
        raise BadInput(f"a SQLite file takes no options; write a ? of its name as %3F; got {hidden(text)!r}")
    if "\0" in str(url.database):
        raise BadInput(f"no file has a NUL character in its name; got {hidden(text)!r}")


def writing_engine(url: URL) -> Engine:
    """An engine whose transactions write; a SQLite file is created where there is none.

    Raises:
        StoreError: if there is no folder for it.
    """
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url, _POSTGRESQL_LIMITS)
    path = sqlite_path(url).absolute()  # connections are also made later, when the working folder may be another
    if not _is_there(path, url) and not path.parent.is_dir():
        raise StoreError(
            f"the folder {path.parent} of the database {shown(url)} does not exist: create it, or name another --db"
        )
    engine = create_engine(url, creator=lambda: sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False))
    event.listen(engine, "connect", _prepare_sqlite_writer)
    # IMMEDIATE: a transaction that reads, then writes, would fail at once ("locked") if another one wrote in between.
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(url: URL) -> Engine:
    """An engine that can't write, and that hinders no writer: each transaction reads one snapshot.

    Raises:
        NoStore: if there is no such SQLite file.
    """
    if url.get_backend_name() == "postgresql":
        limits = f"{_POSTGRESQL_LIMITS} -c default_transaction_read_only=on"
        return _postgresql_engine(url, limits, isolation_level="REPEATABLE READ", **_READERS)
    path = sqlite_path(url).absolute()
    if not _is_there(path, url):
        raise NoStore(f"there is no database {shown(url)}: run a search first, or name another one with --db")
    engine = create_engine(url, creator=lambda: _connect_read_only(path), **_READERS)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(engine, "checkin", _forget_if_immutable)
    file = SqliteFile(path, shown(url))
    # A log that another file has left under this name would be taken for this one's.
    event.listen(engine, "engine_disposed", lambda engine: write_back(path) if file.is_same() else None)
    return engine


def _postgresql_engine(url: URL, limits: str, **options: Any) -> Engine:
    """An engine over psycopg 3; what the URL itself sets has precedence."""
    defaults = {name: value for name, value in _POSTGRESQL_OPTIONS.items() if name not in url.query}
    own_limits = url.query.get("options", "")
    arguments = {**defaults, "options": f"{limits} {own_limits}".strip()}
    try:
        engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, **options)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{shown(url)} needs a driver that is not installed ({error.name}): pip install 'gasearch[postgres]'"
        ) from error
    _limit_silence(engine)
    if not (log := logging.getLogger("psycopg")).handlers:
        # It warns of batches that a lost connection cut off; without any handler, Python would print that.
        log.addHandler(logging.NullHandler())
    return engine


def _limit_silence(engine: Engine) -> None:
    """Let every connection of an engine break when the server says nothing for `SILENCE_S`.

    A server that is stopped or cut off may just say nothing. TCP's own keep-alive misses that where a proxy, or a
    machine that hangs, still acknowledges what it gets.
    """
    import psycopg

    class Answering(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            is_over = engine.get_execution_options().get(IS_OVER)
            return super().wait(_limited(gen, self, is_over), *arguments, **options)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, parameters: Any) -> Any:
        return Answering.connect(*arguments, **parameters)


def _limited(
    steps: Generator[Any, Any, T], connection: Any, is_over: Callable[[], bool] | None
) -> Generator[Any, Any, T]:
    """The steps of a statement, each awaiting the server; psycopg looks up every tenth of a second."""
    began, ready = time.monotonic(), None
    while True:
        try:
            step = steps.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result
        ready = yield step
        silence = time.monotonic() - began
        if not ready and (silence > SILENCE_S or (silence > HURRY_S and is_over is not None and is_over())):
            connection.close()
            import psycopg

            raise psycopg.OperationalError(f"the server said nothing for {silence:.0f} s")


@contextmanager
def disposed(engine: Engine) -> Iterator[Engine]:
    """An engine that leaves no connection open behind what is done inside."""
    try:
        yield engine
    finally:
        engine.dispose()


def sqlite_path(url: URL) -> Path:
    """The file of a SQLite database."""
    return Path(str(url.database))


def _is_there(path: Path, url: URL) -> bool:
    """Whether there is a file of that name.

    Raises:
        StoreError: if no file can have that name, or if it is a folder or a device.
    """
    try:
        if path.is_dir():
            raise StoreError(f"{shown(url)} is a folder: name a file in it with --db")
        if path.exists() and not path.is_file():
            raise StoreError(f"{shown(url)} is no file: name one with --db")
        return path.exists()
    except OSError as error:
        raise StoreError(f"{shown(url)} can't be opened: {error.strerror}; name another one with --db") from error


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
    connection: sqlite3.Connection = open_file(path, "mode=ro", patience_s=SQLITE_PATIENCE_S)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        connection.close()
        if not any(symptom in str(error) for symptom in ("unable to open", "readonly")) or _has_wal(path):
            raise
        connection = open_file(path, "mode=ro&immutable=1", factory=_Immutable, patience_s=SQLITE_PATIENCE_S)
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
