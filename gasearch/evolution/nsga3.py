"""Survivor selection by NSGA-III, for four objectives and more (Deb & Jain 2014).

From four objectives on, most of a population is non-dominated, and the crowding distance keeps ends and corners. Here
survivors of equal rank are spread over fixed directions instead. Our deviations from the paper: it is a pure function
of the pool (the paper carries ideal and extreme points from generation to generation, and draws from a running
generator); objectives that span decades count by their logarithm, see `evenly_scaled`; the niches order whole fronts
too, so that survivors come best first; and every step is elementwise arithmetic, so that no library's order of
summation decides a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from heapq import heapify, heappop, heappush
from math import comb
from random import Random

import numpy as np
import numpy.typing as npt
from deap import tools

from gasearch.evolution.individual import Individual
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.selection import evenly_scaled, feasible_first, takes_whole_pool
from gasearch.objectives import pareto

SLOPE = 1e-6  #: Weight of the other axes in the search for an axis' extreme point; the paper's.
FLAT = 1e-10  #: A normalized range below this share of the largest cost counts as none.

#: From so many objectives on, one layer of directions is all border; a second one, halfway in, is added (Deb & Jain).
TWO_LAYERS = 6


@takes_whole_pool
def select_by_niches(pool: Sequence[Individual], count: int) -> list[Individual]:
    """The best `count` individuals, best first; the same whatever the order of the pool.

    Feasible before infeasible: feasible ones by non-dominated rank, within a rank by niches, infeasible ones by
    violation; what is still equal goes by candidate number.
    """
    return feasible_first(pool, count, partial(_by_rank_and_niche, count=count))


def _by_rank_and_niche(feasible: Sequence[Individual], count: int) -> list[Individual]:
    values = np.array([individual.fitness.wvalues for individual in feasible])  # (individuals, objectives)
    ranks = pareto.rank(values)
    order = np.argsort(ranks, kind="stable")
    last = ranks[order[min(count, len(order)) - 1]]
    considered = order[: int(np.searchsorted(ranks[order], last, side="right"))]  # the fronts that may survive
    costs = normalized(-evenly_scaled(values)[considered], ranks[considered])
    niches, distances = nearest_directions(costs, reference_directions(values.shape[1], count))
    rng = derive(feasible[-1].number, len(feasible), "niches")
    chosen = _fill_niches(niches.tolist(), distances.tolist(), ranks[considered].tolist(), count, rng)
    return [feasible[considered[place]] for place in chosen]


def normalized(costs: pareto.Array, ranks: npt.NDArray[np.intp]) -> pareto.Array:
    """Costs with 0 at the ideal point and 1 where the plane through the extreme points meets each axis.

    Where that plane doesn't exist or misses an axis, 1 is the worst of the first front (Blank & Deb 2019), and where
    that is the ideal, the worst of all.

    Args:
        costs: (individuals, objectives), less is better.
        ranks: (individuals,).
    """
    shifted = costs - costs.min(axis=0)
    worst = shifted.max(axis=0)
    worst_of_front = shifted[ranks == ranks.min()].max(axis=0)
    nadir = np.where(worst_of_front > FLAT * worst, worst_of_front, np.where(worst > 0, worst, 1.0))
    intercepts = _intercepts(shifted / nadir)
    scaled: pareto.Array = shifted / (nadir if intercepts is None else nadir * intercepts)
    return scaled


def nearest_directions(costs: pareto.Array, directions: pareto.Array) -> tuple[npt.NDArray[np.intp], pareto.Array]:
    """Per individual the direction that it lies closest to, and the square of its distance from that line.

    Args:
        costs: (individuals, objectives), normalized.
        directions: (directions, objectives).

    Returns:
        (individuals,) indices and (individuals,) squared distances.
    """
    units = directions / np.sqrt(_sum_of_columns(directions * directions))[:, None]
    along = costs[:, :1] * units[:, 0]  # (individuals, directions)
    for column, unit in zip(costs.T[1:], units.T[1:], strict=True):
        along += column[:, None] * unit
    nearest = along.argmax(axis=1)  # costs are not negative: the longest projection is that of the least distance
    longest = along[np.arange(len(costs)), nearest]
    return nearest, np.maximum(_sum_of_columns(costs * costs) - longest * longest, 0.0)


def _fill_niches(niches: list[int], distances: list[float], ranks: list[int], count: int, rng: Random) -> list[int]:
    """Places of the individuals in the order in which they are chosen, front by front, the emptiest niche first.

    Into an empty niche comes the individual closest to its direction, into another any one at random; among niches
    that are equally full chance decides.

    Args:
        niches: per individual, by rank and then candidate number.
        distances: per individual, from the direction of its niche.
        ranks: per individual.
        count: of those to choose.
        rng: for the picks.
    """
    chosen: list[int] = []
    filled: dict[int, int] = {}
    fronts: dict[int, dict[int, list[int]]] = {}
    for place, (rank, niche) in enumerate(zip(ranks, niches, strict=True)):
        fronts.setdefault(rank, {}).setdefault(niche, []).append(place)
    for members in fronts.values():
        waiting = [(filled.get(niche, 0), rng.random(), niche) for niche in members]
        heapify(waiting)
        while waiting and len(chosen) < count:
            full, _, niche = heappop(waiting)
            places = members[niche]
            place = min(places, key=distances.__getitem__) if full == 0 else places[pick(rng, len(places))]
            places.remove(place)
            chosen.append(place)
            filled[niche] = full + 1
            if places:
                heappush(waiting, (full + 1, rng.random(), niche))
    return chosen


def _intercepts(costs: pareto.Array) -> pareto.Array | None:
    """Where the plane through the extreme points of the costs meets each axis; None where it doesn't, above 0."""
    objectives = costs.shape[1]
    weights = np.full((objectives, objectives), 1 / SLOPE)
    np.fill_diagonal(weights, 1.0)
    extremes = costs[[int((costs * row).max(axis=1).argmin()) for row in weights]]  # (objectives, objectives)
    normal = solve(extremes, np.ones(objectives))
    if normal is None or not (normal > FLAT).all():
        return None
    intercepts = 1 / normal
    is_sane = bool((intercepts > SLOPE).all() and (intercepts <= costs.max(axis=0) + SLOPE).all())
    return intercepts if is_sane else None


