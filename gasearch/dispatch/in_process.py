"""Evaluations one after another in the controller's own process: for tests, small searches and `--workers 0`."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import Protocol

from gasearch_workers.machine.recording import recorded
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult

_LOG = logging.getLogger(__name__)


class Evaluator(Protocol):
    """Makes one evaluation after another. `gasearch_workers.evaluation.evaluate.Evaluator` is the real one."""

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make it, latency included; failures are returned, not raised."""

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The reference latency of this machine."""


class InProcess:
    """A `Dispatcher` without processes: `collect` makes the oldest submitted evaluation, however long it takes."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.waiting: deque[EvaluationRequest] = deque()  #: The oldest first.

    @property
    def slots(self) -> int:
        """See `Dispatcher.slots`."""
        return 1

    @property
    def free(self) -> int:
        """See `Dispatcher.free`."""
        return 1 - len(self.waiting)

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self.waiting)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`."""
        return self.evaluator.calibrate(known)

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self.waiting.append(request)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        return [self._evaluate(self.waiting.popleft())] if self.waiting else []

    def _evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """An evaluation; one that failed keeps what it printed."""
        _LOG.debug("attempt begun", extra={"key": request.key, "attempt": request.attempt})
        with recorded() as recording:
            result = self.evaluator.evaluate(request)
        if result.failure is not None:
            result = replace(result, outcome=replace(result.failure, output=recording.text))
        return result

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        self.waiting.clear()

    def close(self) -> None:
        """See `Dispatcher.close`."""
        self.waiting.clear()
