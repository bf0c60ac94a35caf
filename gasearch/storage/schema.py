"""The schema and its revisions. Alembic is loaded only where there is something to upgrade."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select, text

from gasearch.errors import NoStore, StoreError
from gasearch.storage.faults import SQLITE_PATIENCE_S, as_store_errors, shown
from gasearch.storage.owner import is_gone
from gasearch.storage.tables import REVISIONS, VERSION_TABLE, database_clock, metadata, searches

HEAD = REVISIONS[-1]
_UPGRADE_LOCK = 0x6761_7365_6172_6368  #: "gasearch": the number of our advisory lock in PostgreSQL.
#: Alembic's context belongs to the process: of two threads that upgrade, each would take the other's.
_ALEMBIC_LOCK = threading.Lock()


def require_current(engine: Engine) -> None:
    """Check that the database has the schema that this version reads.

    Raises:
        StoreError: saying which command helps.
    """
    with as_store_errors(engine.url), engine.connect() as connection:
        revision = read_revision(connection)
    require_newest(revision, engine)


def require_newest(revision: str | None, engine: Engine) -> None:
    """Check that a revision is the one that this version reads.

    Raises:
        StoreError: saying which command helps.
    """
    if revision is None:
        raise NoStore(
            f"{shown(engine.url)} holds no gasearch data: run a search first, or name another database with --db"
        )
    _refuse_unknown(revision, engine)
    if revision != HEAD:
        raise StoreError(
            f"{shown(engine.url)} has the older schema {revision} (this version reads {HEAD}): "
            "run `gasearch db upgrade`"
        )


def never(question: str) -> bool:
    """The answer of nobody."""
    return False


def upgrade(engine: Engine, notice: Callable[[str], None], *, may_upgrade: Callable[[str], bool] = never) -> None:
    """Bring the database to the newest schema, after saying so; several processes may try at once.

    A new database, and a SQLite file that no search is writing to, take it by themselves. Elsewhere others may be at
    work with an older gasearch, which the upgrade locks out.

    Args:
        engine: One that may write.
        notice: Takes a sentence before anything is changed.
        may_upgrade: Asked whether others may be locked out.

    Raises:
        StoreError: if its schema is newer than this version of gasearch, or the answer was no.
    """
    with as_store_errors(engine.url):
        with _patient(engine) as connection:
            revision = read_revision(connection)
        if revision == HEAD:
            return
        _refuse_unknown(revision, engine)
        if revision is not None:
            _require_consent(engine, revision, may_upgrade)
        with _patient(engine) as connection:
            if connection.dialect.name == "sqlite":  # before the transaction: inside one it has no effect
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")  # batch changes replace whole tables
            with connection.begin():
                _upgrade_alone(connection, engine, notice)


@contextmanager
def _patient(engine: Engine) -> Iterator[Connection]:
    """A connection that waits for long for those who write to a SQLite file: of ten at once, one came too late."""
    with engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            connection.connection.cursor().execute(f"PRAGMA busy_timeout={1000 * SQLITE_PATIENCE_S}")
        try:
            yield connection
        finally:
            if is_sqlite:
                connection.invalidate()  # with its settings


def _require_consent(engine: Engine, revision: str, may_upgrade: Callable[[str], bool]) -> None:
    """Ask before others are locked out."""
    if engine.dialect.name == "sqlite":
        owned = select(searches.c.name, searches.c.owner).where(searches.c.owner.is_not(None))
        with engine.connect() as connection:
            running = connection.execute(owned.where(searches.c.lease_until > database_clock())).all()
        names = [name for name, owner in running if not is_gone(owner)]
        if not names:
            return
        others = f"the search {names[0]!r}, which an older gasearch is running"
    else:
        others = "every older gasearch that uses it"
    upgrading = f"upgrading {shown(engine.url)} from schema {revision} to {HEAD} locks out {others}"
    if not may_upgrade(upgrading):
        raise StoreError(f"{upgrading}: do it by `gasearch db upgrade`, or go on here with --upgrade")


def _upgrade_alone(connection: Connection, engine: Engine, notice: Callable[[str], None]) -> None:
    """Upgrade inside a transaction that others wait for (Alembic has no lock): all or nothing on both databases."""
    if connection.dialect.name == "postgresql":  # SQLite: BEGIN IMMEDIATE has locked the file already
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
    revision = read_revision(connection)  # another process may have done it while we waited
    if revision == HEAD:
        return
    _refuse_unknown(revision, engine)
    if revision is None:
        _refuse_foreign_tables(connection, engine)
        notice(f"creating the database {shown(engine.url)}")
    else:
        notice(f"upgrading the database {shown(engine.url)} from revision {revision} to {HEAD}")
    _run_alembic(connection)


def read_revision(connection: Connection) -> str | None:
    """The revision of the database's schema; None where there is none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return revision


def migrations() -> Path:
    """The folder of the revisions: inside the installed package, or beside it in a checkout.

    Raises:
        StoreError: if there is none.
    """
    import importlib.resources

    package = Path(str(importlib.resources.files("gasearch")))
    for folder in (package / "_migrations", package.parent / "alembic"):
        if (folder / "versions").is_dir():
            return folder
    raise StoreError(
        f"this installation of gasearch in {package} lacks its database revisions: pip install gasearch again"
    )


def _run_alembic(connection: Connection) -> None:
    from alembic.config import Config

    from alembic import command

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    with _ALEMBIC_LOCK:  # taken last, the database being locked already: whoever holds it waits for nobody
        command.upgrade(config, "head")


def _refuse_unknown(revision: str | None, engine: Engine) -> None:
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"{shown(engine.url)} was written by another version of gasearch (schema {revision}; this one knows "
            f"{', '.join(REVISIONS)}): pip install --upgrade gasearch"
        )


def _refuse_foreign_tables(connection: Connection, engine: Engine) -> None:
    """Another program's tables may stand beside ours, unless they have our names."""
    taken = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        raise StoreError(
            f"{shown(engine.url)} already has tables of another program ({', '.join(taken)}): "
            "name another database with --db"
        )
