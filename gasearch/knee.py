"""The knee of a Pareto front: where giving up a little of one objective stops buying much of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def knee_distances(worths: Sequence[Sequence[float]]) -> list[float]:
    """How far each point bulges out of the hyperplane through the front's extreme points; the greatest is the knee.

    Objectives are scaled to 0..1 over the front first, so their units don't matter; one that doesn't vary is left out.
    Source: Das, "On characterizing the 'knee' of the Pareto curve based on Normal-Boundary Intersection",
    Structural Optimization 18 (1999). As in NSGA-III, extremes that span no plane with positive intercepts (points
    that are extreme in several objectives) are replaced by the plane through the scaled corners.

    Args:
        worths: One row per point, one column per objective, greater is better.

    Returns:
        Signed distances, one per point, positive towards the ideal; all 0 for a front of one point.
    """
    if not worths:
        return []
    points = np.asarray(worths, dtype=float)  # (points, objectives)
    low, high = points.min(axis=0), points.max(axis=0)
    varies = high > low
    if not varies.any():
        return [0.0] * len(worths)
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
