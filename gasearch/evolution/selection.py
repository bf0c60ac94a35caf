"""Who survives and who has children: NSGA-II with Deb's constraint rules, aging; see `nsga3.py` for many objectives."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from gasearch.evolution.individual import Individual
from gasearch.evolution.rng import GLOBAL, pick
from gasearch.objectives import pareto
from gasearch.objectives.dominance import Flags

_NOBODY: Final = np.iinfo(np.int64).max  #: Dominators of a row that is free.

Select = TypeVar("Select", bound=Callable[..., Sequence[Individual]])

WHOLE_POOL: Final = "takes_whole_pool"  #: The attribute of a selection that knows of limits itself, and draws nothing.


def takes_whole_pool(select: Select) -> Select:
    """Mark a selection: it is asked whatever the pool, and about individuals that miss a limit as well."""
    setattr(select, WHOLE_POOL, True)
    return select


#: An objective whose wvalues have one sign and differ by more than this factor is crowded on a logarithmic scale.
DECADE = 10.0

AGING_SAMPLE = 0.2  #: Share of the survivors among which an aging search takes its parent; 25 of 100 in the paper.
TRIES = 4  #: Draws of a second parent that may be the first one again, before any other one is taken.


@takes_whole_pool
def select_survivors(pool: Sequence[Individual], count: int) -> list[Individual]:
    """The best `count` individuals, best first; the same whatever the order of the pool.

    Feasible before infeasible (Deb, "An efficient constraint handling method for genetic algorithms", 2000): feasible
    ones by non-dominated rank, within a rank by crowding distance (Deb et al. 2002), infeasible ones by violation.
    What is still equal goes by candidate number. Our deviation: see `by_rank_and_crowding`.
    """
    return feasible_first(pool, count, by_rank_and_crowding)


def feasible_first(
    pool: Sequence[Individual], count: int, best_first: Callable[[Sequence[Individual]], Sequence[Individual]]
) -> list[Individual]:
    """The best `count`: feasible ones as `best_first` orders them, then infeasible ones by violation.

    Args:
        pool: in any order.
        count: of survivors; the whole pool where it is smaller.
        best_first: gets the feasible ones, at least one, by candidate number; may leave out what is beyond `count`.
    """
    ordered = sorted(pool, key=attrgetter("number"))
    feasible = [individual for individual in ordered if individual.fitness.is_feasible]
    best = list(best_first(feasible)[:count]) if feasible else []
    return best + infeasible_by_violation(ordered)[: count - len(best)] if len(best) < count else best


def infeasible_by_violation(pool: Sequence[Individual]) -> list[Individual]:
    """Those that miss a limit, by how much, then by candidate number."""
    infeasible = [individual for individual in pool if individual.fitness.violation > 0.0]
    return sorted(infeasible, key=lambda individual: (individual.fitness.violation, individual.number))


def by_rank_and_crowding(individuals: Sequence[Individual]) -> list[Individual]:
    """Feasible individuals, best first: by rank, then from lonely to crowded, then in the order given.

    Bytes, operations and milliseconds span decades, and on a linear scale all small networks look crowded, so that the
    large ones take over. Hence such objectives are crowded on a logarithmic scale. On a synthetic CNN space (400
    evaluations, population 24, 30 seeds) that raised the linear hypervolume from 0.92 to 0.97 and the mean accuracy
    under five limits on size from 0.754 to 0.766 (standard errors 0.01 and 0.004).
    """
    values = np.array([individual.fitness.wvalues for individual in individuals])  # (individuals, objectives)
    ranks = pareto.rank(values)
    return [individuals[index] for index in _best_rows(values, ranks, _spans_decades(*_range(values.T)))]


def _best_rows(values: pareto.Array, ranks: npt.NDArray[np.intp], is_wide: Flags) -> npt.NDArray[np.intp]:
    """(individuals,) rows, best first: by rank, then from lonely to crowded, then in the order given.

    Args:
        values: (individuals, objectives), at least one.
        ranks: (individuals,).
        is_wide: (objectives,) which of them are crowded on a logarithmic scale.
    """
    return np.lexsort((-pareto.crowding_distance(_scaled(values, is_wide), ranks), ranks))


def evenly_scaled(values: pareto.Array) -> pareto.Array:
    """Columns of one sign that span more than a decade on a binary logarithmic scale, the others as they are.

    The logarithm is linear between powers of two: exact arithmetic, so that no library's rounding decides a search.

    Args:
        values: (individuals, objectives).
    """
    return _scaled(values, _spans_decades(*_range(values.T)))


def _range(columns: pareto.Array) -> tuple[pareto.Array, pareto.Array]:
    """(objectives,) the least and the greatest of (objectives, individuals) values, but for NaN."""
    return np.fmin.reduce(columns, axis=1), np.fmax.reduce(columns, axis=1)


def _spans_decades(low: pareto.Array, high: pareto.Array) -> Flags:
    """(objectives,) which have one sign and span more than a decade."""
    return np.asarray(((low > 0) & (high > DECADE * low)) | ((high < 0) & (low < DECADE * high)))


def _scaled(values: pareto.Array, is_wide: Flags) -> pareto.Array:
    if not is_wide.any():
        return values
    mantissas, exponents = np.frexp(np.abs(values))  # magnitude = mantissa * 2 ** exponent, mantissa in [0.5, 1)
    scaled: pareto.Array = np.where(is_wide, np.sign(values) * (exponents + 2 * mantissas), values)
    return scaled


class RankedPool:
    """Individuals that come and go one by one; knows the best of them without ranking all of them anew.

    It counts how many others dominate each: whoever is dominated by as many as survive isn't among these, nor does it
    decide about them. Where only those came and went who are ranked behind the last front that survives, the answer is
    that of before. What came and went between two questions is caught up with at the second one.
    """

    def __init__(self) -> None:
        """A pool without anybody."""
        self._individuals: dict[int, Individual] = {}
        self._changed: set[int] = set()  # numbers that came or went since the last question
        self._rows: dict[int, int] = {}  # of the feasible ones in what follows
        self._free: list[int] = []
        self._values = np.empty((0, 0))  # (objectives, rows), NaN where nobody is: that dominates nobody
        self._numbers = np.empty(0, dtype=np.int64)
        self._dominators = np.empty(0, dtype=np.int64)
        self._front = np.empty(0, dtype=np.int64)  # (rows,) the front of each that decided the last answer, else -1
        self._last = -1  # the last of these fronts
        self._is_wide: Flags = np.empty(0, dtype=np.bool_)
        self._answer: tuple[int, list[Individual]] | None = None  # how many were asked for, and who; None: not known

    def __contains__(self, number: int) -> bool:
        """Whether the candidate of that number is in it."""
        return number in self._individuals

    def __getitem__(self, number: int) -> Individual:
        """The candidate of that number."""
        return self._individuals[number]

    def put(self, individual: Individual) -> None:
        """Take an individual in, in the place of an earlier one of its number."""
        self._individuals[individual.number] = individual
        self._changed.add(individual.number)

    def drop(self, number: int) -> None:
        """Let a candidate go, if it is there."""
        if self._individuals.pop(number, None) is not None:
            self._changed.add(number)

    def best(self, count: int) -> list[Individual]:
        """The best of them, as `select_survivors` selects them from all."""
        for number in sorted(self._changed):
            self._catch_up(number)
        self._changed.clear()
        best: list[Individual] = []
        if self._rows:
            is_wide = _spans_decades(*_range(self._values))
            if self._answer is None or self._answer[0] != count or (is_wide != self._is_wide).any():
                self._is_wide, self._answer = is_wide, (count, self._rank(count, is_wide))
            best = self._answer[1]
        if len(best) < count and len(self._rows) < len(self._individuals):
            best = best + infeasible_by_violation([*self._individuals.values()])[: count - len(best)]
        return best

    def _rank(self, count: int, is_wide: Flags) -> list[Individual]:
        """The best feasible ones."""
        rows = np.flatnonzero(self._dominators == 0)
        is_enough = len(rows) >= count  # where the first front alone is, nothing needs to be ranked
        if not is_enough:
            rows = np.flatnonzero(self._dominators < count)
        rows = rows[np.argsort(self._numbers[rows])]
        ranks = np.zeros(len(rows), dtype=np.intp) if is_enough else pareto.rank(self._values[:, rows].T)
        self._last = int(np.partition(ranks, count - 1)[count - 1]) if count < len(rows) else int(ranks.max())
        decides = ranks <= self._last
        rows, ranks = rows[decides], ranks[decides]
        self._front[:] = -1
        self._front[rows] = ranks
        best = rows[_best_rows(self._values[:, rows].T, ranks, is_wide)[:count]]
        return [self._individuals[number] for number in self._numbers[best].tolist()]

    def _catch_up(self, number: int) -> None:
        row = self._rows.pop(number, None)
        if row is not None:
            if self._front[row] >= 0:
                self._answer = None
            self._dominators[self._dominated(row)] -= 1
            self._values[:, row], self._dominators[row] = np.nan, _NOBODY
            self._free.append(row)
        individual = self._individuals.get(number)
        if individual is None or not individual.fitness.is_feasible:
            return
        if not self._free:
            self._grow(len(individual.fitness.wvalues))
        row = self._rows[number] = self._free.pop()
        self._values[:, row], self._numbers[row] = individual.fitness.wvalues, number
        dominating = self._dominating(row)
        self._dominators[row] = np.count_nonzero(dominating)
        if self._answer is not None and not (
            len(self._answer[1]) == self._answer[0] and (dominating & (self._front == self._last)).any()
        ):
            self._answer = None
        self._dominators[self._dominated(row)] += 1

    def _grow(self, objectives: int) -> None:
        size = len(self._numbers)
        added = size or 64
        values = self._values if size else np.empty((objectives, 0))
        self._values = np.pad(values, ((0, 0), (0, added)), constant_values=np.nan)
        self._numbers = np.pad(self._numbers, (0, added))
        self._dominators = np.pad(self._dominators, (0, added), constant_values=_NOBODY)
        self._front = np.pad(self._front, (0, added), constant_values=-1)
        self._free.extend(range(size, size + added))

    def _dominated(self, row: int) -> Flags:
        point = self._values[:, row, None]
        return np.asarray((self._values <= point).all(axis=0) & (self._values < point).any(axis=0))

    def _dominating(self, row: int) -> Flags:
        point = self._values[:, row, None]
        return np.asarray((self._values >= point).all(axis=0) & (self._values > point).any(axis=0))


@takes_whole_pool
def keep_newest(individuals: Sequence[Individual], count: int) -> list[Individual]:
    """The last `count` in the order given: that in which they were completed, as it must be when they are given again.

    Real et al., "Regularized evolution for image classifier architecture search", 2019: what was lucky once dies too.
    """
    return list(individuals[-count:])


@takes_whole_pool
def keep_none(individuals: Sequence[Individual], count: int) -> list[Individual]:
    """No survivors: a search at random breeds from nothing."""
    del individuals, count
    return []


# --- parents ----------------------------------------------------------------------------------------------------


def choose(individuals: Sequence[Individual], k: int, *, rng: random.Random = GLOBAL) -> list[Individual]:
    """Parents, one or two: each the better of two drawn at random; two are different ones.

    Args:
        individuals: Best first, at least one; two different ones where two are asked for.
        k: How many.
        rng: For the draws.
    """
    return _distinct(individuals, k, 2, rng)


class AgingParents:
    """Parents of an aging search: the best, as `select_survivors` orders them, of a random fifth of the survivors.

    The paper has one objective. Rank and crowding are those among all survivors: within a sample the two ends of each
    objective are infinitely lonely, and an end would always win.
    """

    def __init__(self) -> None:
        """Remembers the order of the survivors that it was asked about last: several children come from each."""
        self._survivors: tuple[Individual, ...] = ()
        self._ordered: list[Individual] = []

    def __call__(self, individuals: Sequence[Individual], k: int, *, rng: random.Random = GLOBAL) -> list[Individual]:
        """See `choose`; the survivors may be in any order."""
        if individuals is not self._survivors:
            self._ordered = select_survivors(individuals, len(individuals))
            self._survivors = individuals if isinstance(individuals, tuple) else ()
        return _distinct(self._ordered, k, max(2, round(AGING_SAMPLE * len(self._ordered))), rng)


def _distinct(ordered: Sequence[Individual], count: int, size: int, rng: random.Random) -> list[Individual]:
    """Parents, each the best of `size` drawn at random, with replacement, from a sequence ordered best first."""
    chosen = ordered[min(pick(rng, len(ordered)) for _ in range(size))]
    for _ in range(TRIES) if count > 1 else ():
        other = ordered[min(pick(rng, len(ordered)) for _ in range(size))]
        if other.number != chosen.number:
            return [chosen, other]
    return [chosen] if count == 1 else [chosen, next(one for one in ordered if one.number != chosen.number)]
