"""Damage of a database's rows, each by itself, and the searches of which all rows are sound.

Wrong are damaged pages, checksums that don't match, missing parents. All of it reads one snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gasearch_workers.messages import FailureKind
from sqlalchemy import ColumnElement, Connection, LargeBinary, RowMapping, Select, Table, and_, select
from sqlalchemy.exc import SQLAlchemyError

from gasearch.storage import checksums, schema
from gasearch.storage.access import Role
from gasearch.storage.engines import disposed, parse_url, reading_engine
from gasearch.storage.faults import as_store_errors, cause_of, shown
from gasearch.storage.questions import IS_RETRIED, SEARCHES
from gasearch.storage.queue import SubmissionState
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    GenerationRecord,
    ReplicateRecord,
    SearchRecord,
    SearchStatus,
    Verdict,
)
from gasearch.storage.rows import evaluation_record, record_of, values_of
from gasearch.storage.tables import (
    IS_FINAL,
    REVISIONS,
    candidates,
    evaluations,
    events,
    front,
    generations,
    metadata,
    replicates,
    search_column,
    searches,
)
from gasearch.storage.values import Row

CHUNK = 1000  #: Rows in memory at a time.
CHUNK_OF_BYTES = 8  #: Of rows that hold whole networks.
_MOST = 100  #: Findings of SQLite about its own pages.
#: Columns of JSON text.
_JSON = {
    "searches": ("spec_json", "objectives", "data_json", "reference_point", "reference_ideal"),
    "candidates": ("genes", "parents", "network_json", "predicted"),
    "evaluations": ("others", "curve"),
    "generations": ("best",),
    "tuning_trials": ("recipe_json",),
    "finals": ("recipe_json", "metrics", "test"),
    "exports": ("files", "claimed"),
    "verifications": ("claimed", "measured"),
    "submissions": ("spec_json",),
}
_ODD_BOOLEANS = (
    "SELECT id FROM searches WHERE typeof(is_stop_requested) <> 'integer' OR is_stop_requested NOT IN (0, 1)"
)
_WORDS = {
    ("searches", "state"): tuple(SearchStatus),
    ("evaluations", "failure"): (None, *FailureKind),
    ("finals", "failure"): (None, *FailureKind),
    ("verifications", "verdict"): tuple(Verdict),
    ("tokens", "role"): tuple(Role),
    ("submissions", "state"): tuple(SubmissionState),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong."""

    text: str  #: One sentence that names the row.
    search_id: int | None = None  #: The search that it concerns; None: the whole database,
    is_apart: bool = False  #: or no search at all: tokens, say.


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """A connection that reads one state of the database, while others write; text that is no UTF-8 is read, too.

    Raises:
        StoreError: if there is no database, it can't be reached, or it has an older schema.
    """
    with (
        disposed(reading_engine(parse_url(url))) as engine,
        as_store_errors(engine.url),
        engine.connect() as connection,
    ):
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        revision = schema.read_revision(connection)
        if revision is None or revision in REVISIONS:  # one that is newer is a finding
            schema.require_newest(revision, engine)
        yield connection
        connection.invalidate()  # with its own way to read text


def find_damage(connection: Connection) -> Iterator[Finding]:
    """All that is wrong with the rows, each by itself; ends early where the database can't be read at all."""
    revision = schema.read_revision(connection)
    if revision != schema.HEAD:
        text = f"the schema {revision} is none that this version of gasearch knows ({', '.join(REVISIONS)})"
        yield Finding(text=f"{text}: pip install --upgrade gasearch")
        return
    try:
        yield from _broken_pages(connection)
        for table in metadata.sorted_tables:
            yield from _bad_rows(connection, table)
            yield from _orphans(connection, table)
    except SQLAlchemyError as error:
        cause = cause_of(error, connection.engine.url)
        yield Finding(text=f"the database {shown(connection.engine.url)} can't be read to its end: {cause}")
    except UnicodeDecodeError as error:  # a name in the schema, of which SQLite itself complains
        yield Finding(text=f"the database {shown(connection.engine.url)} can't be read to its end: {error.reason}")


def _broken_pages(connection: Connection) -> Iterator[Finding]:
    """Find what SQLite says of its own file: tables against indexes, unique and other constraints, lost pages."""
    if connection.dialect.name != "sqlite":
        return
    for (text,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST})"):
        if text != "ok":
            yield Finding(text=f"SQLite's own check of the file: {' '.join(str(text).split())}")


def _bad_rows(connection: Connection, table: Table) -> Iterator[Finding]:
    """Rows that aren't what was written, or could never have been."""
    sums = [one for one in checksums.ALL if one.table is table]
    for row in rows_of(connection, select(table).order_by(*table.primary_key)):
        name, of = checksums.name_of(table.name, row), _owner_of(table, row)
        if not all(one.fits(row) for one in sums):
            yield Finding(text=f"{name} {checksums.MISMATCH}", **of)
        for problem in _impossible(table.name, row):
            yield Finding(text=f"{name}: {problem}", **of)
    if table is searches and connection.dialect.name == "sqlite":  # any other value reads as true or false, too
        for (found,) in connection.exec_driver_sql(_ODD_BOOLEANS):
            yield Finding(text=f"search {found}: is_stop_requested is neither true nor false", search_id=found)


