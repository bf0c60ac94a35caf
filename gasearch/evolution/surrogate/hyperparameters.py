"""The scales of a Gaussian process, found by a bounded climb of the likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gasearch.evolution.surrogate.evidence import Array, IntArray
from gasearch.evolution.surrogate.features import squared_distances

STEPS = 25  #: Of the climb.
MOST_CLIMBING = 120  #: Points whose likelihood is climbed; the process itself may hold more.
_FEWEST_JITTER, _TRIES = 1e-8, 6
_LARGEST = 8.0  #: Absolute logarithms of scales stay below.


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each hyperparameter stands in the vector of logarithms.

    First a weight per group of choices, then one per group of sums, then the amplitudes of the near part of choices and
    of sums and of their linear parts, last the noise.
    """

    choices: int
    sums: int

    @property
    def size(self) -> int:
        """Number of hyperparameters."""
        return self.choices + self.sums + 5

    def start(self, counts: Array) -> Array:
        """The vector where the climb begins, the mean of its prior too; `counts` has the columns of each sum."""
        w = np.log(2.0 / max(self.choices, 1)) * np.ones(self.choices)
        v = np.log(0.5 / max(self.sums, 1)) * np.ones(self.sums) - np.log(np.maximum(counts, 1.0))
        return np.concatenate([w, v, np.log([0.4, 0.4, 0.2, 0.2, 0.02])])

    def prior_deviations(self) -> Array:
        """Of the logarithms."""
        return np.concatenate([np.full(self.choices + self.sums, 1.0), np.full(4, 1.0), [1.5]])


class Climb:
    """Finds the hyperparameters for targets at the same points; what doesn't depend on the targets is made once."""

    def __init__(
        self,
        layout: Layout,
        *,
        choices: Array,
        sums: Array,
        covariances: tuple[Array, Array],
        columns: IntArray,
        sum_columns: IntArray,
    ) -> None:
        """The points, of which at most `MOST_CLIMBING` are used, evenly spread.

        Args:
            layout: Of the hyperparameters.
            choices: (n, columns) features.
            sums: (n, sums) standardized features.
            covariances: (n, n) linear parts of the covariance, over choices and over sums.
            columns: (columns,) which weight each choice has.
            sum_columns: (sums,) which weight each sum has.
        """
        self._layout = layout
        self._rows = rows = _spread_rows(len(choices), MOST_CLIMBING)
        choices, sums = choices[rows], sums[rows]
        by_choice = (choices[:, columns == group] for group in range(layout.choices))
        by_sum = (sums[:, sum_columns == group] for group in range(layout.sums))
        self._distances = np.array([squared_distances(part, part) for part in (*by_choice, *by_sum)]).reshape(
            layout.choices + layout.sums, len(rows) ** 2
        )
        self._linear, self._sum_linear = (part[np.ix_(rows, rows)] for part in covariances)
        self._counts = np.bincount(sum_columns, minlength=layout.sums).astype(np.float64)

    def best(self, targets: Array) -> Array:
        """Maximum a posteriori logarithms for targets (n,), by a fixed number of steps of iRprop-.

        Rprop (Igel and Huesken 2003) needs no line search and suits Gaussian processes (Blum and Riedmiller 2013).
        """
        layout, distances, linear, sum_linear = self._layout, self._distances, self._linear, self._sum_linear
        y = targets[self._rows]
        start = layout.start(self._counts)
        precision = 1.0 / layout.prior_deviations() ** 2
        theta, step, last = start.copy(), np.full(layout.size, 0.2), np.zeros(layout.size)
        best, best_value = start, -np.inf
        n, c = len(y), layout.choices
        for _ in range(STEPS):
            e = np.exp(theta)
            near = e[-5] * np.exp(-(e[:c] @ distances[:c])).reshape(n, n)
            near_sums = e[-4] * np.exp(-(e[c : c + layout.sums] @ distances[c:])).reshape(n, n)
            covariance = near + near_sums + e[-3] * linear + e[-2] * sum_linear
            found = factored(covariance, float(e[-1]))
            if found is None:
                break
            factor, noisy = found
            inverse = np.linalg.inv(noisy)
            alpha = inverse @ y
            prior = 0.5 * float((precision * (theta - start) ** 2).sum())
            value = -0.5 * float(y @ alpha) - float(np.log(np.diag(factor)).sum()) - prior
            if not np.isfinite(value):
                break
            if value > best_value:
                best, best_value = theta.copy(), value
            slack = 0.5 * (np.outer(alpha, alpha) - inverse)
            by_near, by_sums = slack * near, slack * near_sums
            gradient = np.concatenate(
                [
                    -e[:c] * (distances[:c] @ by_near.ravel()),
                    -e[c : c + layout.sums] * (distances[c:] @ by_sums.ravel()),
                    [by_near.sum(), by_sums.sum(), e[-3] * (slack * linear).sum(), e[-2] * (slack * sum_linear).sum()],
                    [e[-1] * np.trace(slack)],
                ]
            ) - precision * (theta - start)
            agrees = gradient * last
            step = np.clip(np.where(agrees > 0, step * 1.2, np.where(agrees < 0, step * 0.5, step)), 1e-3, 1.0)
            last = np.where(agrees < 0, 0.0, gradient)
            theta = np.clip(theta + np.sign(last) * step, -_LARGEST, _LARGEST)
        return best


def _spread_rows(count: int, most: int) -> IntArray:
    """At most so many row numbers, evenly spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def factored(covariance: Array, noise: float) -> tuple[Array, Array] | None:
    """Lower Cholesky factor of the covariance with noise on the diagonal, and as much more as it takes; and that sum.

    Returns:
        None if nothing helps.
    """
    scale = max(float(np.mean(np.diag(covariance))), 1e-12)
    extra = _FEWEST_JITTER * scale
    for _ in range(_TRIES):
        noisy = covariance.copy()
        noisy.flat[:: len(noisy) + 1] += noise + extra
        try:
            return np.asarray(np.linalg.cholesky(noisy), dtype=np.float64), noisy
        except np.linalg.LinAlgError:
            extra *= 30.0
    return None


def inverse_of(covariance: Array, noise: float) -> Array:
    """The inverse of the covariance with noise; that of a multiple of the identity where there is none."""
    found = factored(covariance, noise)
    if found is None:
        return np.eye(len(covariance)) / (noise + max(float(np.mean(np.diag(covariance))), 1e-6))
    return np.asarray(np.linalg.inv(found[1]), dtype=np.float64)
