"""What a running search counts: outcomes, failures, the best so far, its pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from gasearch_workers.messages import Failure, FailureKind, Outcome

from gasearch.objectives.fitness import Objective
from gasearch.objectives.pareto import ParetoFront
from gasearch.search.progress import Progress
from gasearch.storage.records import GenerationRecord


class Tally:
    """Counts over the whole life of a search; its pace is that of this controller alone."""

    def __init__(self, objectives: Sequence[Objective], clock: Callable[[], float]) -> None:
        self._objectives, self._clock = objectives, clock
        self._failures: Counter[str] = Counter()
        self._began, self._completed_before = clock(), 0
        self.completed = 0  #: Evaluations with a final outcome.
        self.stopped = 0  #: Trainings that ended early, of these.
        self.retries = 0

    @property
    def failures(self) -> int:
        """Final outcomes that are failures; a stopped training is none."""
        return self._failures.total()

    @property
    def elapsed_s(self) -> float:
        """Since this controller began."""
        return self._clock() - self._began

    def begin(self) -> None:
        """What was counted until now is an earlier controller's work."""
        self._began, self._completed_before = self._clock(), self.completed

    def add(self, outcome: Outcome) -> None:
        """Count a final outcome."""
        self.completed += 1
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.STOPPED:
            self.stopped += 1
        elif isinstance(outcome, Failure):
            self._failures[outcome.kind.value] += 1

    @property
    def measured(self) -> int:
        """How many outcomes are measurements."""
        return self.completed - self.stopped - self._failures.total()

    def generation(self, number: int, *, front: ParetoFront, hypervolume: float | None) -> GenerationRecord:
        """The statistics of a generation that is complete now."""
        return GenerationRecord(
            number=number,
            evaluations=self.completed,
            failures=self.failures,
            front_size=len(front),
            hypervolume=hypervolume or 0.0,
            best=tuple(value for _, value in self._best_of(front)),
            finished_at=datetime.now(UTC),
        )

    def progress(
        self,
        name: str,
        *,
        budget: int,
        seconds_left: float | None,
        in_flight: int,
        generation: int,
        front: ParetoFront,
        hypervolume: float | None,
        busy: float | None,
    ) -> Progress:
        """How far it is; `seconds_left` is what a budget of time leaves."""
        elapsed, done = self.elapsed_s, self.completed - self._completed_before
        estimates = [(budget - self.completed) * elapsed / done] if done else []
        if seconds_left is not None:
            estimates.append(max(0.0, seconds_left))
        return Progress(
            name=name,
            completed=self.completed,
            budget=budget,
            in_flight=in_flight,
            failures=self.failures,
            stopped=self.stopped,
            retries=self.retries,
            generation=generation,
            front_size=len(front),
            hypervolume=hypervolume,
            best=self._best_of(front),
            elapsed_s=elapsed,
            rate_per_minute=60 * done / elapsed if elapsed > 0 else 0.0,
            remaining_s=min(estimates, default=None),
            busy=busy,
        )

    def _best_of(self, front: ParetoFront) -> tuple[tuple[str, float], ...]:
        """The best value of each objective on the front, in native units; () where the front is empty."""
        return tuple(
            (objective.metric, objective.wvalue(wvalue))  # its own inverse
            for objective, wvalue in zip(self._objectives, front.best, strict=bool(front.best))
        )
