"""The Pareto front of a running search with its hypervolume: what each outcome added, and how it grew."""

from __future__ import annotations

from gasearch.fitness import Fitness, FrontChange
from gasearch.pareto import ParetoFront, Scaling

#: Beyond so many objectives a volume takes seconds (see `pareto.hypervolume`), so that it is taken once a generation.
MOST_OBJECTIVES_EACH = 5


class Frontier:
    """A front that is scaled once, and from then on knows its volume."""

    def __init__(self) -> None:
        """An empty front without a scaling."""
        self.front = ParetoFront()
        self.scaling: Scaling | None = None
        self.growth: list[tuple[int, float]] = []  #: (outcomes told, hypervolume) wherever that was taken.
        self._first: list[Fitness] = []  # until the scaling is fixed

    @property
    def hypervolume(self) -> float | None:
        """The newest one; None without a scaling."""
        return self.growth[-1][1] if self.growth else None

    def note(self, number: int, fitness: Fitness | None, *, told: int, is_replicate: bool) -> FrontChange:
        """Take in an outcome, the `told`-th one; a replicate takes the place of the candidate's earlier fitness."""
        if fitness is None:
            return FrontChange()
        change = (self.front.replace if is_replicate else self.front.add)(number, fitness)
        if self.scaling is None:
            self._first += [fitness] if fitness.is_feasible else []
        elif len(fitness.values) <= MOST_OBJECTIVES_EACH and (change.entered or change.left or is_replicate):
            self.measure(told)
        return change

    def gain_since(self, before: float | None) -> float | None:
        """By how much the volume grew beyond an earlier one; None where either isn't known."""
        now = self.hypervolume
        return None if before is None or now is None else max(0.0, now - before)

    def fix(self, told: int, known: Scaling | None = None) -> Scaling | None:
        """Fix the scaling by what was feasible so far, if anything was; or as it is known already."""
        if self.scaling is None and self._first:
            self.scaling = known or Scaling.of(self._first)
            self._first = []
            self.measure(told)
        return self.scaling

    def measure(self, told: int) -> float | None:
        """Take the volume after so many outcomes."""
        if self.scaling is None:
            return None
        volume = self.front.hypervolume(self.scaling)
        self.growth.append((told, volume))
        return volume

    def recall(self, told: int, volume: float) -> None:
        """Take note of a volume that was taken after so many outcomes, by an earlier controller."""
        if self.scaling is not None:
            self.growth.append((told, volume))

    def volume_at(self, told: int) -> float | None:
        """The volume after so many outcomes; None before the first one was taken."""
        found = None
        for count, volume in reversed(self.growth):
            if count <= told:
                found = volume
                break
        return found
