"""Survivor and parent selection: NSGA-II with Deb's constraint rules, and aging; see `nsga3.py` for many objectives."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

import numpy as np

from gasearch.evolution.rng import pick
from gasearch.objectives import pareto
from gasearch.objectives.fitness import Fitness
from gasearch.space.genome import Genome


@dataclass(frozen=True, slots=True, kw_only=True)
class Individual:
    """A candidate that was evaluated with success."""

    number: int  #: Of the candidate.
    genome: Genome
    fitness: Fitness


T = TypeVar("T")

#: An objective whose wvalues have one sign and differ by more than this factor is crowded on a logarithmic scale.
DECADE = 10.0

AGING_SAMPLE = 0.2  #: Share of the survivors among which an aging search takes its parent; 25 of 100 in the paper.


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
    if len(best) < count:
        infeasible = [individual for individual in ordered if not individual.fitness.is_feasible]
        best += sorted(infeasible, key=lambda individual: individual.fitness.violation)[: count - len(best)]
    return best


def by_rank_and_crowding(individuals: Sequence[Individual]) -> list[Individual]:
    """Feasible individuals, best first: by rank, then from lonely to crowded, then in the order given.

    Bytes, operations and milliseconds span decades, and on a linear scale all small networks look crowded, so that the
    large ones take over. Hence such objectives are crowded on a logarithmic scale. On a synthetic CNN space (400
    evaluations, population 24, 30 seeds) that raised the linear hypervolume from 0.92 to 0.97 and the mean accuracy
    under five limits on size from 0.754 to 0.766 (standard errors 0.01 and 0.004).
    """
    values = np.array([individual.fitness.values for individual in individuals])  # (individuals, objectives)
    ranks = pareto.rank(values)
    crowding = pareto.crowding_distance(evenly_scaled(values), ranks)
    return [individuals[index] for index in np.lexsort((-crowding, ranks))]


def evenly_scaled(values: pareto.Array) -> pareto.Array:
    """Columns of one sign that span more than a decade on a binary logarithmic scale, the others as they are.

    The logarithm is linear between powers of two: exact arithmetic, so that no library's rounding decides a search.

    Args:
        values: (individuals, objectives).
    """
    magnitudes = np.abs(values)
    is_wide = (magnitudes.max(axis=0) > DECADE * magnitudes.min(axis=0)) & (
        (values > 0).all(axis=0) | (values < 0).all(axis=0)
    )
    mantissas, exponents = np.frexp(magnitudes)  # magnitude = mantissa * 2 ** exponent, mantissa in [0.5, 1)
    scaled: pareto.Array = np.where(is_wide, np.sign(values) * (exponents + 2 * mantissas), values)
    return scaled


def tournament(ordered: Sequence[T], rng: random.Random, size: int = 2) -> T:
    """The best of `size` drawn at random (with replacement) from a sequence ordered best first."""
    return ordered[min(pick(rng, len(ordered)) for _ in range(size))]


def keep_newest(individuals: Sequence[Individual], count: int) -> list[Individual]:
    """The last `count` in the order given: that in which they were told, and so that in which they must be given again.

    Real et al., "Regularized evolution for image classifier architecture search", 2019: what was lucky once dies too.
    """
    return list(individuals[-count:])


def keep_none(individuals: Sequence[Individual], count: int) -> list[Individual]:
    """No survivors: a search at random breeds from nothing."""
    del individuals, count
    return []


class AgingParents:
    """Parents of an aging search: the best, as `select_survivors` orders them, of a random fifth of the survivors.

    The paper has one objective. Rank and crowding are those among all survivors: within a sample the two ends of each
    objective are infinitely lonely, and an end would always win.
    """

    def __init__(self) -> None:
        """Remembers the order of the survivors that it was asked about last: several children come from each."""
        self._survivors: tuple[Individual, ...] = ()
        self._ordered: list[Individual] = []

    def __call__(self, survivors: Sequence[Individual], rng: random.Random) -> Individual:
        """One parent; survivors in any order."""
        if survivors is not self._survivors:
            self._ordered = select_survivors(survivors, len(survivors))
            self._survivors = survivors if isinstance(survivors, tuple) else ()
        return tournament(self._ordered, rng, max(2, round(AGING_SAMPLE * len(self._ordered))))
