"""How fast this controller goes: what it has completed since it began, by its own clock."""

from __future__ import annotations

from collections.abc import Callable

from gasearch.search.budget import SearchBudget
from gasearch.search.progress import Progress
from gasearch.search.state import SearchState


class Pace:
    """Reports progress; the counts are those of the whole search, the pace is that of this controller alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """It begins now, with nothing.

        Args:
            clock: Seconds from any origin.
        """
        self._clock, self._began = clock, clock()
        self._completed_before, self._device_seconds_before = 0, 0.0
        self._spent_before_s = 0.0

    def begin(self, state: SearchState, *, spent_s: float) -> None:
        """Begin now: what the state counts is earlier controllers' work, which took so much wall time."""
        self._began, self._spent_before_s = self._clock(), spent_s
        self._completed_before = state.statistics.completed
        self._device_seconds_before = state.statistics.device_seconds

    @property
    def spent_s(self) -> float:
        """Wall time of the search, over all interruptions."""
        return self._spent_before_s + self._clock() - self._began

    def progress(self, state: SearchState, *, name: str, budget: SearchBudget, in_flight: int, slots: int) -> Progress:
        """How far the search is.

        Args:
            state: Of the search.
            name: Of the search.
            budget: What it may spend.
            in_flight: Evaluations under way.
            slots: How many there can be.
        """
        statistics, elapsed = state.statistics, self._clock() - self._began
        done = statistics.completed - self._completed_before
        estimates = [(budget.evaluations - statistics.completed) * elapsed / done] if done else []
        if budget.seconds is not None:
            estimates.append(max(0.0, budget.seconds - self._spent_before_s - elapsed))
        busy_s, capacity_s = statistics.device_seconds - self._device_seconds_before, elapsed * slots
        return Progress(
            name=name,
            completed=statistics.completed,
            budget=budget.evaluations,
            in_flight=in_flight,
            failures=statistics.failures,
            stopped=statistics.stopped,
            retries=statistics.retries,
            generation=state.generation,
            front_size=len(state.frontier.front),
            hypervolume=state.frontier.hypervolume,
            best=state.best(),
            elapsed_s=elapsed,
            rate_per_minute=60 * done / elapsed if elapsed > 0 else 0.0,
            remaining_s=min(estimates, default=None),
            busy=min(1.0, busy_s / capacity_s) if capacity_s > 0 else None,
        )
