"""Workers that answer in any order, a store that dies in the middle, and a run in a recorded order."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from gasearch_workers.messages import (
    Choices,
    CurvePoint,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    Measurement,
    Outcome,
)
from gasearch_workers.training.stopping import reason_to_stop

from gasearch.dispatch.in_process import Evaluator, InProcess
from gasearch.storage.archive import Archive, ArchiveReader

STEPS = (1.0, 3.0)  #: The rungs of `trained`.


def trained(request: EvaluationRequest) -> Outcome:
    """A noisy training with three looks, which a rule may end; some are lost once, a few diverge."""
    assert isinstance(request.network, Choices)
    numbers = [float(value) for value in request.network.as_dict().values() if isinstance(value, int | float)]
    number = int(request.key, 16)
    if number % 11 == 0 and request.attempt % 2 == 1:
        return Failure(kind=FailureKind.WORKER_LOST, message="lost once")
    if number % 23 == 0:
        return Failure(kind=FailureKind.DIVERGED, message="the loss became nan")
    cost = sum(numbers)
    end = 10.0 / (1 + cost) + 0.3 * abs(numbers[0] - numbers[1]) + 0.3 * _noise(request, "end")
    curve: list[CurvePoint] = []
    for step in (1.0, 2.0, 3.0):
        metrics = {"cost": cost, "error": end * (1 + 1 / step) + 0.05 * _noise(request, step)}
        curve.append(CurvePoint(epoch=step, train_loss=None, accuracy=None, metrics=tuple(metrics.items())))
        rule = request.stopping
        if rule is not None and step in STEPS and (reason := reason_to_stop(rule, step, metrics)) is not None:
            return Failure(kind=FailureKind.STOPPED, message=reason, curve=tuple(curve))
    return Measurement(others=(("cost", cost), ("error", end)), curve=tuple(curve))


def _noise(request: EvaluationRequest, purpose: object) -> float:
    text = f"{purpose}/{request.key}/{request.seed}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32


class Disorderly(InProcess):
    """Many workers that answer in any order, several at once."""

    def __init__(self, evaluator: Evaluator, *, capacity: int, rng: random.Random) -> None:
        super().__init__(evaluator)
        self._capacity, self._rng = capacity, rng

    @property
    def slots(self) -> int:
        return self._capacity

    @property
    def free(self) -> int:
        return self._capacity - len(self.waiting)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        self._rng.shuffle(self.waiting)
        count = self._rng.randint(1, max(1, len(self.waiting)))
        return [result for _ in range(count) for result in super(Disorderly, self).collect(timeout_s)]


class Killed(BaseException):
    """What ends a controller in the middle of a write."""


class Dying:
    """An archive that kills whoever makes the n-th write, just before or just after it."""

    WRITES = ("add_candidates", "add_evaluations", "add_replicates", "add_generation", "set_reference", "add_event")

    def __init__(self, archive: Archive, *, after: int, is_written: bool) -> None:
        self._archive, self._left, self._is_written = archive, after, is_written

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._archive, name)
        return self._deadly(method) if name in self.WRITES else method

    def _deadly(self, method: Any) -> Any:
        def write(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._is_written:
                raise Killed
            answer = method(*arguments, **options)
            if self._left == 0:
                raise Killed
            return answer

        return write


class Recorded(InProcess):
    """One worker, free when those of a recorded search were and answering in their order, without interruptions."""

    def __init__(self, evaluator: Evaluator, reader: ArchiveReader, name: str) -> None:
        super().__init__(evaluator)
        search_id = reader.search(name).id
        candidates = list(reader.candidates(search_id))
        keys = {one.number: one.key for one in candidates}
        self._completed_at = [one.completed for one in candidates]
        self._order = [keys[one.candidate] for one in reader.evaluations(search_id)]
        self._completed = self._begun = self._spare = 0
        self._is_retrying = False

    @property
    def free(self) -> int:
        if self._is_retrying:
            return 1
        wanted = sum(completed <= self._completed for completed in self._completed_at) - self._begun
        if wanted <= 0 and not self.waiting:
            self._spare = 100  # for a round of replicates
        return wanted if wanted > 0 else self._spare

    def submit(self, request: EvaluationRequest) -> None:
        super().submit(request)
        self._begun += request.attempt == 1
        self._spare -= request.attempt > 1
        self._is_retrying = self._is_retrying and request.attempt % 2 == 1

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        self._spare = 0
        request = next(one for one in self.waiting if one.key == self._order[self._completed])
        self.waiting.remove(request)
        result = self.evaluator.evaluate(request)
        self._is_retrying = isinstance(result.outcome, Failure) and result.outcome.is_retryable
        self._completed += not self._is_retrying
        return [result]
