"""Which points of a set belong to its Pareto front, where values may be intervals: the one rule for every answer.

A running search, its resume, `front`, `best`, the knee, the plot, comparisons, `db check` and the service all go by it:

1. The *plain front* are the feasible points whose values no other one dominates: no other is at least as good in all
   objectives and better in one. Of points with equal values the one with the lowest number stands for all.
2. A value with a spread is an interval, and values whose intervals overlap are tied. A point of the plain front
   *dominates* another within their intervals if it is at least tied with it in all objectives and clearly better in
   one, though the values alone may say otherwise.
3. Such a relation isn't transitive, and can go in a circle. So it is applied in the order of the first objective (then
   of the numbers): best first, a point leaves if one that stays before it dominates it; then, worst first, if one that
   stays after it does. Only points that stay dismiss others: a chain of ties doesn't eat up the front.

So the front is a function of the set of points alone, whatever the order in which they came; no member dominates
another, within the intervals or without; and it is empty only where nothing is feasible.

`gasearch.objectives.pareto` has the front of a whole set, `gasearch.objectives.front` the one that grows. Everywhere in
this module values are wvalues: finite, greater is better.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import ge
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

MOST_REMEMBERED = 4  #: Points that each new one is held against first, in other than two objectives.


class Standing(NamedTuple):
    """What the two passes of the rule find of a plain front; (points,) each, in the order in which they were given."""

    forward: npt.NDArray[np.int64]  #: How many of those that stay in the first pass, and stand before, dominate it.
    backward: npt.NDArray[np.int64]  #: How many members that stand after it dominate it.

    @property
    def stays(self) -> Flags:
        """Whether it stays in the first pass."""
        return np.asarray(self.forward == 0)

    @property
    def is_member(self) -> Flags:
        """Whether it stays in both."""
        return np.asarray((self.forward == 0) & (self.backward == 0))


def standing(values: Array, spreads: Array, numbers: Numbers) -> Standing:
    """Apply the rule's third part to a plain front.

    Args:
        values: (objectives, points), of which none is dominated by values alone.
        spreads: (objectives, points) half widths.
        numbers: (points,) all different.
    """
    order = np.lexsort((numbers, -values[0]))
    wvalues, widths = np.ascontiguousarray(values[:, order]), np.ascontiguousarray(spreads[:, order])
    forward, backward = np.zeros((2, len(order)), dtype=np.int64)
    rivals = _Rivals(wvalues[1:], widths[1:])
    for place in rivals.places.tolist():
        if not forward[place]:
            after = rivals.ahead_of(place)
            after = after[after > place]
            dominated = dominated_within(wvalues[:, place], widths[:, place], wvalues[:, after], widths[:, after])
            forward[after[dominated]] += 1
    begins = np.searchsorted(
        -wvalues[0], -_reach(wvalues[0], widths[0])
    )  # in the first objective those before are ahead
    for place in np.flatnonzero(begins < np.arange(len(order)))[::-1].tolist():
        if not forward[place] and not backward[place]:
            before = slice(begins[place], place)
            dominated = dominated_within(wvalues[:, place], widths[:, place], wvalues[:, before], widths[:, before])
            backward[before] += dominated
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return Standing(forward=forward[back], backward=backward[back])


def dominated_within(values: Array, spreads: Array, others: Array, widths: Array) -> Flags:
    """Which points of a plain front one of them dominates within their intervals; of negated values, which dominate it.

    Args:
        values: (objectives,) of the one.
        spreads: (objectives,) half widths of the one.
        others: (objectives, points).
        widths: (objectives, points) half widths of the others.

    Returns:
        (points,) flags; False for itself.
    """
    ahead = values[:, None] - others  # (objectives, points)
    width = spreads[:, None] + widths
    dominated: Any = np.logical_and.reduce(ahead >= -width, axis=0)
    dominated &= np.logical_or.reduce(ahead > width, axis=0)
    return dominated  # type: ignore[no-any-return]


def _reach(values: Array, spreads: Array) -> Array:
    """(points,) Up to where values in one objective may be tied with each; a little more, as sums are rounded."""
    widths = spreads + spreads.max(initial=0.0)
    reach: Array = values + widths + 1e-9 * (np.abs(values) + widths)
    return reach


class _Rivals:
    """Finds the points of a plain front that are ahead of one, in some objective, by less than their intervals.

    It dominates no others: whoever isn't ahead of it in any objective would not be on the plain front.
    """

    def __init__(self, values: Array, spreads: Array) -> None:
        """Values and spreads: (objectives, points)."""
        self._near: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
        has_rivals = np.zeros(values.shape[1], dtype=np.bool_)
        for wvalues, widths in zip(values, spreads, strict=True):
            if not widths.any():
                continue  # in an exact objective nothing that is ahead is tied
            order = np.argsort(wvalues, kind="stable")
            begin = np.searchsorted(wvalues[order], wvalues, side="right")
            end = np.searchsorted(wvalues[order], _reach(wvalues, widths), side="right")
            self._near.append((order, begin, end))
            has_rivals |= end > begin
        self.places = np.flatnonzero(has_rivals)  #: Of the points that may dominate any.

    def ahead_of(self, place: int) -> npt.NDArray[np.intp]:
        """The places of a point's rivals, each once."""
        near = [order[begin[place] : end[place]] for order, begin, end in self._near]
        return near[0] if len(near) == 1 else np.unique(np.concatenate(near))


class DominanceIndex:
    """Finds out fast that a front dominates a point, which is what becomes of nearly all; never wrong, but it may miss.

    A member that leaves is dominated by one that stays, so that what it dominates stays dominated.
    """

    def __init__(self, members: Array) -> None:
        """An index of these members of a plain front, (members, objectives)."""
        self._first: list[float] = []  # two objectives: the first values, ascending,
        self._second: list[float] = []  # and the second ones, descending
        self._last: list[tuple[float, ...]] = []  # other numbers of them: what dominated the points that came last
        if members.shape[1] == 2:
            self._first, self._second = members[np.argsort(members[:, 0])].T.tolist()

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
