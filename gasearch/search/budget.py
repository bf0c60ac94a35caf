"""When a search ends: what it may spend, how fast it spends it, and whether going on pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gasearch.objectives.frontier import Frontier
from gasearch.search.progress import Progress
from gasearch.search.state import SearchState

#: Why a search ends whose space is searched to the last network.
EXHAUSTED = "no further one of the space meets the constraints"

#: How the reasons begin that a greater budget alone doesn't clear away.
STALLED, SLOW = "the hypervolume has not grown", "the hypervolume is expected to grow"
#: A hypervolume that grew by less than this share of itself has stalled.
STALL = 0.001
#: Outcomes over which the gain per device-hour is taken, a share of all so far: long enough not to end by bad luck.
WINDOW, LEAST_WINDOW = 0.25, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBudget:
    """How much a search may spend, over all interruptions."""

    evaluations: int
    seconds: float | None = None  #: Of wall time.
    device_seconds: float | None = None  #: Summed over the workers, while they are busy.
    stalled: int | None = None  #: Evaluations without a growing hypervolume after which it ends.
    gain_per_device_hour: float | None = None  #: Least expected growth per device-hour, a share of the volume.


def ending(budget: SearchBudget, state: SearchState, *, seconds: float) -> str | None:
    """Why a search ends now; None where it goes on.

    Args:
        budget: What it may spend.
        state: Where it stands.
        seconds: The wall time that it has spent, over all interruptions.
    """
    statistics, frontier = state.statistics, state.frontier
    if statistics.completed >= budget.evaluations:
        return f"all {budget.evaluations} evaluations are done"
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"the budget of {budget.seconds / 3600:g} hours is spent"
    if budget.device_seconds is not None and statistics.device_seconds >= budget.device_seconds:
        return f"the budget of {budget.device_seconds / 3600:g} device-hours is spent"
    if budget.stalled is not None and _has_stalled(frontier, statistics.completed, budget.stalled):
        return f"{STALLED} by {STALL:.1%} over {budget.stalled} evaluations"
    if budget.gain_per_device_hour is not None:
        rate = gain_per_device_hour(frontier, statistics.device_seconds_at)
        if rate is not None and rate < budget.gain_per_device_hour:
            return f"{SLOW} by {rate:.2%} per device-hour, less than the {budget.gain_per_device_hour:.2%} asked for"
    return None


def _has_stalled(frontier: Frontier, completed: int, patience: int) -> bool:
    before, now = frontier.volume_at(completed - patience), frontier.hypervolume
    return before is not None and now is not None and now - before < STALL * before


def gain_per_device_hour(frontier: Frontier, device_seconds_at: list[float]) -> float | None:
    """By which share of itself the hypervolume is expected to grow in the next device-hour; None while that is open.

    Growth slows down: what is expected is the growth over the newest window times its ratio to that over the window
    before (at most 1).
    """
    completed = len(device_seconds_at)
    window = max(LEAST_WINDOW, int(WINDOW * completed))
    volumes = [frontier.volume_at(completed - back * window) for back in (2, 1, 0)]
    if completed <= window or volumes[1] is None or volumes[2] is None or not volumes[2]:
        return None
    hours = (device_seconds_at[-1] - device_seconds_at[-1 - window]) / 3600
    newest = volumes[2] - volumes[1]
    slowing = 1.0
    if volumes[0] is not None and volumes[1] > volumes[0]:
        slowing = min(1.0, newest / (volumes[1] - volumes[0]))
    return newest * slowing / volumes[2] / hours if hours > 0 else None


class Pace:
    """Reports progress; the counts are those of the whole search, the pace is that of this controller alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """It begins now, with nothing; a clock gives seconds from any origin."""
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
