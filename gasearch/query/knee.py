"""The knee of a Pareto front: where giving up a little of one objective stops buying much of the others.

Das (see `knee_distances`) draws a plane through the extreme points of a front and takes the point that bulges farthest
out of it. That is a bargain only where the extremes are networks that somebody wants: a front that ends in a network of
300 bytes that is mostly wrong makes every step between good networks look flat. So the knee is looked for among the
networks with a good enough score, and distances are scaled over these alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import SCORES
from gasearch.query.weighing import is_share, weighed

#: The knee keeps this share of the best score: a network that is small and mostly wrong is no bargain.
SHARE_OF_SCORE = 0.9
DECADE = 10.0  #: Errors that span more than this factor are good enough in the better half of it, by factors.
DIGITS = 9  #: Of distances that are compared: extremes lie on the plane but for rounding.

#: What says how good a network is, whatever it costs; a custom evaluator's under the usual names, or as a share.
_SCORES = frozenset({"error", "loss", "score", "f1", "precision", "recall"}.union(*SCORES.values()))

Members = Sequence[Mapping[str, float]]


def knee_order(metrics: Members, objectives: Sequence[Objective]) -> list[int]:
    """The places of a front's members, the knee first: by distance, then those whose scores aren't good enough.

    Of equal distances, as those of a front of two networks, the one that is better by the greater factor comes first:
    0.97 in 1 KB before 0.98 in 50 KB.

    Args:
        metrics: Of each member, the objectives' among them, in native units.
        objectives: Of the search.
    """
    missed = _shortfalls(metrics, objectives)
    good = [place for place, shortfall in enumerate(missed) if not shortfall]
    rest = sorted((shortfall, place) for place, shortfall in enumerate(missed) if shortfall)
    return [*_by_distance(metrics, good, objectives), *(place for _, place in rest)]


def _by_distance(metrics: Members, places: Sequence[int], objectives: Sequence[Objective]) -> list[int]:
    """These places, the one that bulges farthest out of what they span first."""
    columns = [[metrics[place][one.metric] for place in places] for one in objectives]
    rows = list(zip(*(weighed(*pair) for pair in zip(objectives, columns, strict=True)), strict=True))
    factors = zip(*(_factors(*pair) for pair in zip(objectives, columns, strict=True)), strict=True)
    ranked = zip(knee_distances(rows), map(sum, factors), places, strict=True)
    return [place for _, _, place in sorted((-round(far, DIGITS), -by, place) for far, by, place in ranked)]


def _factors(objective: Objective, values: Sequence[float]) -> list[float]:
    """The logarithms of values above 0, as wvalues; 0 each where one isn't."""
    return [objective.wvalue(log(value)) if min(values) > 0 else 0.0 for value in values]


def _shortfalls(metrics: Members, objectives: Sequence[Objective]) -> list[float]:
    """By how much the scores of each member miss what is good enough, as shares of that: 0 where they don't.

    A score that none of those that are good enough in the ones before it has too is left out.
    """
    missed = [0.0] * len(metrics)
    for objective in objectives:
        values = [one[objective.metric] for one in metrics]
        if values and (objective.metric in _SCORES or is_share(objective, values)):
            least = objective.wvalue(_least_score(objective, values))
            more = [max(0.0, least - objective.wvalue(value)) / (abs(least) or 1.0) for value in values]
            both = [first + second for first, second in zip(missed, more, strict=True)]
            missed = both if min(both) == 0 else missed
    return missed


def _least_score(objective: Objective, values: Sequence[float]) -> float:
    """The worst value that is good enough: 90 % of the best; where less is better, of which the best one is 90 %.

    Of errors that span decades it is the one in the middle, by factors; of a rate of errors what is right counts.
    """
    best, worst = (objective.wvalue(pick(map(objective.wvalue, values))) for pick in (max, min))
    if not objective.is_maximized and 0 < DECADE * best < worst:
        return sqrt(best * worst)
    if objective.metric == "error" and 0 <= best <= worst <= 1:
        return 1 - SHARE_OF_SCORE * (1 - best)
    return best * (SHARE_OF_SCORE if (best > 0) == objective.is_maximized else 1 / SHARE_OF_SCORE)


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
