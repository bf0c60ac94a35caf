"""The Pareto front of a running search with its hypervolume: what each outcome added, and how it grew."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from gasearch.objectives.fitness import Fitness, FrontChange
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Array, Scaling

#: Beyond so many objectives a volume takes seconds (see `pareto.hypervolume`), so that it is taken once a generation.
MOST_OBJECTIVES_EACH = 5


class Frontier:
    """A front that is scaled once, and from then on knows its volume: see `ParetoFront.hypervolume`.

    What an earlier controller knew of is taken in without measuring it: each volume is taken when it is asked for,
    which but for the newest is seldom.
    """

    def __init__(self) -> None:
        """An empty front without a scaling."""
        self.front = ParetoFront()
        self.scaling: Scaling | None = None
        self._completed: list[int] = []  # outcomes so far wherever a volume was taken, ascending
        self._volumes: list[float | None] = []  # these; None: to be measured when it is asked for
        self._states: dict[int, int] = {}  # by the place of such a volume, that of its front in `_past`
        self._past = _Past()
        self._first: list[Fitness] = []  # until the scaling is fixed

    @property
    def hypervolume(self) -> float | None:
        """The newest one; None without a scaling."""
        if not self._volumes:
            return None
        if self._volumes[-1] is None and self.scaling is not None:
            self._volumes[-1] = self.front.hypervolume(self.scaling)
        return self._volumes[-1]

    @property
    def growth(self) -> list[tuple[int, float]]:
        """(outcomes so far, hypervolume) wherever that was taken."""
        return [(completed, self._volume(place)) for place, completed in enumerate(self._completed)]

    def note(
        self, number: int, fitness: Fitness | None, *, completed: int, is_replicate: bool, is_past: bool = False
    ) -> FrontChange:
        """Take in an outcome, the `completed`-th one; a replicate takes the place of the candidate's earlier fitness.

        Args:
            number: Of the candidate.
            fitness: What came of it.
            completed: How many outcomes there are with this one.
            is_replicate: Whether it is of a further training.
            is_past: Whether an earlier controller has stored already what this changes, and taken the volume.

        Returns:
            Who entered and left the front; nobody where that is past.
        """
        if fitness is None:
            return FrontChange()
        before = self.front.version
        change = (self.front.take_in if is_past else self.front.add)(number, fitness)
        if self.scaling is None:
            self._first += [fitness] if fitness.is_feasible else []
        elif self.front.version != before and self.is_cheap:
            if is_past:
                self._states[len(self._completed)] = self._past.add(
                    self.front, None if is_replicate else change, fitness
                )
            self._take_down(completed, None if is_past else self.front.hypervolume(self.scaling))
        return FrontChange() if is_past else change

    @property
    def is_cheap(self) -> bool:
        """True where a volume is taken at each outcome."""
        return self.scaling is not None and len(self.scaling.ideal) <= MOST_OBJECTIVES_EACH

    def gain_since(self, before: float | None) -> float | None:
        """By how much the volume grew beyond an earlier one; None where either isn't known."""
        now = self.hypervolume
        return None if before is None or now is None else max(0.0, now - before)

    def fix(self, completed: int, known: Scaling | None = None) -> Scaling | None:
        """Fix the scaling by what was feasible so far, if anything was; or as it is known already."""
        if self.scaling is None and self._first:
            self.scaling = known or Scaling.of(self._first)
            self._first = []
            self.measure(completed)
        return self.scaling

    def measure(self, completed: int) -> float | None:
        """Take the volume after so many outcomes."""
        if self.scaling is None:
            return None
        if not (self.is_cheap and self._completed):  # else it was taken when it changed
            self._take_down(completed, self.front.hypervolume(self.scaling))
        return self.hypervolume

    def recall(self, completed: int, volume: float) -> None:
        """Take note of a volume that was taken after so many outcomes, by an earlier controller.

        Where it can be taken again it needs no note; versions before 0.4 took it of the members alone.
        """
        if self.scaling is not None and not self.is_cheap:
            self._take_down(completed, volume)

    def volume_at(self, completed: int) -> float | None:
        """The volume after so many outcomes; None before the first one was taken."""
        place = bisect_right(self._completed, completed) - 1
        return None if place < 0 else self._volume(place)

    def _take_down(self, completed: int, volume: float | None) -> None:
        self._completed.append(completed)
        self._volumes.append(volume)

    def _volume(self, place: int) -> float:
        volume = self._volumes[place]
        if volume is None:
            assert self.scaling is not None, "without a scaling no volume is kept"
            volume = self._volumes[place] = self.scaling.hypervolume(self._past.values(self._states[place]))
        return volume


@dataclass(frozen=True, slots=True)
class _State:
    """A front as the difference from the one before."""

    entered: dict[int, tuple[float, ...]]  # wvalues by number, in the order of the front
    left: tuple[int, ...] | None  # None: all that were there


class _Past:
    """The states that a front was in: a long search has had thousands."""

    def __init__(self) -> None:
        self._states: list[_State] = []
        self._at, self._members = -1, dict[int, tuple[float, ...]]()  # the state that was asked for last

    def add(self, front: ParetoFront, change: FrontChange | None, fitness: Fitness) -> int:
        """Keep the state of a front after a fitness changed it, as said or (None) in any way; returns its place."""
        if change is None or not self._states:
            rows = map(tuple, front.plain_values.tolist())
            self._states.append(_State(dict(zip(front.plain_numbers, rows, strict=True)), None))
        else:  # whoever enters, enters at the end
            self._states.append(_State(dict.fromkeys(change.entered, fitness.values), change.left))
        return len(self._states) - 1

    def values(self, place: int) -> Array:
        """(members, objectives) wvalues of a state."""
        if place < self._at:
            self._at = -1
        while self._at < place:
            self._at += 1
            state = self._states[self._at]
            if state.left is None:
                self._members = {}
            for number in state.left or ():
                del self._members[number]
            self._members |= state.entered
        return np.array([*self._members.values()], dtype=np.float64)
