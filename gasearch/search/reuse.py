"""Outcomes of earlier searches, or known from elsewhere, that this one need not make again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gasearch_workers.messages import STANDARD_METRICS, Calibration, EvaluationResult, Measurement

from gasearch.search.early_stopping import stopped_by
from gasearch.search.problem import Pending, Problem
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import REUSED, EvaluationRecord


class Reuse:
    """Looks up what searches with the same context have measured.

    A context holds all that an outcome depends on besides the network and the machine, the search's seed too, so that
    what is taken over is what a training here would have given: a search is the same with and without it.
    """

    def __init__(self, problem: Problem, archive: ArchiveReader, search_id: int) -> None:
        """Ask once whether there is such a search at all: without one, candidates need not be looked up."""
        self._problem, self._archive = problem, archive
        context = problem.context
        self._has_kin = bool(context) and any(
            other.context == context and other.id != search_id for other in archive.searches()
        )

    def outcomes(
        self, fresh: Sequence[Pending], calibration: Calibration | None
    ) -> list[tuple[Pending, EvaluationResult]]:
        """For those of the candidates that were evaluated alike: the result, as it would come out here.

        What is known from elsewhere comes as it is.

        Args:
            fresh: Candidates that nothing is known of.
            calibration: Of the device that measures here; latencies of other ones are not taken over.
        """
        given = self._problem.known
        found = [(pending, _as_given(pending, given[pending.key])) for pending in fresh if pending.key in given]
        fresh = [pending for pending in fresh if pending.key not in given]
        if not self._has_kin or not fresh:
            return found
        known = self._archive.reusable(self._problem.context, [pending.key for pending in fresh])
        for pending in fresh:
            usable = (one for one in known.get(pending.key, ()) if self._is_usable(one, pending, calibration))
            record = next(usable, None)  # the oldest that this search can use: others may lack what it measures
            if record is not None:
                found.append((pending, self._as_here(pending, record)))
        return found

    def _is_usable(self, record: EvaluationRecord, pending: Pending, calibration: Calibration | None) -> bool:
        outcome = record.result.outcome
        if not isinstance(outcome, Measurement) or record.seed != pending.seed:
            return False
        is_timed_here = calibration is None or outcome.latency_device == calibration.device
        return is_timed_here and self._problem.judge(outcome)[1] is not None

    def _as_here(self, pending: Pending, record: EvaluationRecord) -> EvaluationResult:
        """The earlier result; where this search would have stopped the training, as it would have come out then."""
        result = replace(record.result, attempt=pending.attempt, worker=REUSED)
        if pending.stopping is None or not isinstance(result.outcome, Measurement):
            return result
        return replace(result, outcome=stopped_by(pending.stopping, result.outcome) or result.outcome)


def _as_given(pending: Pending, metrics: Mapping[str, float]) -> EvaluationResult:
    """A result of these metrics, which took no time here."""
    now = time.time()
    standard: dict[str, Any] = {name: value for name, value in metrics.items() if name in STANDARD_METRICS}
    others = sorted((name, value) for name, value in metrics.items() if name not in STANDARD_METRICS)
    return EvaluationResult(
        key=pending.key,
        attempt=pending.attempt,
        worker=REUSED,
        device="",
        started_at=now,
        finished_at=now,
        seconds=0.0,
        outcome=Measurement(**standard, others=tuple(others)),
    )
