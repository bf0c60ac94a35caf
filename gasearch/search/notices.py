"""Notices while there is time to stop a search: that nothing keeps its limits, or that no training can end early.

What was said is the controller's own knowledge: a resumed search says it once more.
"""

from __future__ import annotations

from gasearch.objectives.units import format_quantity
from gasearch.search.state import SearchState

FIRST = 50  #: Outcomes without a feasible one after which it is said.
AGAIN = 10  #: It is said again after so many times as many.


class Notices:
    """Says each thing once, or again when it has grown."""

    def __init__(self) -> None:
        """Nothing is said yet."""
        self._due = FIRST
        self._is_lack_said = False

    def of(self, state: SearchState) -> list[str]:
        """The sentences that are due now."""
        found = []
        statistics = state.statistics
        if state.aims.limits and statistics.completed >= self._due and not statistics.has_feasible:
            text = _nearest(state)
            if text is not None:
                self._due = AGAIN * statistics.completed
                found.append(text)
        lack = None if self._is_lack_said else state.report_check.lack()
        if lack is not None:
            self._is_lack_said = True
            found.append(lack)
        return found


def _nearest(state: SearchState) -> str | None:
    """How far the network that came nearest misses the limits; None where nothing was measured."""
    nearest = state.statistics.near_miss
    if nearest is None:
        return None
    broken = [limit for limit in state.aims.limits if not limit.is_kept_by(nearest.metrics)]
    wanted = " and ".join(map(str, broken))
    metrics = dict.fromkeys(limit.metric for limit in broken)
    found = ", ".join(f"{name} {format_quantity(nearest.metrics[name], name)}" for name in metrics)
    return (
        f"none of {state.statistics.completed} evaluations meets the constraints so far; the nearest misses {wanted} "
        f"with {found} ({nearest.key}): if that won't do, stop the search and widen the space or the constraints"
    )
