"""The log of one search in a store, as the events of its state."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gasearch_workers.messages import EvaluationResult, Failure

from gasearch.errors import StoreError
from gasearch.search.problem import Problem
from gasearch.search.state import Attempted, Completed, Event, Proposed, Repeated
from gasearch.storage.archive import Archive
from gasearch.storage.records import REUSED, Lease

MOST_COMPARED = (
    10_000  #: Stored networks that a resume makes of their genes again, at 0.1 ms each; `db check` does all.
)
NEWEST_COMPARED = 1000  #: Of these, the newest: what is in flight is evaluated again.


@dataclass(frozen=True, slots=True)
class SearchLog:
    """Where a search is stored, with the right to write there."""

    archive: Archive
    lease: Lease

    def events(self, problem: Problem) -> Iterator[Event]:
        """All that is stored, in an order that gives the state: each candidate after the outcomes that it knows of.

        The closing of generations isn't among it: it follows from what evolution learns.

        Args:
            problem: What the search asks.

        Raises:
            StoreError: if something is missing, or a candidate isn't the network that its genes make here.
        """
        archive, search_id = self.archive, self.lease.search_id
        outcomes = self._outcomes(problem)
        count, known = archive.counts(search_id).candidates, 0
        every = -(-count // MOST_COMPARED)
        for stored in archive.candidates(search_id):
            if stored.number % every == 0 or stored.number >= count - NEWEST_COMPARED:
                problem.require_agreement(stored)
            while known < stored.completed:
                event = next(outcomes, None)
                if event is None:
                    raise StoreError(
                        f"search {problem.name!r}: candidate {stored.number} was proposed after {stored.completed} "
                        f"outcomes, but the database has {known}: restore a backup"
                    )
                known += isinstance(event, Completed)
                yield event
            yield Proposed(candidate=problem.candidate(stored))
        yield from outcomes

    def _outcomes(self, problem: Problem) -> Iterator[Event]:
        """All events but the proposals: decisions and attempts before the outcomes that they led to."""
        archive, search_id = self.archive, self.lease.search_id
        decided = deque(archive.replicates(search_id))
        retried: dict[int, deque[Attempted]] = {}
        for attempt in archive.retried(search_id):
            event = attempted(attempt.candidate, attempt.result)
            if event is not None:
                retried.setdefault(attempt.candidate, deque()).append(event)
        records = archive.evaluations(search_id, with_curves=problem.early_stop is not None)
        for place, record in enumerate(records):
            if record.arrival != place:
                raise StoreError(
                    f"search {problem.name!r}: the database lacks outcome {place}, and has {record.arrival} in its "
                    "place: restore a backup"
                )
            while decided and decided[0].completed <= place:
                decision = decided.popleft()
                yield Repeated(number=decision.candidate, replicate=decision.replicate)
            earlier = retried.get(record.candidate)
            while earlier and earlier[0].attempt < record.result.attempt:
                yield earlier.popleft()
            yield completed(record.candidate, record.replicate, record.result)
        for decision in decided:
            yield Repeated(number=decision.candidate, replicate=decision.replicate)
        for left in retried.values():
            yield from left


def attempted(number: int, result: EvaluationResult) -> Attempted | None:
    """The event of an attempt that failed; None for one that didn't."""
    if not isinstance(result.outcome, Failure):
        return None
    kind, seconds = result.outcome.kind, result.duration_s
    return Attempted(number=number, attempt=result.attempt, kind=kind, seconds=seconds)


def completed(number: int, replicate: int, result: EvaluationResult) -> Completed:
    """The event of an outcome.

    Args:
        number: Of the candidate.
        replicate: Which of its trainings it is, 0 for the first.
        result: The last attempt's.
    """
    return Completed(
        number=number,
        replicate=replicate,
        attempt=result.attempt,
        outcome=result.outcome,
        seconds=None if result.worker == REUSED else result.duration_s,
    )
