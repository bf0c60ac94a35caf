"""How long the workers of a search were busy, over all interruptions."""

from __future__ import annotations

from gasearch_workers.messages import EvaluationResult

from gasearch.storage.records import REUSED


class DeviceTime:
    """Adds up what evaluations took, by the workers' clocks; what an earlier search had evaluated took nothing."""

    def __init__(self) -> None:
        """No worker was busy yet."""
        self.seconds = 0.0
        self.at_outcomes: list[float] = []  #: The seconds spent when the n-th outcome was told, for each n.
        self._before = 0.0  # of earlier controllers

    def add(self, result: EvaluationResult) -> None:
        """Count an attempt, whatever became of it."""
        if result.worker != REUSED:
            self.seconds += result.duration_s

    def note_outcome(self) -> None:
        """An outcome is told now."""
        self.at_outcomes.append(self.seconds)

    def begin(self, seconds: float) -> None:
        """What was counted until now is earlier controllers' work.

        Args:
            seconds: All that they spent, retried attempts included: when those were, nobody knows.
        """
        retried = seconds - self.seconds
        self.at_outcomes = [at + retried for at in self.at_outcomes]
        self.seconds = self._before = seconds

    def busy_share(self, elapsed_s: float, slots: int) -> float | None:
        """Share of this controller's workers' time that went into evaluations, those in flight not counted yet."""
        capacity = elapsed_s * slots
        return min(1.0, (self.seconds - self._before) / capacity) if capacity > 0 else None
