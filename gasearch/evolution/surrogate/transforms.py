"""Worths on the scale on which they are modelled: normal scores of their ranks."""

from __future__ import annotations

import numpy as np

from gasearch.evolution.surrogate.evidence import Array
from gasearch.evolution.surrogate.normal import quantile

#: Nodes and weights of Gauss-Hermite quadrature against the standard normal density.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_TAIL = 0.25  #: Beyond the extremes the scale goes on as it does over so much of the worths next to them.


class NormalScores:
    """An increasing map between the worths of one objective and the normal scores of their ranks.

    Ranks don't mind that bytes span decades or that broken networks all score a tenth; and as a search goes on, the
    scale grows fine where its evaluations lie.
    """

    def __init__(self, worths: Array) -> None:
        """The scale that these finite worths span, (n,); equal worths get equal scores."""
        self.values, inverse, counts = np.unique(worths, return_inverse=True, return_counts=True)
        below = np.cumsum(counts) - counts
        self.scores = quantile((below + 0.5 * counts) / len(worths))
        self.targets = self.scores[inverse]  #: (n,) scores of the worths given.
        self.is_constant = len(self.values) < 2
        if not self.is_constant:
            self._low_slope = self._slope(0, 1)
            self._high_slope = self._slope(len(self.values) - 1, -1)

    def scores_of(self, worths: Array) -> Array:
        """Scores of any worths, the map extended linearly beyond the extremes."""
        if self.is_constant:
            return np.asarray(worths - self.values[0])
        inside = np.interp(worths, self.values, self.scores)
        inside = np.where(worths < self.values[0], self.scores[0] + (worths - self.values[0]) / self._low_slope, inside)
        above = self.scores[-1] + (worths - self.values[-1]) / self._high_slope
        result: Array = np.where(worths > self.values[-1], above, inside)
        return result

    def worths_of(self, scores: Array) -> Array:
        """Inverse of `scores_of`."""
        if self.is_constant:
            return np.asarray(scores + self.values[0])
        inside = np.interp(scores, self.scores, self.values)
        inside = np.where(scores < self.scores[0], self.values[0] + (scores - self.scores[0]) * self._low_slope, inside)
        above = self.values[-1] + (scores - self.scores[-1]) * self._high_slope
        result: Array = np.where(scores > self.scores[-1], above, inside)
        return result

    def moments(self, means: Array, deviations: Array) -> tuple[Array, Array]:
        """Mean and deviation of the worth whose score is normal with these means and deviations, (m,) each."""
        worths = self.worths_of(means[:, None] + deviations[:, None] * _NODES)  # (m, nodes)
        mean = worths @ _WEIGHTS
        return mean, np.sqrt(np.maximum((worths - mean[:, None]) ** 2 @ _WEIGHTS, 0.0))

    def _slope(self, end: int, direction: int) -> float:
        """Worth per score next to an extreme."""
        reach = max(1, int(_TAIL * (len(self.values) - 1)))
        other = end + direction * reach
        slope = float((self.values[end] - self.values[other]) / (self.scores[end] - self.scores[other]))
        return max(slope, 1e-300)
