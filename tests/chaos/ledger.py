"""Who wrote which row under which epoch, noted by the database itself, in the transaction of the row."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from gasearch.storage.engines import parse_url

TABLES = ("candidates", "evaluations", "generations", "front", "replicates", "events", "calibrations")
WRITER = "gasearch_writer"


def signed(url: str) -> str:
    """The URL for this process: every connection that it opens from now on says who it is."""
    if url.startswith("postgresql"):
        return f"{url}{'&' if '?' in url else '?'}application_name={os.getpid()}"

    @event.listens_for(Engine, "connect")
    def _sign(connection: Any, record: Any) -> None:
        if hasattr(connection, "create_function"):  # SQLite's
            connection.create_function(WRITER, 0, os.getpid)

    return url


class Ledger:
    """Triggers on every table that a search writes to."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(parse_url(url))
        make = self._sqlite if self._engine.dialect.name == "sqlite" else self._postgresql
        with self._engine.begin() as connection:
            for statement in make():
                connection.execute(text(statement))

    def rows(self) -> list[tuple[int, int, str]]:
        """(process, epoch that the search had then, table) of each row, in the order of the writes."""
        with self._engine.connect() as connection:
            found = connection.execute(text("SELECT writer, epoch, what FROM ledger ORDER BY id"))
            return [(int(writer), int(epoch), str(what)) for writer, epoch, what in found]

    def close(self) -> None:
        """Release the connection."""
        self._engine.dispose()

    @staticmethod
    def _sqlite() -> list[str]:
        made = ["CREATE TABLE ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, writer, epoch, what)"]
        note = f"SELECT {WRITER}(), epoch, '{{what}}' FROM searches WHERE id = NEW.search_id"
        return made + [
            f"CREATE TRIGGER ledger_{table} AFTER INSERT ON {table} BEGIN "
            f"INSERT INTO ledger (writer, epoch, what) {note.format(what=table)}; END"
            for table in TABLES
        ]

    @staticmethod
    def _postgresql() -> list[str]:
        made = [
            "CREATE TABLE ledger (id BIGSERIAL PRIMARY KEY, writer TEXT, epoch BIGINT, what TEXT)",
            "CREATE FUNCTION note_write() RETURNS trigger AS $$ BEGIN INSERT INTO ledger (writer, epoch, what) "
            "SELECT current_setting('application_name'), s.epoch, TG_TABLE_NAME FROM searches s "
            "WHERE s.id = NEW.search_id; RETURN NEW; END $$ LANGUAGE plpgsql",
        ]
        return made + [
            f"CREATE TRIGGER ledger_{table} AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION note_write()"
            for table in TABLES
        ]


def require_fenced(rows: list[tuple[int, int, str]]) -> list[int]:
    """Require that the epochs never fall, and that each is one writer's alone.

    Returns:
        The writers, in the order of their epochs.
    """
    epochs = [epoch for _, epoch, _ in rows]
    assert epochs == sorted(epochs), "an epoch came back"
    owners: dict[int, int] = {}
    for writer, epoch, what in rows:
        assert owners.setdefault(epoch, writer) == writer, f"process {writer} wrote to {what} in the epoch of another"
    assert len(set(owners.values())) == len(owners), "one process wrote in two epochs"
    return list(owners.values())
