"""The knee of a Pareto front: where giving up a little of one objective stops buying much of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import SCORES

#: An objective whose values on the front span more than this factor is weighed by factors, not by differences: between
#: networks of 400 B and 40 KB, one of 4 KB lies in the middle.
DECADE = 10.0
#: The knee keeps this share of the best score: a network that is small and mostly wrong is no bargain.
SHARE_OF_SCORE = 0.9

#: What says how good a network is, whatever it costs; a custom evaluator's under the usual names, or as a share.
_SCORES = frozenset({"error", "loss", "score", "f1", "precision", "recall"}.union(*SCORES.values()))


def knee_order(metrics: Sequence[Mapping[str, float]], objectives: Sequence[Objective]) -> list[int]:
    """The places of a front's members, the knee first: by their distances, those with a good enough score before all.

    Args:
        metrics: Of each member, the objectives' among them, in native units.
        objectives: Of the search.
    """
    columns = [[one[objective.metric] for one in metrics] for objective in objectives]
    weighed = [_weighed(objective, column) for objective, column in zip(objectives, columns, strict=True)]
    distances = knee_distances(list(zip(*weighed, strict=True)))
    is_good = [True] * len(metrics)
    for objective, column in zip(objectives, columns, strict=True):
        if objective.metric in _SCORES or _is_share(objective, column):
            kept = [is_one and _is_good(objective, column, one) for is_one, one in zip(is_good, column, strict=True)]
            is_good = kept if any(kept) else is_good  # several scores may have no network in common
    return sorted(range(len(metrics)), key=lambda place: (not is_good[place], -distances[place], place))


def _is_good(objective: Objective, values: Sequence[float], value: float) -> bool:
    """Says that a score is at least 90 % of the best one; where less is better, the best one at least 90 % of it."""
    best = objective.wvalue(max(map(objective.wvalue, values)))
    share = SHARE_OF_SCORE if (best > 0) == objective.is_maximized else 1 / SHARE_OF_SCORE
    return objective.wvalue(value) >= objective.wvalue(best * share)


def _weighed(objective: Objective, values: Sequence[float]) -> list[float]:
    """Values as wvalues; as their logarithms where they span decades, save shares of which more is better."""
    spans = min(values, default=0.0) > 0 and max(values) > DECADE * min(values)
    is_by_factors = spans and not _is_share(objective, values)
    return [objective.wvalue(log10(value) if is_by_factors else value) for value in values]


def _is_share(objective: Objective, values: Sequence[float]) -> bool:
    """Says that more is better, up to 1."""
    return objective.is_maximized and min(values, default=0.0) >= 0 and max(values, default=0.0) <= 1


def knee_distances(wvalues: Sequence[Sequence[float]]) -> list[float]:
    """How far each point bulges out of the hyperplane through the front's extreme points; the greatest is the knee.

    Objectives are scaled to 0..1 over the front first, so their units don't matter; one that doesn't vary is left out.
    Source: Das, "On characterizing the 'knee' of the Pareto curve based on Normal-Boundary Intersection",
    Structural Optimization 18 (1999). As in NSGA-III, extremes that span no plane with positive intercepts (points
    that are extreme in several objectives) are replaced by the plane through the scaled corners.

    Args:
        wvalues: One row per point, one column per objective, greater is better.

    Returns:
        Signed distances, one per point, positive towards the ideal; all 0 for a front of one point.
    """
    if not wvalues:
        return []
    points = np.asarray(wvalues, dtype=float)  # (points, objectives)
    low, high = points.min(axis=0), points.max(axis=0)
    varies = high > low
    if not varies.any():
        return [0.0] * len(wvalues)
    scaled = (points[:, varies] - low[varies]) / (high - low)[varies]  # (points, varying objectives), 0..1
    normal = _plane_normal(scaled)
    return [float(distance) for distance in (scaled @ normal - 1.0) / np.linalg.norm(normal)]


def _plane_normal(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """The normal n of the plane {x: n·x = 1} through the best point per objective; scaled: (points, objectives)."""
    count = scaled.shape[1]
    corners = np.ones(count)
    # Among equals in one objective, the extreme is the one that is best in the others.
    extremes = [int(np.lexsort((scaled.sum(axis=1), scaled[:, column]))[-1]) for column in range(count)]
    if len(set(extremes)) < count:
        return corners
    try:
        normal = np.linalg.solve(scaled[extremes], corners)
    except np.linalg.LinAlgError:
        return corners
    return np.asarray(normal, dtype=np.float64) if (normal > 1e-9).all() else corners
