"""All rows of a search in one snapshot, as `gasearch db check` looks at them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gasearch_workers.messages import Outcome
from sqlalchemy import Connection, Select, select

from gasearch.storage import tables
from gasearch.storage.damage import Finding, find_damage, rows_of, snapshot
from gasearch.storage.evaluation_rows import outcome_of
from gasearch.storage.records import GenerationRecord
from gasearch.storage.rows import generation_record


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCandidate:
    """A proposal, as far as it matters here."""

    number: int
    key: str
    parents: tuple[int, ...]
    completed: int
    genes: tuple[int, ...]
    network_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """A told outcome."""

    arrival: int
    candidate: int
    key: str
    replicate: int
    replaced: int | None
    outcome: Outcome  #: Without its curve.


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSearch:
    """A search with all that belongs to it."""

    id: int
    name: str
    spec_json: str
    data_json: str
    objectives: list[tuple[str, bool]]
    epoch: int
    candidates: list[StoredCandidate]  #: By number.
    outcomes: list[StoredOutcome]  #: By arrival.
    retried: list[tuple[int, int, int | None]]  #: Candidate, attempt, replaced.
    replicates: list[tuple[int, int, int]]  #: Candidate, replicate, told; in the order of the decisions.
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
        for search_id in connection.scalars(select(tables.searches.c.id).order_by(tables.searches.c.id)).all():
            if search_id not in damaged:
                yield _stored_search(connection, search_id)


def _tuples(connection: Connection, statement: Select[Any]) -> list[Any]:
    return [tuple(row) for row in connection.execute(statement)]


def _stored_search(connection: Connection, search_id: int) -> StoredSearch:
    search = connection.execute(select(tables.searches).where(tables.searches.c.id == search_id)).mappings().one()
    evaluations, replicates, front, events = tables.evaluations, tables.replicates, tables.front, tables.events
    candidates = tables.candidates
    proposals = select(candidates).where(candidates.c.search_id == search_id).order_by(candidates.c.number)
    completed = select(evaluations).where(evaluations.c.search_id == search_id, tables.IS_TOLD)
    retried = select(evaluations.c.candidate, evaluations.c.attempt, evaluations.c.replaced)
    decided = select(replicates.c.candidate, replicates.c.replicate, replicates.c.told)
    stays = select(front.c.candidate, front.c.entered, front.c.exited)
    noted = select(events.c.id, events.c.epoch, events.c.candidate)
    generations = select(tables.generations).where(tables.generations.c.search_id == search_id)
    return StoredSearch(
        id=search_id,
        name=search["name"],
        spec_json=search["spec_json"],
        data_json=search["data_json"],
        objectives=[(metric, is_maximized) for metric, is_maximized in json.loads(search["objectives"])],
        epoch=search["epoch"],
        candidates=[
            StoredCandidate(
                number=row["number"],
                key=row["key"],
                parents=tuple(json.loads(row["parents"])),
                completed=row["told"],
                genes=tuple(json.loads(row["genes"])),
                network_json=row["network_json"],
            )
            for row in rows_of(connection, proposals)
        ],
        outcomes=[
            StoredOutcome(
                arrival=row["arrival"],
                candidate=row["candidate"],
                key=row["key"],
                replicate=row["replicate"] or 0,
                replaced=row["replaced"],
                outcome=outcome_of(row, with_curve=False),
            )
            for row in rows_of(connection, completed.order_by(evaluations.c.arrival))
        ],
        retried=_tuples(connection, retried.where(evaluations.c.search_id == search_id, evaluations.c.arrival < 0)),
        replicates=_tuples(connection, decided.where(replicates.c.search_id == search_id).order_by(replicates.c.id)),
        stays=_tuples(connection, stays.where(front.c.search_id == search_id)),
        generations=[
            generation_record(row) for row in rows_of(connection, generations.order_by(tables.generations.c.number))
        ],
        events=_tuples(connection, noted.where(events.c.search_id == search_id).order_by(events.c.id)),
    )
