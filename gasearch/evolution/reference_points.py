"""Evenly spread directions in the space of objectives (Das & Dennis, "Normal-boundary intersection", 1998)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np

from gasearch.objectives.pareto import Array

#: From so many objectives on, one layer of directions is all border; a second one, halfway in, is added (Deb & Jain).
TWO_LAYERS = 6


@lru_cache(maxsize=32)
def reference_directions(objectives: int, count: int) -> Array:
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
    points = np.concatenate(
        [simplex_lattice(objectives, outer), *(0.5 * simplex_lattice(objectives, p) + 0.5 / objectives for p in inner)]
    )
    points.flags.writeable = False
    return points


def simplex_lattice(objectives: int, divisions: int) -> Array:
    """All points of the unit simplex whose coordinates are multiples of 1 / divisions; 0 divisions: its centre.

    Returns:
        (comb(objectives + divisions - 1, divisions), objectives).
    """
    if divisions == 0:
        return np.full((1, objectives), 1.0 / objectives)
    bars = combinations(range(objectives + divisions - 1), objectives - 1)  # stars and bars
    rows = [np.diff((-1, *bar, objectives + divisions - 1)) - 1 for bar in bars]
    return np.array(rows, dtype=np.float64) / divisions


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
