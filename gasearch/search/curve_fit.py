"""How wvalues at a step lead to wvalues at the end, and how daring a judgement there may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FEWEST = 8  #: Finished trainings with a step before trainings are judged there.
FEWEST_FOR_SLOPE = 16  #: Fewer show how far trainings come from a step, but not how that depends on where they stand.
STEEPEST = 2.0  #: A wvalue at the end never rises faster with the wvalue at a step; nor does it fall.

LEAST_SPREAD = 0.1  #: Nowhere is the spread taken to be a smaller share of its mean.

#: Shares of the trainings that may exceed an optimistic end, tried from the most daring one on.
TAILS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.075, 0.05, 0.035, 0.02, 0.01, 0.005, 0.0025, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFit:
    """How the wvalue at the end follows from the wvalue at a step, and how far trainings stray from that."""

    slope: float
    offset: float
    spread_slope: float = 0.0
    spread_offset: float = 0.0  #: spread_slope x wvalue + spread_offset: the mean size of a residual there.
    residuals: Array  #: Of each training from the fit without it, over the spread there, ascending; () if exact.

    def mean(self, wvalue: float) -> float:
        """The end to expect."""
        return self.slope * wvalue + self.offset

    def optimistic(self, tail: float) -> tuple[float, float]:
        """Slope and offset of the end that a share `tail` of the trainings exceeds; never below the mean.

        Ranks are counted as conformal prediction does, among the trainings and the one to come. Beyond the best of them
        the tail is taken to fall off exponentially, by e for each standard deviation.
        """
        count = len(self.residuals)
        if not count:
            return self.slope, self.offset
        place = math.ceil((count + 1) * (1 - tail)) - 1
        spreads = max(0.0, float(self.residuals[min(place, count - 1)]))
        if place >= count:
            spreads += max(0.0, float(self.residuals.std()) * math.log(1 / ((count + 1) * tail)))
        return self.slope + spreads * self.spread_slope, self.offset + spreads * self.spread_offset


def fit_curve(pairs: Sequence[tuple[float, float]]) -> CurveFit | None:
    """The least-squares fit through (worth at the step, worth at the end); None from fewer than `FEWEST`."""
    if len(pairs) < FEWEST:
        return None
    x, y = np.array(pairs).T  # (trainings,) each
    if bool((x == y).all()):
        return CurveFit(slope=1.0, offset=0.0, residuals=np.zeros(0))
    distances = x - x.mean()
    extent = float(distances @ distances)
    has_slope = len(pairs) >= FEWEST_FOR_SLOPE and extent > 0
    slope = min(STEEPEST, max(0.0, float(distances @ y) / extent)) if has_slope else 1.0
    leverage = 1 / len(pairs) + (distances**2 / extent if has_slope else 0.0)
    offset = float(y.mean() - slope * x.mean())
    # What a training left out would have been off by: the fit leans towards those it is fitted to.
    residuals = (y - slope * x - offset) / np.maximum(1 - leverage, 1 / len(pairs))
    sizes = np.abs(residuals)
    level = float(sizes.mean())
    if level == 0:
        return CurveFit(slope=slope, offset=offset, residuals=np.zeros(0))
    # What does well at a step strays less: judged by the spread of all, the best would seem to have far to go.
    tilt = float(distances @ sizes) / extent if has_slope else 0.0
    steepest = (1 - LEAST_SPREAD) * level / max(float(np.abs(distances).max()), np.finfo(float).tiny)
    tilt = min(steepest, max(-steepest, tilt))
    return CurveFit(
        slope=slope,
        offset=offset,
        spread_slope=tilt,
        spread_offset=level - tilt * float(x.mean()),
        residuals=np.sort(residuals / (level + tilt * distances)),
    )


def optimistic_ends(fits: Sequence[CurveFit | None], tail: float) -> tuple[tuple[float, float], ...]:
    """(slope, offset) per objective, of which a share `tail` of the trainings exceeds one; None: known as it is."""
    # Each objective in which a training may surprise is a chance of its own to enter the front.
    share = tail / max(1, sum(fit is not None and len(fit.residuals) > 0 for fit in fits))
    return tuple((1.0, 0.0) if fit is None else fit.optimistic(share) for fit in fits)


def safe_tail(
    fits: Sequence[CurveFit | None], reached: Array, front: Array, is_own: npt.NDArray[np.bool_], *, risk: float
) -> float:
    """The most daring tail with which the trainings that it would stop are wrong to stop in a share `risk` at most.

    A training is judged wrongly with the chance at which its optimistic end just comes to lie on the front. Where most
    stand far below it a tail wider than the risk is safe, as the chance of those counts too.

    Args:
        fits: Per objective; None where the wvalue is known without a training.
        reached: (trainings, objectives) wvalues at the step, or known.
        front: (points, objectives) wvalues.
        is_own: (trainings, points) where a point is what that training came to.
        risk: The share.
    """
    if not len(reached):
        return risk
    chances = np.full(len(reached), np.inf)
    for tail in TAILS:
        slopes, offsets = np.array(optimistic_ends(fits, tail)).T  # (objectives,) each
        ends = (reached * slopes + offsets)[:, None]  # (trainings, 1, objectives)
        is_hopeless = ((front >= ends).all(axis=2) & (front > ends).any(axis=2) & ~is_own).any(axis=1)
        if not is_hopeless.any():
            break
        chances[is_hopeless] = tail
    for tail in TAILS:
        if tail <= risk:
            break
        stopped = chances[chances <= tail]
        if len(stopped) and float(stopped.mean()) <= risk:
            return tail
    return risk
