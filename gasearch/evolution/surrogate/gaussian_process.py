"""Gaussian process regression over features of genomes, its scales set by a bounded climb of the likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gasearch.evolution.surrogate.evidence import Array, IntArray
from gasearch.evolution.surrogate.features import Features, squared_distances

STEPS = 25  #: Of the climb.
MOST_CLIMBING = 120  #: Points whose likelihood is climbed; the process itself may hold more.
_FEWEST_JITTER, _TRIES = 1e-8, 6
_LEAST_VARIANCE = 1e-8  #: Of a prediction.
_LARGEST = 8.0  #: Absolute logarithms of scales stay below.


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each hyperparameter stands in the vector of logarithms."""

    choices: int
    sums: int

    @property
    def size(self) -> int:
        return self.choices + self.sums + 5

    def start(self, counts: Array) -> Array:
        """The vector where the climb begins, the mean of its prior too."""
        w = np.log(2.0 / max(self.choices, 1)) * np.ones(self.choices)
        v = np.log(0.5 / max(self.sums, 1)) * np.ones(self.sums) - np.log(np.maximum(counts, 1.0))
        return np.concatenate([w, v, np.log([0.4, 0.4, 0.2, 0.2, 0.02])])

    def prior_deviations(self) -> Array:
        return np.concatenate([np.full(self.choices + self.sums, 1.0), np.full(4, 1.0), [1.5]])


