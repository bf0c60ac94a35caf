"""Statistics of a search: outcomes, failures, the time of its workers, and how near it came to its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gasearch_workers.messages import Failure, FailureKind, Measurement, Outcome

from gasearch.objectives.fitness import Fitness


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """The network that came nearest to the limits."""

    key: str
    violation: float
    metrics: Mapping[str, float]


class Statistics:
    """Counts over the whole life of a search, over all interruptions."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._failures: Counter[str] = Counter()
        self.completed = 0  #: Trainings with an outcome.
        self.stopped = 0  #: Trainings that ended early, of these.
        self.retries = 0  #: Attempts that failed and were made again.
        self.device_seconds = 0.0  #: Time of the workers; what an earlier search had evaluated took none.
        self.device_seconds_at: list[float] = []  #: The same when the n-th outcome came, for each n.
        self.has_feasible = False
        self.near_miss: NearMiss | None = None  #: As long as nothing is feasible.

    @property
    def failures(self) -> int:
        """Outcomes that are failures; a stopped training is none."""
        return self._failures.total()

    @property
    def measured(self) -> int:
        """Outcomes that are measurements."""
        return self.completed - self.stopped - self.failures

    def note_attempt(self, seconds: float) -> None:
        """Count an attempt that is made again, and took a worker so long."""
        self.retries += 1
        self.device_seconds += seconds

    def note(self, key: str, outcome: Outcome, fitness: Fitness | None, *, seconds: float) -> None:
        """Count an outcome.

        Args:
            key: Of the network.
            outcome: What its training came to.
            fitness: Of the network now; None where it has none.
            seconds: What the training took a worker.
        """
        self.completed += 1
        self.device_seconds += seconds
        self.device_seconds_at.append(self.device_seconds)
        if isinstance(outcome, Failure):
            if outcome.kind is FailureKind.STOPPED:
                self.stopped += 1
            else:
                self._failures[outcome.kind.value] += 1
        elif not self.has_feasible and fitness is not None and isinstance(outcome, Measurement):
            self.has_feasible = fitness.is_feasible
            if self.near_miss is None or fitness.violation < self.near_miss.violation:
                self.near_miss = NearMiss(key=key, violation=fitness.violation, metrics=outcome.metrics())
