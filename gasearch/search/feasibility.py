"""Whether anything a search measured keeps its limits: said while there is time to stop it, with the nearest miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gasearch_workers.messages import Measurement, Outcome

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.units import format_quantity

FIRST = 50  #: Outcomes without a feasible one after which it is said.
AGAIN = 10  #: It is said again after so many times as many.


class Feasibility:
    """The network that came nearest to the limits, as long as none keeps them."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        """Nothing is measured yet.

        Args:
            limits: Of the search; without any, there is nothing to say.
        """
        self._limits = tuple(limits)
        self._completed = 0
        self._has_feasible = False
        self._due = FIRST
        self._nearest: tuple[float, str, Mapping[str, float]] | None = None

    def note(self, key: str, outcome: Outcome, fitness: Fitness | None) -> None:
        """Take note of a told outcome."""
        self._completed += 1
        if self._has_feasible or fitness is None or not isinstance(outcome, Measurement):
            return
        self._has_feasible = fitness.is_feasible
        if self._nearest is None or fitness.violation < self._nearest[0]:
            self._nearest = fitness.violation, key, outcome.metrics()

    def notice(self) -> str | None:
        """What the user should know now; None where that is nothing, or was said already."""
        if self._has_feasible or self._nearest is None or not self._limits or self._completed < self._due:
            return None
        self._due = AGAIN * self._completed
        _, key, metrics = self._nearest
        broken = [limit for limit in self._limits if not limit.is_kept_by(metrics)]
        wanted = " and ".join(map(str, broken))
        found = ", ".join(f"{name} {format_quantity(metrics[name], name)}" for name in _metrics_of(broken))
        return (
            f"none of {self._completed} evaluations meets the constraints so far; the nearest misses {wanted} with "
            f"{found} ({key}): if that won't do, stop the search and widen the space or the constraints"
        )


def _metrics_of(limits: Sequence[Limit]) -> list[str]:
    return list(dict.fromkeys(limit.metric for limit in limits))
