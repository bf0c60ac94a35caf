"""All rows of a search in one snapshot, as `gasearch db check` looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from gasearch.storage.damage import Finding, find_damage, rows_of, snapshot
from gasearch.storage.questions import IS_RETRIED, SEARCHES
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    GenerationRecord,
    ReplicateRecord,
    SearchRecord,
)
from gasearch.storage.rows import evaluation_record, record_of, values_of
from gasearch.storage.tables import IS_TOLD, candidates, evaluations, events, front, generations, replicates, searches


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
    """What is wrong with single rows, and the searches of which all rows are sound; from one snapshot.

    Raises:
        StoreError: if there is no database, it can't be reached, or it has an older schema.
    """
    with snapshot(url) as connection:
        damage = list(find_damage(connection))
        yield damage, _sound_searches(connection, damage)


def _sound_searches(connection: Connection, damage: list[Finding]) -> Iterator[StoredSearch]:
    damaged = {found.search_id for found in damage}
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
    for row in rows(evaluations, "arrival", IS_TOLD):
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
