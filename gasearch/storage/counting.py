"""How far a search is: sums over all of its outcomes, of which only those that came since are read again.

Final outcomes have the numbers from 0 in the order in which they came, and so have candidates. Where none below the
newest is missing, nothing that was counted can change or be joined by more; what comes has a greater number.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gasearch_workers.messages import FailureKind
from sqlalchemy import Connection, Select

from gasearch.storage.questions import IS_RETRIED, NEWEST_TOTALS, SIZES, TOTALS
from gasearch.storage.records import Counts, Effort
from gasearch.storage.tables import HAS_FAILED, IS_FINAL, evaluations
from gasearch.storage.values import Row


class _Total(NamedTuple):
    """Of outcomes of one kind."""

    outcomes: int = 0
    reused: int = 0
    replicates: int = 0
    attempts: int = 0
    seconds: float = 0.0


_Totals = dict[str | None, _Total]  #: By the kind of failure; None: of measurements.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Sums of a search, as far as it was counted."""

    created_at: float | None = None
    candidates: int = 0  #: All with lesser numbers.
    arrival: int = -1  #: Of the newest final outcome,
    checksum: str | None = None  #: and its checksum: a search of the same number or a restored one has another.
    completed: _Totals = field(default_factory=dict)
    retried: _Totals = field(default_factory=dict)


_NOTHING = _Known()


class Counting:
    """Counts searches, and remembers what it counted. Thread-safe: what is remembered never changes."""

    def __init__(self) -> None:
        """Nothing has been counted yet."""
        self._known: dict[int, _Known] = {}

    def counts(self, connection: Connection, search_id: int) -> Counts:
        """How far a search is, in one snapshot: the connection must be in a transaction that reads one."""
        known = self._known.get(search_id, _NOTHING)
        sizes = _sizes(connection, search_id, known)
        if known is not _NOTHING and (sizes["created_at"], sizes["checksum"]) != (known.created_at, known.checksum):
            known = _NOTHING  # of a search that was deleted, or restored from a backup
            sizes = _sizes(connection, search_id, known)
        is_of_search = evaluations.c.search_id == search_id
        completed, retried = known.completed, known.retried
        if sizes["arrival"] != known.arrival:
            came = TOTALS if known is _NOTHING else NEWEST_TOTALS.where(evaluations.c.arrival > known.arrival)
            completed = _joined(completed, _totals(connection, came.where(is_of_search, IS_FINAL)))
        if sizes["retried"] != sum(total.outcomes for total in retried.values()):
            retried = _totals(connection, TOTALS.where(is_of_search, HAS_FAILED, IS_RETRIED))
        counts = _counts_of(sizes, known.candidates + sizes["newer_candidates"], completed, retried)
        if sizes["newest_candidate"] == counts.candidates - 1 and sizes["arrival"] == counts.completed - 1:
            self._known[search_id] = _Known(
                created_at=sizes["created_at"],
                candidates=counts.candidates,
                arrival=sizes["arrival"],
                checksum=sizes["newest_checksum"],
                completed=completed,
                retried=retried,
            )
        return counts


def _sizes(connection: Connection, search_id: int, known: _Known) -> Row:
    asked = {"of_search": search_id, "from_candidate": known.candidates, "known_arrival": known.arrival}
    row = connection.execute(SIZES, asked).mappings().one()
    found = dict(row)
    for name in ("newest_candidate", "arrival", "generation"):
        found[name] = -1 if found[name] is None else found[name]
    return found


def _totals(connection: Connection, statement: Select[Any]) -> _Totals:
    return {failure or None: _Total(*sums) for failure, *sums in connection.execute(statement)}


def _joined(before: _Totals, since: _Totals) -> _Totals:
    """The sums of both; measurements first, then failures by their kind."""
    kinds = sorted(before.keys() | since.keys(), key=lambda kind: (kind is not None, kind))
    both = {kind: (before.get(kind, _Total()), since.get(kind, _Total())) for kind in kinds}
    return {kind: _Total(*map(operator.add, *totals)) for kind, totals in both.items()}


def _counts_of(sizes: Row, candidates: int, completed: _Totals, retried: _Totals) -> Counts:
    failures = {kind: total.outcomes for kind, total in completed.items() if kind is not None}
    return Counts(
        candidates=candidates,
        completed=sum(total.outcomes for total in completed.values()),
        stopped=failures.pop(str(FailureKind.STOPPED), 0),
        failures=failures,
        reused=sum(total.reused for total in completed.values()),
        replicates=sum(total.replicates for total in completed.values()),
        retries=sum(total.outcomes for total in retried.values()),
        front_size=sizes["front_size"],
        generation=sizes["generation"],
        efforts=tuple(
            Effort(failure=kind, attempts=total.attempts, seconds=total.seconds)
            for kind, total in _joined(completed, retried).items()
            if total.attempts
        ),
    )
