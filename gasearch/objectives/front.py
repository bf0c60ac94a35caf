"""The Pareto front of a growing set of points, by the rule of `gasearch.objectives.dominance`, spreads included.

What is known of the plain front's members stands in arrays, a column each. A change touches what it dismisses, what
that had dismissed, and so on: mostly next to nothing, so that nothing is compared twice.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from gasearch.objectives.dominance import Array, DominanceIndex, Flags, dominated_within, standing
from gasearch.objectives.fitness import Fitness, FrontChange
from gasearch.objectives.pareto import Scaling

_UNCHANGED = FrontChange()


class ParetoFront:
    """The front of the points that came in so far; a function of their set alone."""

    def __init__(self) -> None:
        """An empty front; the first point fixes the number of objectives."""
        self.has_spreads = False  #: Of any feasible point so far.
        self.version = 0  #: Another one whenever `plain_values` may be others.
        self._points = _Points()  # every feasible one: needed when one is replaced
        self._index = DominanceIndex(np.empty((0, 0)))
        self._plain = _Members(0)
        self._are_ties_known = True  # else all members of the plain front count as members

    def __len__(self) -> int:
        """Number of members."""
        self._find_ties()
        return int(np.count_nonzero(self._plain.stays[1]))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The members' candidate numbers, in the order in which their points came."""
        self._find_ties()
        return tuple(self._plain.numbers[self._plain.stays[1]].tolist())

    @property
    def values(self) -> Array:
        """(members, objectives) wvalues, rows in the order of `numbers`."""
        self._find_ties()
        return self._plain.values[:, self._plain.stays[1]].T

    @property
    def plain_numbers(self) -> tuple[int, ...]:
        """The candidate numbers of the plain front's members, in the order in which their points came."""
        return tuple(self._plain.numbers.tolist())

    @property
    def plain_values(self) -> Array:
        """(members, objectives) wvalues, rows in the order of `plain_numbers`."""
        return self._plain.values.T.copy()

    @property
    def best(self) -> tuple[float, ...]:
        """The best wvalue of each objective among the members; () without any."""
        return tuple(self.values.max(axis=0).tolist()) if len(self) else ()

    def hypervolume(self, scaling: Scaling) -> float:
        """Scaled hypervolume of all points that came in, members or not; 0 without any.

        A point that is dismissed for a tie has the values that it has: the volume shrinks only where a value does.
        """
        return scaling.hypervolume(self.plain_values) if self._plain.size else 0.0

    def add(self, number: int, fitness: Fitness) -> FrontChange:
        """Take a point in, if it belongs to the front, and dismiss the members that it dominates.

        Of a point that came before the newer fitness counts: what the older one dominated may come back.

        Raises:
            ValueError: if the number of objectives differs from the front's.
        """
        self._find_ties()
        return self._take(number, fitness)

    def take_in(self, number: int, fitness: Fitness) -> FrontChange:
        """See `add`; who is tied is found out when that is asked for, and what is returned is of the plain front."""
        if self._are_ties_known:
            self._are_ties_known = False
            self._plain.stays[:] = True
        return self._take(number, fitness)

    def _take(self, number: int, fitness: Fitness) -> FrontChange:
        changes = _Changes()
        if number in self._points:
            self._forget(number, changes)
        if fitness.violation <= 0.0:
            if fitness.spreads:
                self.has_spreads = True
            self._points[number] = fitness
            self._insert(number, fitness, changes)
        return self._settle(changes) if changes else _UNCHANGED

    def _insert(self, number: int, fitness: Fitness, changes: _Changes) -> None:
        """Take a point in, where it belongs to the plain front."""
        values = fitness.values
        if not self._plain.size:
            self._plain = _Members(len(values))
        elif len(values) != len(self._plain.values):
            raise ValueError(f"this front has {len(self._plain.values)} objectives; got {len(values)}")
        if self._index.dominates(values):
            return
        point, members = np.array(values)[:, None], self._plain.values  # (objectives, 1), (objectives, members)
        is_as_good: Flags = np.logical_and.reduce(members >= point, axis=0)
        if is_as_good.any():
            place = int(np.argmax(is_as_good))
            is_later_twin = self._plain.numbers[place] > number and bool((members[:, place] == point[:, 0]).all())
            if not is_later_twin:
                self._index.note_dominating(members[:, place])
                return
        is_dominated: Flags = np.logical_and.reduce(members <= point, axis=0)
        if is_dominated.any():
            self._dismiss(is_dominated, changes)
        self._append(number, fitness, changes)
        self._index.note_member(values)

    def _forget(self, number: int, changes: _Changes) -> None:
        """Drop a point, and take those in that nothing else had kept out."""
        fitness = self._points.drop(number)
        is_it: Flags = self._plain.numbers == number
        if not is_it.any():
            return
        self._dismiss(is_it, changes)
        others = self.plain_values
        self._index = DominanceIndex(others)
        back = self._points.under(fitness.values, others)
        for other, its_fitness in back:
            self._insert(other, its_fitness, changes)
        if back:
            self._plain.keep(np.argsort(self._points.rows_of(self._plain.numbers.tolist())))

    def _dismiss(self, is_dismissed: Flags, changes: _Changes) -> None:
        """Let members of the plain front go."""
        self.version += 1
        for place in np.flatnonzero(is_dismissed).tolist():
            changes.note(int(self._plain.numbers[place]), was=bool(self._plain.stays[1, place]), now=False)
            if self.has_spreads and self._are_ties_known:
                for turn in range(2):
                    if self._plain.stays[turn, place]:
                        self._plain.is_doubtful[turn, self._count(turn, place, -1)] = True
        self._plain.keep(np.flatnonzero(~is_dismissed))

    def _append(self, number: int, fitness: Fitness, changes: _Changes) -> None:
        """Take a member into the plain front, as the last."""
        self.version += 1
        is_judged = self.has_spreads and self._are_ties_known
        changes.note(number, was=False, now=not is_judged)
        place = self._plain.append(number, fitness, stays=not is_judged)
        if is_judged:
            plain = self._plain
            dominates = dominated_within(-plain.values[:, place], plain.spreads[:, place], -plain.values, plain.spreads)
            if dominates.any():
                after = self._is_after(place)
                plain.dominators[0, place] = np.count_nonzero(dominates & ~after & plain.stays[0])
                plain.dominators[1, place] = np.count_nonzero(dominates & after & plain.stays[1])
            plain.is_doubtful[:, place] = True

    # --- ties among the members of the plain front ---

    def _find_ties(self) -> None:
        """Judge the whole plain front, where it grew without."""
        if not self._are_ties_known:
            self._are_ties_known = True
            if self.has_spreads:
                found = standing(self._plain.values, self._plain.spreads, self._plain.numbers)
                self._plain.dominators[:] = found.forward, found.backward
                self._plain.stays[:] = found.stays, found.is_member

    def _settle(self, changes: _Changes) -> FrontChange:
        """Judge all that is doubtful; returns who entered and who left, ascending."""
        if self.has_spreads and self._are_ties_known:
            for turn in range(2):
                self._judge(turn, changes)
        return FrontChange(
            entered=tuple(sorted([number for number, (was, now) in changes.items() if now and not was])),
            left=tuple(sorted([number for number, (was, now) in changes.items() if was and not now])),
        )

    def _judge(self, turn: int, changes: _Changes) -> None:
        """Find out who stays in a pass of the rule, from the first in its order to the last."""
        plain = self._plain
        waiting = [(self._rank(turn, place), place) for place in np.flatnonzero(plain.is_doubtful[turn]).tolist()]
        plain.is_doubtful[turn] = False
        heapq.heapify(waiting)
        while waiting:
            _, place = heapq.heappop(waiting)
            stays = not plain.dominators[turn, place] and (turn == 0 or bool(plain.stays[0, place]))
            if stays == plain.stays[turn, place]:
                continue
            plain.stays[turn, place] = stays
            if turn == 0:
                plain.is_doubtful[1, place] = True
            else:
                changes.note(int(plain.numbers[place]), was=not stays, now=stays)
            for other in self._count(turn, place, 1 if stays else -1):
                heapq.heappush(waiting, (self._rank(turn, other), other))

    def _count(self, turn: int, place: int, by: int) -> list[int]:
        """Count a member's dominance for those that it dismisses in a pass; returns their places."""
        plain = self._plain
        dominated = dominated_within(plain.values[:, place], plain.spreads[:, place], plain.values, plain.spreads)
        if not dominated.any():
            return []
        after = self._is_after(place)
        dismissed = np.flatnonzero(dominated & (after if turn == 0 else ~after))
        plain.dominators[turn, dismissed] += by
        places: list[int] = dismissed.tolist()
        return places

    def _is_after(self, place: int) -> Flags:
        """(members,) flags of who stands after one in the order of the first objective, best first; not itself."""
        first, numbers = self._plain.values[0], self._plain.numbers
        after: Flags = (first < first[place]) | ((first == first[place]) & (numbers > numbers[place]))
        return after

    def _rank(self, turn: int, place: int) -> tuple[float, int]:
        """What a pass goes by, ascending."""
        value, number = float(self._plain.values[0, place]), int(self._plain.numbers[place])
        return (-value, number) if turn == 0 else (value, -number)


