"""The contract of a dispatcher; every implementation passes `tests/contracts/dispatcher_contract.py`."""

from __future__ import annotations

from typing import Protocol

from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Failure, FailureKind
from gasearch_workers.results import result_of


class Dispatcher(Protocol):
    """Takes requests, gives results: exactly one for each request, in any order.

    Whatever goes wrong with an evaluation comes back as a result with a `Failure`; only a dispatcher that can't work at
    all raises `WorkersUnavailable`. It neither retries nor stores. One thread.
    """

    @property
    def slots(self) -> int:
        """How many evaluations it can make at once, at most."""

    @property
    def free(self) -> int:
        """How many more requests would begin at once."""

    @property
    def in_flight(self) -> int:
        """How many requests have no result yet."""

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The reference latency of the measuring device: the known one, or a new one where it is unknown."""

    def submit(self, request: EvaluationRequest) -> None:
        """Start an evaluation, or queue it where all workers are busy."""

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """Results that are ready; waits for the first of them, at most so long. Empty when none came."""

    def cancel_queued(self) -> None:
        """Forget the requests that no worker has begun; they get no result."""

    def close(self) -> None:
        """Abandon what is in flight and release workers. Safe to call twice."""


def unanswered(request: EvaluationRequest, kind: FailureKind, message: str, *, watch: Stopwatch) -> EvaluationResult:
    """The result of a request that no worker answers any more.

    Args:
        request: What was asked.
        kind: Why there is no answer.
        message: The same as a sentence.
        watch: Runs since it was begun.
    """
    return result_of(request, Failure(kind=kind, message=message), watch, worker="lost", device="unknown")
