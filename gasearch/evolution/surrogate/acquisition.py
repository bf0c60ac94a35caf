"""What a candidate would add to the front: expected hypervolume gain under independent normal predictions."""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from statistics import NormalDist

import numpy as np

from gasearch.evolution.surrogate.evidence import Array
from gasearch.objectives import pareto

DIRECTIONS = 96  #: Of the scalarizations that stand for a hypervolume of more than two objectives.
DRAWS = 16  #: Of a prediction, per direction.
_EXACT = 1e-12  #: Deviations below count as 0.
#: Chebyshev coefficients of the complementary error function, relative error below 1.2e-7 everywhere (Press et al.,
#: "Numerical Recipes", 2nd edition, 6.2): SciPy's would cost every search the quarter of a second of its import.
_ERFC = np.array([-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806])
_ERFC = np.append(_ERFC, [0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277])


def cumulative(x: Array) -> Array:
    """Standard normal distribution function, with a small relative error in the left tail too."""
    z = np.abs(x) * math.sqrt(0.5)
    t = 1.0 / (1.0 + 0.5 * z)
    half_tail = 0.5 * t * np.exp(-z * z + np.polynomial.polynomial.polyval(t, _ERFC))
    return np.asarray(np.where(x < 0, half_tail, 1.0 - half_tail))


def expected_excess(means: Array, deviations: Array, levels: Array) -> Array:
    """(m, levels) expected amount by which a normal variable lies above each level.

    Args:
        means: (m,).
        deviations: (m,), 0 where the value is known.
        levels: (levels,) or (m, levels).
    """
    distance = means[:, None] - levels
    spread = np.maximum(deviations, _EXACT)[:, None]
    standard = np.clip(distance / spread, -40.0, 40.0)
    density = 1.0 / math.sqrt(2.0 * math.pi) * np.exp(-0.5 * standard * standard)
    excess: Array = spread * density + distance * cumulative(standard)
    return np.where(deviations[:, None] <= _EXACT, np.maximum(distance, 0.0), np.maximum(excess, 0.0))


def expected_gain(means: Array, deviations: Array, front: Array, reference: Array) -> Array:
    """(m,) expected growth of the hypervolume above the reference point; greater is better everywhere.

    Exact for one and two objectives (Emmerich, Giannakoglou and Naujoks 2006, as a sum over strips); beyond, the mean
    over random directions of the expected gain of a scalarization whose mean is the hypervolume (Golovin and Zhang,
    "Random hypervolume scalarizations for provable multi-objective black box optimization", 2020).

    Args:
        means: (m, objectives).
        deviations: (m, objectives).
        front: (points, objectives); some may dominate others.
        reference: (objectives,).
    """
    match means.shape[1]:
        case 1:
            best = max(float(front.max(initial=-np.inf)), float(reference[0]))
            return expected_excess(means[:, 0], deviations[:, 0], np.array([best]))[:, 0]
        case 2:
            return _gain_in_two(means, deviations, front, reference)
        case _:
            return _gain_by_directions(means, deviations, front, reference)


def _gain_in_two(means: Array, deviations: Array, front: Array, reference: Array) -> Array:
    inside = front_of(front[(front > reference).all(axis=1)])
    inside = inside[np.lexsort((-inside[:, 1], inside[:, 0]))]
    lower = np.concatenate([reference[:1], inside[:, 0]])  # each strip of the first objective begins here,
    level = np.concatenate([inside[:, 1], reference[1:]])  # and there the second one stands already
    first = expected_excess(means[:, 0], deviations[:, 0], lower)
    widths = first - np.concatenate([first[:, 1:], np.zeros((len(first), 1))], axis=1)
    gains: Array = (np.maximum(widths, 0.0) * expected_excess(means[:, 1], deviations[:, 1], level)).sum(axis=1)
    return gains


def _gain_by_directions(means: Array, deviations: Array, front: Array, reference: Array) -> Array:
    count, objectives = means.shape
    directions, draws = _directions(objectives)
    best = _scalarized(front - reference, directions).max(axis=0, initial=0.0)  # (directions,)
    drawn = means + deviations * draws[:, None, :] - reference  # (draws, m, objectives)
    reached = _scalarized(drawn.reshape(-1, objectives), directions)  # (draws * m, directions)
    volume, before = (reduce(np.multiply, [reach] * objectives) for reach in (reached, best))  # quicker than a power
    gains = np.maximum(volume - before, 0.0).mean(axis=1)
    return np.asarray(gains.reshape(len(draws), count).mean(axis=0))


@lru_cache
def _directions(objectives: int) -> tuple[Array, Array]:
    """Unit vectors of positive entries, and draws from the standard normal distribution."""
    quantiles = np.vectorize(NormalDist().inv_cdf)
    directions = np.abs(quantiles(_even_points(DIRECTIONS, objectives)))
    directions = np.maximum(directions / np.sqrt((directions**2).sum(axis=1, keepdims=True)), 1e-6)
    return directions, quantiles(_even_points(DRAWS, objectives, shift=0.5))


def _scalarized(above: Array, directions: Array) -> Array:
    """(points, directions) how far along each direction the box of a point reaches."""
    reach = np.full((len(above), len(directions)), np.inf)
    for objective in range(above.shape[1]):
        np.minimum(reach, above[:, objective, None] / directions[:, objective], out=reach)
    return np.asarray(np.maximum(reach, 0.0))


def _even_points(count: int, dimensions: int, shift: float = 0.0) -> Array:
    """(count, dimensions) evenly spread points of the open unit cube (the R sequence, Roberts 2018)."""
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1.0)
    points: Array = (shift + 0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0
    return np.clip(points, 1e-6, 1.0 - 1e-6)


def front_of(values: Array) -> Array:
    """The rows that no other row dominates."""
    return values[pareto.rank(values) == 0] if len(values) else values