class _Changes(dict[int, tuple[bool, bool]]):
    """Of all that a change touches, by number: whether it was a member of the front, and is one now."""

    def note(self, number: int, *, was: bool, now: bool) -> None:
        """Note what one is now; what it was counts where it wasn't touched before."""
        self[number] = (self[number][0] if number in self else was, now)


class _Members:
    """The members of a plain front as arrays, a column each, in the order in which their points came."""

    def __init__(self, objectives: int) -> None:
        self.size = 0
        self._has_spreads = False  # else all but the first two arrays are the same in all columns
        self._arrays: list[npt.NDArray[np.generic]] = [
            np.zeros((objectives, 8)),
            np.zeros(8, dtype=np.int64),
            np.zeros((objectives, 8)),
            np.zeros((2, 8), dtype=np.int64),
            np.ones((2, 8), dtype=np.bool_),
            np.zeros((2, 8), dtype=np.bool_),
        ]
        self._show()

    def append(self, number: int, fitness: Fitness, *, stays: bool) -> int:
        """Take one in; returns its place."""
        if self.size == len(self._arrays[1]):
            more = [np.repeat(array[..., -1:], self.size, axis=-1) for array in self._arrays]
            self._arrays = [np.concatenate(pair, axis=-1) for pair in zip(self._arrays, more, strict=True)]
        place, self.size = self.size, self.size + 1
        self._show()
        self.values[:, place], self.numbers[place] = fitness.values, number
        if fitness.spreads or self._has_spreads or not stays:
            self._has_spreads = True
            self.spreads[:, place] = fitness.spreads or 0.0
            self.dominators[:, place], self.stays[:, place], self.is_doubtful[:, place] = 0, stays, False
        return place

    def keep(self, places: npt.NDArray[np.intp]) -> None:
        """Have these members in this order, and no others."""
        for array in self._arrays if self._has_spreads else self._arrays[:2]:
            array[..., : len(places)] = array[..., places]
        self.size = len(places)
        self._show()

    def _show(self) -> None:
        shown: list[Any] = [array[..., : self.size] for array in self._arrays]
        self.values: Array = shown[0]  #: (objectives, members)
        self.numbers: npt.NDArray[np.int64] = shown[1]  #: (members,)
        self.spreads: Array = shown[2]  #: (objectives, members) half widths.
        self.dominators: npt.NDArray[np.int64] = shown[3]  #: (passes, members): as in `Standing`.
        self.stays: Flags = shown[4]  #: (passes, members): who stays in each pass.
        self.is_doubtful: Flags = shown[5]  #: (passes, members): whose standing must be looked at.