class GaussianProcess:
    """A posterior over one target.

    The covariance is a sum: over all choices an exponential of the weighted distance (a weight per decision), over the
    counts and costs a squared exponential (a weight per count or cost), and a linear part over each.
    """

    def __init__(self, features: Features, targets: Array, scale_of_column: IntArray, scale_of_sum: IntArray) -> None:
        """Fit to targets of about zero mean and unit variance, (n,); the features give n rows."""
        self._columns, self._sum_columns = scale_of_column, scale_of_sum
        self._layout = _Layout(int(scale_of_column.max(initial=-1)) + 1, int(scale_of_sum.max(initial=-1)) + 1)
        self._center = features.choices.mean(axis=0)
        self._sum_center = features.sums.mean(axis=0)
        spread = features.sums.std(axis=0)
        self._sum_spread = np.where(spread > 1e-9, spread, 1.0)
        self._choices, self._sums = features.choices, self._standardized(features.sums)
        self._linear_scale = 1.0 / max(float(((self._choices - self._center) ** 2).sum(axis=1).mean()), 1e-9)
        self._sum_linear_scale = 1.0 / max(float((self._sums**2).sum(axis=1).mean()), 1e-9)
        self._theta = self._climb(targets)
        covariance = self._covariance(self._choices, self._sums, self._choices, self._sums)
        inverse = _inverse(covariance, float(np.exp(self._theta[-1])))
        self._inverse = inverse
        self._weights = inverse @ targets
        self.left_out = targets - self._weights / np.diag(inverse)  #: (n,) leave-one-out means.
        self.left_out_variances = 1.0 / np.diag(inverse)

    def predict(self, features: Features) -> tuple[Array, Array]:
        """Means and deviations (m,) of the noise-free target."""
        cross = self._cross(features)  # (m, n)
        variance = self._prior_variance(features) - ((cross @ self._inverse) * cross).sum(axis=1)
        return cross @ self._weights, np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def deviations_after(self, features: Features, deviations: Array, others: Features) -> Array:
        """What remains of predicted deviations (m,) once other genomes are evaluated too, whatever comes out."""
        cross, other_cross = self._cross(features), self._cross(others)  # (m, n), (p, n)
        explained = other_cross @ self._inverse  # (p, n)
        between = self._between(features, others) - cross @ explained.T  # (m, p)
        among = self._between(others, others) - other_cross @ explained.T  # (p, p)
        completed = between @ _inverse(among, float(np.exp(self._theta[-1])))  # (m, p)
        remaining = deviations**2 - np.maximum((completed * between).sum(axis=1), 0.0)
        return np.asarray(np.sqrt(np.maximum(remaining, _LEAST_VARIANCE)))

    def _between(self, left: Features, right: Features) -> Array:
        sums, other_sums = self._standardized(left.sums), self._standardized(right.sums)
        return self._covariance(left.choices, sums, right.choices, other_sums)

    def _cross(self, features: Features) -> Array:
        return self._covariance(features.choices, self._standardized(features.sums), self._choices, self._sums)

    def _prior_variance(self, features: Features) -> Array:
        sums, theta = self._standardized(features.sums), np.exp(self._theta[-5:])
        prior = theta[0] + theta[1]
        prior = prior + theta[2] * self._linear_scale * ((features.choices - self._center) ** 2).sum(axis=1)
        prior = prior + theta[3] * self._sum_linear_scale * (sums**2).sum(axis=1)
        return np.asarray(prior)

    def _standardized(self, sums: Array) -> Array:
        result: Array = np.clip((sums - self._sum_center) / self._sum_spread, -10.0, 10.0)
        return result

    def _covariance(self, a: Array, a_sums: Array, b: Array, b_sums: Array) -> Array:
        layout, theta = self._layout, np.exp(self._theta)
        w, v = np.sqrt(theta[: layout.choices]), np.sqrt(theta[layout.choices : layout.choices + layout.sums])
        scale, sum_scale = w[self._columns], v[self._sum_columns]
        near = np.exp(-squared_distances(a * scale, b * scale))
        near_sums = np.exp(-squared_distances(a_sums * sum_scale, b_sums * sum_scale))
        linear = (a - self._center) @ (b - self._center).T * self._linear_scale
        sum_linear = a_sums @ b_sums.T * self._sum_linear_scale
        result: Array = theta[-5] * near + theta[-4] * near_sums + theta[-3] * linear + theta[-2] * sum_linear
        return result

    def _climb(self, targets: Array) -> Array:
        """Maximum a posteriori logarithms, by a fixed number of steps of iRprop- (Igel and Huesken 2003).

        Rprop needs no line search and suits Gaussian processes (Blum and Riedmiller 2013).
        """
        layout = self._layout
        rows = _spread_rows(len(targets), MOST_CLIMBING)
        choices, sums, y = self._choices[rows], self._sums[rows], targets[rows]
        distances = np.array(
            [
                squared_distances(choices[:, self._columns == g], choices[:, self._columns == g])
                for g in range(layout.choices)
            ]
            + [
                squared_distances(sums[:, self._sum_columns == g], sums[:, self._sum_columns == g])
                for g in range(layout.sums)
            ]
        ).reshape(layout.choices + layout.sums, len(rows) ** 2)
        centered = choices - self._center
        linear = centered @ centered.T * self._linear_scale
        sum_linear = sums @ sums.T * self._sum_linear_scale
        counts = np.bincount(self._sum_columns, minlength=layout.sums).astype(np.float64)
        start = layout.start(counts)
        precision = 1.0 / layout.prior_deviations() ** 2
        theta, step, last = start.copy(), np.full(layout.size, 0.2), np.zeros(layout.size)
        best, best_value = start, -np.inf
        n, c = len(y), layout.choices
        for _ in range(STEPS):
            e = np.exp(theta)
            near = e[-5] * np.exp(-(e[:c] @ distances[:c])).reshape(n, n)
            near_sums = e[-4] * np.exp(-(e[c : c + layout.sums] @ distances[c:])).reshape(n, n)
            covariance = near + near_sums + e[-3] * linear + e[-2] * sum_linear
            factor = _factor(covariance, float(e[-1]))
            if factor is None:
                break
            lower_inverse = np.linalg.inv(factor)
            inverse = lower_inverse.T @ lower_inverse
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


def _factor(covariance: Array, noise: float) -> Array | None:
    """Lower Cholesky factor with noise on the diagonal, and as much more as it takes; None if nothing helps."""
    scale = max(float(np.mean(np.diag(covariance))), 1e-12)
    extra = _FEWEST_JITTER * scale
    for _ in range(_TRIES):
        try:
            return np.asarray(
                np.linalg.cholesky(covariance + (noise + extra) * np.eye(len(covariance))), dtype=np.float64
            )
        except np.linalg.LinAlgError:
            extra *= 30.0
    return None


def _inverse(covariance: Array, noise: float) -> Array:
    factor = _factor(covariance, noise)
    if factor is None:
        return np.eye(len(covariance)) / (noise + max(float(np.mean(np.diag(covariance))), 1e-6))
    lower_inverse = np.linalg.inv(factor)
    return lower_inverse.T @ lower_inverse
