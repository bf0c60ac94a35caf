"""The front of a growing set of points by their values alone: spreads play no part here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gasearch.objectives.covering import Cover, PointRows
from gasearch.objectives.fitness import Fitness, FrontChange

Array = npt.NDArray[np.float64]

_UNCHANGED = FrontChange()


class PlainFront:
    """The feasible points that no other feasible point dominates, as points come in; a function of their set alone.

    Of points with equal values the one with the lowest number is the member.
    """

    def __init__(self) -> None:
        """An empty front; the first point fixes the number of objectives."""
        self._members: list[int] = []  # in the order in which they entered
        self._columns: Array = np.empty((0, 0))  # (objectives, capacity): their values; compared as columns
        self._points: dict[int, Fitness] = {}  # every feasible one: needed when one is replaced
        self._rows = PointRows()  # the same in the order in which they came, as far as that was asked for
        self._cover = Cover()  # of the members
        self.version = 0  #: Another one whenever a member came, left, or has got other values.

    def __len__(self) -> int:
        """Number of members."""
        return len(self._members)

    def __contains__(self, number: int) -> bool:
        """Whether a candidate is a member."""
        return number in self._members

    def __getitem__(self, number: int) -> Fitness:
        """The fitness of a feasible candidate."""
        return self._points[number]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The members' candidate numbers, in the order in which they entered."""
        return tuple(self._members)

    @property
    def values(self) -> Array:
        """(members, objectives) wvalues, rows in the order of `numbers`."""
        return self._columns[:, : len(self._members)].T.copy()

    def add(self, number: int, fitness: Fitness) -> FrontChange:
        """Take a point in, if it belongs to the front, and dismiss the members that it dominates.

        Raises:
            ValueError: if the number of objectives differs from the front's.
        """
        if fitness.violation > 0.0:
            return _UNCHANGED
        self._points[number] = fitness
        dismissed = self._insert(number, fitness)
        return _UNCHANGED if dismissed is None else FrontChange(entered=(number,), left=dismissed)

    def replace(self, number: int, fitness: Fitness) -> FrontChange:
        """Let a point have another fitness: what it had dominated may come back."""
        before = self._members.copy()
        self._remove(number)
        if fitness.violation <= 0.0:
            self._points[number] = fitness
            self._insert(number, fitness)
        self._settle()
        now, then = set(self._members), set(before)
        return FrontChange(
            entered=tuple([member for member in self._members if member not in then]),
            left=tuple([member for member in before if member not in now]),
        )

    def remove(self, number: int) -> None:
        """Forget a point: what it had dominated may come back. Nothing happens where it isn't known."""
        self._remove(number)
        self._settle()

    def _insert(self, number: int, fitness: Fitness) -> tuple[int, ...] | None:
        """Take a point in, and tell which leave the front; None where it doesn't belong there."""
        size, objectives = len(self._members), len(fitness.values)
        if not size:
            self._columns = np.empty((objectives, 8))
        if objectives != len(self._columns):
            raise ValueError(f"this front has {len(self._columns)} objectives; got {objectives}")
        if self._cover.dominates(fitness.values):
            return None
        point = np.array(fitness.values)[:, None]  # (objectives, 1)
        members = self._columns[:, :size]
        covering = np.logical_and.reduce(members >= point, axis=0)
        if covering.any() and not self._is_later_twin(covering, number, point):
            self._cover.note_dominating(members[:, int(np.argmax(covering))])
            return None
        dominated = np.logical_and.reduce(members <= point, axis=0)
        dismissed = self._dismiss(dominated) if dominated.any() else ()
        self._append(number, fitness)
        self._cover.note_member(fitness.values)
        self.version += 1
        return dismissed

    def _is_later_twin(self, covering: npt.NDArray[np.bool_], number: int, point: npt.NDArray[Any]) -> bool:
        """Whether the one member that is at least as good has the very same values and a higher number."""
        index = int(np.argmax(covering))
        return self._members[index] > number and bool((self._columns[:, index] == point[:, 0]).all())

    def _dismiss(self, dominated: npt.NDArray[np.bool_]) -> tuple[int, ...]:
        stay = np.flatnonzero(~dominated)
        dismissed = tuple([self._members[index] for index in np.flatnonzero(dominated)])
        self._members = [self._members[index] for index in stay]
        self._columns[:, : len(stay)] = self._columns[:, stay]
        return dismissed

    def _append(self, number: int, fitness: Fitness) -> None:
        size = len(self._members)
        if size == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.empty_like(self._columns)], axis=1)
        self._columns[:, size] = fitness.values
        self._members.append(number)

    def _remove(self, number: int) -> None:
        """Forget a point, and take those in that nothing else had kept out."""
        old = self._points.get(number)
        self._rows.take(self._points)
        self._rows.drop(number)
        self._points.pop(number, None)
        if old is None or number not in self._members:
            return
        self.version += 1
        is_other = np.array([other != number for other in self._members])
        self._dismiss(~is_other)
        self._cover = Cover()
        others = self._columns[:, : len(self._members)].T  # (members, objectives)
        for values in others.tolist():
            self._cover.note_member(tuple(values))
        for other in self._rows.under(old.values, others):
            self._insert(other, self._points[other])

    def _settle(self) -> None:
        """Put the members into the order in which their points came."""
        self._rows.take(self._points)
        order = sorted(range(len(self._members)), key=lambda index: self._rows.place[self._members[index]])
        self._members = [self._members[index] for index in order]
        self._columns[:, : len(order)] = self._columns[:, order]
