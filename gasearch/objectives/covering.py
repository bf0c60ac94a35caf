"""What a growing set of points covers: a point covers another one if it is at least as good in all objectives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import islice
from operator import ge

import numpy as np
import numpy.typing as npt

from gasearch.objectives.fitness import Fitness

Array = npt.NDArray[np.float64]

_SAMPLE = 256  #: Points by which it is judged what covers most.
MOST_REMEMBERED = 4  #: Points that each new one is held against first, in other than two objectives.


class Cover:
    """Finds out fast that a front dominates a point, which is what becomes of nearly all; never wrong, but it may miss.

    A member that leaves is dominated by one that stays, so that what it dominates stays dominated.
    """

    def __init__(self) -> None:
        self._first: list[float] = []  # two objectives: the first values, ascending,
        self._second: list[float] = []  # and the second ones, descending
        self._last: list[tuple[float, ...]] = []  # other numbers of them: what dominated the points that came last

    def dominates(self, values: tuple[float, ...]) -> bool:
        """Whether a point is known to be dominated."""
        if len(values) == 2:
            place = bisect_left(self._first, values[0])
            if place == len(self._first) or self._second[place] < values[1]:
                return False
            return (self._first[place], self._second[place]) != values
        for place, dominating in enumerate(self._last):
            if all(map(ge, dominating, values)) and dominating != values:
                if place:
                    self._last.insert(0, self._last.pop(place))
                return True
        return False

    def note_dominating(self, values: Array) -> None:
        """Remember a member that dominated a point."""
        if len(values) != 2:
            self._last = [tuple(values.tolist()), *self._last[: MOST_REMEMBERED - 1]]

    def note_member(self, values: tuple[float, ...]) -> None:
        """Take in a new member, and forget those that it dominates."""
        if len(values) == 2:
            end = begin = bisect_right(self._first, values[0])
            while begin and self._second[begin - 1] <= values[1]:
                begin -= 1
            self._first[begin:end], self._second[begin:end] = [values[0]], [values[1]]


class PointRows:
    """All points of a front as a matrix, a row each, in the order in which they came."""

    def __init__(self) -> None:
        self.place: dict[int, int] = {}  # row by number
        self._numbers: list[int] = []  # number by row
        self._values: Array = np.empty((0, 0))  # (capacity, objectives); NaN where one was dropped

    def take(self, points: dict[int, Fitness]) -> None:
        """Take in the points that came since the last call: the last ones, as many as are missing."""
        missing = len(points) - len(self.place)
        if not missing:
            return
        new = list(islice(reversed(points), missing))[::-1]
        values = np.array([points[number].values for number in new], dtype=np.float64)
        begun, end = len(self._numbers), len(self._numbers) + missing
        if end > len(self._values):
            grown = np.full((max(2 * end, 64), values.shape[1]), np.nan)
            if begun:
                grown[:begun] = self._values[:begun]
            self._values = grown
        self._values[begun:end] = values
        self._numbers += new
        self.place.update(zip(new, range(begun, end), strict=True))

    def drop(self, number: int) -> None:
        """Forget one that may be there."""
        place = self.place.pop(number, None)
        if place is not None:
            self._values[place] = np.nan

    def under(self, values: tuple[float, ...], others: Array) -> list[int]:
        """The numbers of those that a point covers, and none of some others, (n, objectives), does."""
        found = self._values[: len(self._numbers)]
        places = np.flatnonzero((found <= values).all(axis=1))
        sample = found[places[:: 1 + len(places) // _SAMPLE]]
        covered = (sample[:, None, :] <= others[None, :, :]).all(axis=2).sum(axis=0)  # (n,)
        for other in others[np.argsort(-covered, kind="stable")]:  # first those that leave few to be looked at
            places = places[~(found[places] <= other).all(axis=1)]
        return [self._numbers[place] for place in places]
