"""Survivor and parent selection by NSGA-II with Deb's constraint rules, for any number of objectives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

import numpy as np

from gasearch import pareto
from gasearch.evolution.rng import pick
from gasearch.fitness import Fitness
from gasearch.space.genome import Genome


@dataclass(frozen=True, slots=True, kw_only=True)
class Individual:
    """A candidate that was evaluated with success."""

    number: int  #: Of the candidate.
    genome: Genome
    fitness: Fitness


T = TypeVar("T")


def select_survivors(pool: Sequence[Individual], count: int) -> list[Individual]:
    """The best `count` individuals, best first; the same whatever the order of the pool.

    Feasible before infeasible (Deb, "An efficient constraint handling method for genetic algorithms", 2000): feasible
    ones by non-dominated rank, within a rank by crowding distance (Deb et al. 2002), infeasible ones by violation.
    What is still equal goes by candidate number.
    """
    ordered = sorted(pool, key=attrgetter("number"))
    feasible = [individual for individual in ordered if individual.fitness.is_feasible]
    best = by_rank_and_crowding(feasible)[:count] if feasible else []
    if len(best) < count:
        infeasible = [individual for individual in ordered if not individual.fitness.is_feasible]
        best += sorted(infeasible, key=lambda individual: individual.fitness.violation)[: count - len(best)]
    return best


def by_rank_and_crowding(individuals: Sequence[Individual]) -> list[Individual]:
    """Feasible individuals, best first: by rank, then from lonely to crowded, then in the order given."""
    values = np.array([individual.fitness.values for individual in individuals])  # (individuals, objectives)
    ranks = pareto.rank(values)
    crowding = np.empty(len(values))
    for front in range(int(ranks.max()) + 1):
        members = np.flatnonzero(ranks == front)
        crowding[members] = pareto.crowding_distance(values[members])
    return [individuals[index] for index in np.lexsort((-crowding, ranks))]


def tournament(ordered: Sequence[T], rng: random.Random) -> T:
    """The better of two drawn at random (with replacement) from a sequence ordered best first."""
    return ordered[min(pick(rng, len(ordered)), pick(rng, len(ordered)))]