class _Points(dict[int, Fitness]):
    """All points by number, and as a matrix, a row each, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: list[int] = []  # by row, as far as the matrix was asked for
        self._rows: dict[int, int] = {}  # by number
        self._values: Array = np.empty((0, 0))  # (capacity, objectives); NaN where one was dropped

    def drop(self, number: int) -> Fitness:
        """Forget one."""
        self._complete()
        self._values[self._rows.pop(number)] = np.nan
        return self.pop(number)

    def rows_of(self, numbers: list[int]) -> list[int]:
        """Ascending in the order in which the points came."""
        return [self._rows[number] for number in numbers]

    def under(self, values: tuple[float, ...], others: Array) -> list[tuple[int, Fitness]]:
        """Those that a point is as good as, and none of some others, (n, objectives), is."""
        known = self._values[: len(self._numbers)]
        rows = np.flatnonzero((known <= values).all(axis=1))
        if len(others):  # those that cover most come first; they leave few, which are held against ever more at once
            reach = np.minimum(others, values)
            low = reach.min(axis=0)
            with np.errstate(all="ignore"):  # a range may be 0, or beyond what a float holds: the order only saves time
                shares = np.nan_to_num((reach - low) / (reach.max(axis=0) - low))
            others = others[np.argsort(-shares.sum(axis=1))]
        begin = 0
        while begin < len(others) and len(rows):
            some, begin = others[begin : 2 * begin + 1], 2 * begin + 1
            is_covered: Flags = np.logical_or.reduce((known[rows, None] <= some).all(axis=2), axis=1)
            rows = rows[~is_covered]
        return [(self._numbers[row], self[self._numbers[row]]) for row in rows]

    def _complete(self) -> None:
        """Take the points that came since the last call into the matrix: the last ones, as many as are missing."""
        missing = len(self) - len(self._rows)
        if not missing:
            return
        new = list(islice(reversed(self), missing))[::-1]
        begin, end = len(self._numbers), len(self._numbers) + missing
        values = np.array([self[number].values for number in new], dtype=np.float64)
        if end > len(self._values):
            grown = np.full((max(2 * end, 64), values.shape[1]), np.nan)
            if begin:
                grown[:begin] = self._values[:begin]
            self._values = grown
        self._values[begin:end] = values
        self._numbers += new
        self._rows.update(zip(new, range(begin, end), strict=True))