def _owner_of(table: Table, row: Row) -> dict[str, Any]:
    """Which search a row belongs to, as a finding says it."""
    column = search_column(table)
    return {"is_apart": True} if column is None else {"search_id": row[column.name]}


def _impossible(table: str, row: Row) -> Iterator[str]:
    """Name what no version of gasearch writes, whatever the checksum says."""
    for (of_table, column), words in _WORDS.items():
        if of_table == table and row[column] not in words:
            yield f"{column} {row[column]!r} is unknown"
    for column in _JSON.get(table, ()):
        if row[column] is not None:
            try:
                json.loads(row[column], parse_constant=_refuse)
            except (ValueError, TypeError) as error:
                yield f"{column} is no JSON ({error})"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _orphans(connection: Connection, table: Table) -> Iterator[Finding]:
    """Rows that belong to a search or a candidate that isn't there."""
    for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name)):
        parent = key.referred_table
        is_parent = and_(*(element.parent == element.column for element in key.elements))
        lonely = select(table).select_from(table.outerjoin(parent, is_parent))
        for row in rows_of(connection, lonely.where(key.elements[0].column.is_(None))):
            text = f"{checksums.name_of(table.name, row)} has no row in {parent.name}"
            yield Finding(text=text, search_id=row["search_id"])


def has_bytes(columns: Iterable[ColumnElement[Any]]) -> bool:
    """Whether whole networks may stand in one of the columns."""
    return any(isinstance(column.type, LargeBinary) for column in columns)


def rows_of(connection: Connection, statement: Select[Any]) -> Iterator[RowMapping]:
    """The rows of a statement, a chunk at a time, within the connection's transaction."""
    chunk = CHUNK_OF_BYTES if has_bytes(statement.selected_columns) else CHUNK
    found = connection.execute(statement, execution_options={"yield_per": chunk}).mappings()
    try:
        yield from found
    finally:
        found.close()


# --- what is sound ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSearch(SearchRecord):
    """A search with all that belongs to it."""

    epoch: int
    candidates: list[CandidateRecord]  #: By number.
    outcomes: list[EvaluationRecord]  #: By arrival, without their curves.
    replaced: list[int | None]  #: Of each of these, the arrival of the outcome that did it.
    retried: list[tuple[int, int, int | None]]  #: Candidate, attempt, replaced.
    replicates: list[ReplicateRecord]  #: In the order of the decisions.
    stays: list[tuple[int, int, int | None]]  #: Candidate, entered, exited.
    generations: list[GenerationRecord]
    events: list[tuple[int, int, int | None]]  #: Id, epoch, candidate; in order.


@contextmanager
def damage_and_searches(url: str) -> Iterator[tuple[list[Finding], Iterator[StoredSearch]]]:
    """Give what is wrong with single rows, and the searches of which all rows are sound; from one snapshot.

    Raises:
        StoreError: if there is no database, it can't be reached, or it has an older schema.
    """
    with snapshot(url) as connection:
        damage = list(find_damage(connection))
        yield damage, _sound_searches(connection, damage)


def _sound_searches(connection: Connection, damage: list[Finding]) -> Iterator[StoredSearch]:
    damaged = {found.search_id for found in damage if not found.is_apart}
    if None not in damaged:
        for search_id in connection.scalars(select(searches.c.id).order_by(searches.c.id)).all():
            if search_id not in damaged:
                yield _stored_search(connection, search_id)


def _stored_search(connection: Connection, search_id: int) -> StoredSearch:
    def rows(table: Table, by: str, *conditions: Any) -> Iterator[RowMapping]:
        of_search = select(table).where(table.c.search_id == search_id, *conditions)
        return rows_of(connection, of_search.order_by(table.c[by]))

    search = connection.execute(SEARCHES.where(searches.c.id == search_id)).mappings().one()
    outcomes, replaced = [], []
    for row in rows(evaluations, "arrival", IS_FINAL):
        outcomes.append(evaluation_record(row, with_curve=False))
        replaced.append(row["replaced"])
    attempts = rows(evaluations, "candidate", IS_RETRIED)
    return StoredSearch(
        **values_of(SearchRecord, search),
        epoch=search["epoch"],
        candidates=[record_of(CandidateRecord, row) for row in rows(candidates, "number")],
        outcomes=outcomes,
        replaced=replaced,
        retried=[(row["candidate"], row["attempt"], row["replaced"]) for row in attempts],
        replicates=[record_of(ReplicateRecord, row) for row in rows(replicates, "id")],
        stays=[(row["candidate"], row["entered"], row["exited"]) for row in rows(front, "entered")],
        generations=[record_of(GenerationRecord, row) for row in rows(generations, "number")],
        events=[(row["id"], row["epoch"], row["candidate"]) for row in rows(events, "id")],
    )
