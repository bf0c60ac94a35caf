"""Scripted evaluators: deterministic truth from the network alone, with faults wrapped around it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from gasearch_workers.messages import (
    Calibration,
    Choices,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    Measurement,
    Outcome,
    network_to_json,
)

Truth = Callable[[EvaluationRequest], Outcome]


def two_objectives(request: EvaluationRequest) -> Outcome:
    """A smooth conflict between `error` and `cost` over the choices' numbers, with a little noise from the key."""
    assert isinstance(request.network, Choices)
    numbers = [float(value) for value in request.network.as_dict().values() if isinstance(value, int | float)]
    noise = int.from_bytes(hashlib.blake2b(network_to_json(request.network).encode(), digest_size=4).digest()) / 2**32
    cost = sum(numbers) + 0.1 * noise
    return Measurement(others=(("cost", cost), ("error", 100.0 / (1.0 + cost) + noise)))


def failing(kind: FailureKind, message: str = "scripted") -> Truth:
    """Always this failure."""
    return lambda request: Failure(kind=kind, message=message)


def flaky(truth: Truth, *, every: int, kind: FailureKind = FailureKind.WORKER_LOST, attempts: int = 1) -> Truth:
    """The truth, but the first `attempts` attempts of every n-th network (by its key) fail."""

    def outcome(request: EvaluationRequest) -> Outcome:
        if int(request.key, 16) % every == 0 and request.attempt <= attempts:
            return Failure(kind=kind, message=f"scripted, attempt {request.attempt}")
        return truth(request)

    return outcome


class Scripted:
    """An evaluator that knows the truth; counts what it was asked."""

    def __init__(self, truth: Truth = two_objectives, *, seconds: float = 0.0) -> None:
        self._truth, self._seconds = truth, seconds
        self.requests: list[EvaluationRequest] = []

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        self.requests.append(request)
        if self._seconds:
            time.sleep(self._seconds)
        return EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="scripted",
            device="none",
            started_at=0.0,
            finished_at=self._seconds,
            outcome=self._truth(request),
        )

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        return known[0] if known else Calibration(device="scripted", reference_latency_ms=1.0)
