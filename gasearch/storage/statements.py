"""Statements that both databases know in their own words, and one that is compiled once."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Insert,
    Table,
    Update,
    bindparam,
    literal,
    select,
)

from gasearch.storage.tables import evaluations, searches
from gasearch.storage.values import Row


class Prepared:
    """A statement compiled once. Where it runs for each evaluation, Core's own execution would cost twice the CPU."""

    def __init__(self, statement: Insert | Update, engine: Engine) -> None:
        compiled = statement.compile(dialect=engine.dialect)
        self._sql = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None

    def execute(self, connection: Connection, rows: list[dict[str, Any]]) -> CursorResult[Any]:
        """Run it for each of these rows of values, which the driver takes as they are."""
        if self._names is None:
            return connection.exec_driver_sql(self._sql, rows)
        return connection.exec_driver_sql(self._sql, [tuple([row[name] for name in self._names]) for row in rows])


def insert_fenced_evaluation(engine: Engine, holds_lease: ColumnElement[bool]) -> Insert:
    """One statement: the row goes in while the lease is ours, and only once; else it changes nothing."""
    names = [column.name for column in evaluations.columns]
    typed = [bindparam(column.name, type_=column.type) for column in evaluations.columns]
    fenced = select(*typed).select_from(searches).where(holds_lease).with_for_update(key_share=True)
    key = ["search_id", "candidate", "attempt"]  # at a place of arrival that is taken it fails
    once: Insert = _insert(engine, evaluations).from_select(names, fenced).on_conflict_do_nothing(index_elements=key)
    return once


def insert_once(connection: Connection, table: Table) -> Insert:
    """An insert that does nothing where a row of that key is there."""
    once: Insert = _insert(connection.engine, table).on_conflict_do_nothing()
    return once


def _insert(engine: Engine, table: Table) -> Any:
    """The database's own kind of insert, which knows what to do where a row is there."""
    return importlib.import_module(f"sqlalchemy.dialects.{engine.dialect.name}").insert(table)


def is_stored(connection: Connection, table: Table, row: Row, *columns: str) -> bool:
    """Whether a row with the same values is there.

    Args:
        connection: Where it is looked for.
        table: In which.
        row: Has the values.
        columns: Of which.
    """
    same = (table.c[name].is_not_distinct_from(row[name]) for name in columns)
    return connection.execute(select(literal(1)).select_from(table).where(*same)).first() is not None
