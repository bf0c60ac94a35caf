"""The log of a search: each event once it is stored, so that the log and the store tell the same story.

An event is logged where it is written down, by a layer around the archive: the loop knows nothing of it, and what a
resume reads again isn't logged again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.errors import GasearchError, Interrupted, LeaseLost, SearchFailed
from gasearch.jobs import logs
from gasearch.objectives.fitness import FrontChange
from gasearch.search.progress import Silent
from gasearch.storage.archive import Archive
from gasearch.storage.passwords import hidden
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    EventRecord,
    GenerationRecord,
    Lease,
    NewSearch,
    ReplicateRecord,
    SearchStatus,
)

_LOG = logging.getLogger("gasearch.search")


def logged(archive: Archive, name: str, *, db_url: str) -> Archive:
    """The archive, whose writes to a search are logged under its name once they are stored.

    Args:
        archive: Does what is asked.
        name: Of the search.
        db_url: The database; a password in it isn't logged.
    """
    return cast(Archive, _LoggedArchive(archive, name, hidden(db_url)))


class NoticeLog(Silent):
    """An observer that logs the notices."""

    def on_notice(self, message: str) -> None:
        """Log it."""
        _LOG.info("notice", extra={"text": message})


@contextmanager
def story_of(name: str) -> Iterator[None]:
    """Log that the search broke off, with the traceback where nobody foresaw it, and let its lines name it."""
    with logs.about(name):
        try:
            yield
        except (Interrupted, SearchFailed):
            raise  # it was left in that state, which is logged
        except LeaseLost as error:
            _LOG.info("lease lost", extra={"search": name, "reason": str(error)})
            raise
        except GasearchError as error:
            _LOG.info("search broke off", extra={"search": name, "error": type(error).__name__, "reason": str(error)})
            raise
        except Exception:
            _LOG.exception("search broke off", extra={"search": name})
            raise


class _LoggedArchive:
    """An `Archive` that logs; what it has no method for is the archive's own."""

    def __init__(self, archive: Archive, name: str, database: str) -> None:
        self._archive, self._name, self._database = archive, name, database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    def create_search(self, new: NewSearch, *, owner: str, ttl_s: float) -> Lease:
        lease = self._archive.create_search(new, owner=owner, ttl_s=ttl_s)
        self._begun("search started", new, lease)
        return lease

    def claim(self, name: str, *, owner: str, ttl_s: float) -> Lease:
        lease = self._archive.claim(name, owner=owner, ttl_s=ttl_s)
        counts = self._archive.counts(lease.search_id)
        so_far = {"evaluations": counts.completed, "failures": sum(counts.failures.values()), "retries": counts.retries}
        self._begun("search resumed", self._archive.search(name), lease, **so_far)
        return lease

    def release(self, lease: Lease, *, state: SearchStatus, reason: str) -> None:
        self._archive.release(lease, state=state, reason=reason)
        self._log(logging.INFO, "search ended", state=str(state), reason=reason)

    def add_candidates(self, lease: Lease, records: Sequence[CandidateRecord]) -> None:
        self._archive.add_candidates(lease, records)
        if _LOG.isEnabledFor(logging.DEBUG):
            for one in records:
                made = {"operator": one.operator, "parents": one.parents, "generation": one.generation}
                self._log(logging.DEBUG, "candidate proposed", candidate=one.number, key=one.key, **made)

    def add_replicates(self, lease: Lease, records: Sequence[ReplicateRecord]) -> None:
        self._archive.add_replicates(lease, records)
        for one in records:
            self._log(logging.DEBUG, "training again", candidate=one.candidate, replicate=one.replicate)

    def add_evaluations(self, lease: Lease, outcomes: Sequence[tuple[EvaluationRecord, FrontChange]]) -> bool:
        are_new = self._archive.add_evaluations(lease, outcomes)
        if are_new and _LOG.isEnabledFor(logging.INFO):
            for record, change in outcomes:
                self._log_evaluation(record, change)
        return are_new

    def add_generation(self, lease: Lease, record: GenerationRecord) -> None:
        self._archive.add_generation(lease, record)
        found = {"evaluations": record.evaluations, "failures": record.failures, "front_size": record.front_size}
        self._log(
            logging.INFO, "generation closed", generation=record.number, hypervolume=record.hypervolume,
            best=record.best, **found,
        )  # fmt: skip

    def add_event(self, lease: Lease, event: EventRecord) -> None:
        self._archive.add_event(lease, event)
        if event.kind != "retry":  # its evaluation says it
            candidate = {} if event.candidate is None else {"candidate": event.candidate}
            self._log(logging.INFO, "decision", **candidate, kind=event.kind, text=event.message)

    def _begun(self, event: str, search: NewSearch, lease: Lease, **so_far: int) -> None:
        if _LOG.isEnabledFor(logging.INFO):
            seed = json.loads(search.spec_json).get("seed")
            asked = {"version": search.version, "seed": seed, "spec_hash": search.spec_hash}
            self._log(logging.INFO, event, **asked, database=self._database, **so_far)
            self._log(logging.INFO, "lease taken", owner=lease.owner, epoch=lease.epoch)

    def _log_evaluation(self, record: EvaluationRecord, change: FrontChange) -> None:
        result = record.result
        of = {"candidate": record.candidate, "attempt": result.attempt, "key": result.key}
        of |= {"replicate": record.replicate} if record.replicate else {}
        of |= {"seconds": round(result.duration_s, 3), "worker": result.worker}
        match result.outcome:
            case Measurement() as measurement:
                self._log(logging.INFO, "evaluation finished", **of, metrics=measurement.metrics())
            case Failure(kind=FailureKind.STOPPED, message=message):
                self._log(logging.INFO, "evaluation stopped early", **of, text=message)
            case Failure(kind=kind, message=message, traceback=traceback):
                event = "evaluation retried" if record.arrival < 0 else "evaluation failed"
                words = {"traceback": traceback} if traceback else {}
                self._log(logging.INFO, event, **of, failure=str(kind), text=message, **words)
        for number in change.entered:
            self._log(logging.INFO, "front entered", candidate=number, attempt=result.attempt, by=record.candidate)
        for number in change.left:
            self._log(logging.INFO, "front left", candidate=number, attempt=result.attempt, by=record.candidate)

    def _log(self, level: int, event: str, **fields: Any) -> None:
        _LOG.log(level, event, extra={"search": self._name, **fields})
