"""Evaluations one after another in the controller's own process: for tests, small searches and `--workers 0`."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Protocol

from gasearch_workers.machine.recording import recorded
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Failure, FailureKind

from gasearch.dispatch.dispatcher import log_begun, log_ended


class Evaluator(Protocol):
    """Makes one evaluation after another. `gasearch_workers.evaluation.evaluate.Evaluator` is the real one."""

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make it, latency included; failures are returned, not raised."""

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The reference latency of this machine."""


class InProcess:
    """A `Dispatcher` without processes: `collect` makes the oldest submitted evaluation, however long it takes."""

    def __init__(self, evaluator: Evaluator, *, search: str = "") -> None:
        """`search` is its name, for the log."""
        self._evaluator, self._search = evaluator, search
        self._queue: deque[EvaluationRequest] = deque()

    @property
    def slots(self) -> int:
        """See `Dispatcher.slots`."""
        return 1

    @property
    def free(self) -> int:
        """See `Dispatcher.free`."""
        return 1 - len(self._queue)

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self._queue)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`."""
        return self._evaluator.calibrate(known)

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self._queue.append(request)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        return [self._evaluate(self._queue.popleft())] if self._queue else []

    def _evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """An evaluation; one that failed keeps what it printed."""
        log_begun(request, self._search)
        with recorded() as recording:
            result = self._evaluator.evaluate(request)
        if isinstance(result.outcome, Failure) and result.outcome.kind is not FailureKind.STOPPED:
            result = replace(result, outcome=replace(result.outcome, output=recording.text))
        log_ended(result, self._search)
        return result

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        self._queue.clear()

    def close(self) -> None:
        """See `Dispatcher.close`."""
        self._queue.clear()