def solve(matrix: pareto.Array, right: pareto.Array) -> pareto.Array | None:
    """The solution of a small system of linear equations by elimination, row by row; None for a singular one.

    Args:
        matrix: (n, n).
        right: (n,).
    """
    rows = np.column_stack([matrix, right])
    largest = np.abs(matrix).max(initial=0.0)
    for step in range(len(rows)):
        pivot = step + int(np.abs(rows[step:, step]).argmax())
        if not abs(rows[pivot, step]) > FLAT * largest:
            return None
        rows[[step, pivot]] = rows[[pivot, step]]
        rows[step] /= rows[step, step]
        factors = rows[:, step].copy()
        factors[step] = 0.0
        rows -= factors[:, None] * rows[step]
    solution: pareto.Array = rows[:, -1]
    return solution


def _sum_of_columns(values: pareto.Array) -> pareto.Array:
    total = values[:, 0].copy()
    for column in values.T[1:]:
        total += column
    return total


# --- directions -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def reference_directions(objectives: int, count: int) -> pareto.Array:
    """About `count` points on the unit simplex: as many as fit, and no fewer than one per objective.

    Deb & Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated
    sorting approach, part I", 2014: the population is about as large as the number of directions.

    Returns:
        (directions, objectives), each row non-negative with sum 1; read-only.

    Raises:
        ValueError: for no objective.
    """
    if objectives < 1:
        raise ValueError(f"directions need at least 1 objective; got {objectives}")
    fitting = [layers for layers in _layers(objectives, count) if _size(objectives, layers) <= count]
    outer, *inner = max(fitting or [(1,)], key=lambda layers: _size(objectives, layers))
    layers = [_lattice(objectives, outer, 1.0), *(_lattice(objectives, divisions, 0.5) for divisions in inner)]
    points = np.concatenate(layers)
    points.flags.writeable = False
    return points


def _lattice(objectives: int, divisions: int, scaling: float) -> pareto.Array:
    """(points, objectives) DEAP's lattice, shrunk towards the centre of the simplex; that alone for 0 divisions."""
    if divisions == 0:
        return np.full((1, objectives), 1.0 / objectives)
    points: pareto.Array = tools.uniform_reference_points(objectives, p=divisions, scaling=scaling)
    return points


def _layers(objectives: int, count: int) -> Iterator[tuple[int, ...]]:
    """Divisions per layer, outer one first, that may be worth looking at."""
    if objectives == 1:
        yield (1,)
        return
    for divisions in range(1, count + 1):
        if _size(objectives, (divisions,)) > count:
            return
        if objectives < TWO_LAYERS:
            yield (divisions,)
        else:
            yield divisions, divisions - 1
            yield divisions, divisions


def _size(objectives: int, layers: tuple[int, ...]) -> int:
    return sum(comb(objectives + divisions - 1, divisions) for divisions in layers)
