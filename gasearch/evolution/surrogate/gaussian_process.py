"""Gaussian process regression over features of genomes; its scales are found by a bounded climb of the likelihood.

Hyperparameters are a vector of logarithms: a weight per group of choices, then one per group of sums, then the
amplitudes of the near part of choices and of sums and of their linear parts, last the noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from gasearch.evolution.surrogate.evidence import Array
from gasearch.evolution.surrogate.features import Encoder, Features, squared_distances, squared_norms

STEPS = 25  #: Of the climb.
MOST_CLIMBING = 120  #: Points whose likelihood is climbed; the process itself may hold more.
_LEAST_VARIANCE = 1e-8  #: Of a prediction.
_FEWEST_JITTER, _TRIES = 1e-8, 6
_LARGEST = 8.0  #: Absolute logarithms of scales stay below.


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows of features as all processes over the same points see them."""

    choices: Array  #: (m, columns).
    linear: Array  #: (m, columns) the same centered, so scaled that the points have a mean square norm of 1.
    sums: Array  #: (m, sums) standardized.
    cross_linear: Array  #: (m, n) linear part of the covariance with the points, over the choices.
    cross_sums: Array  #: (m, n) the same over the sums.

    def __getitem__(self, rows: slice) -> Prepared:
        """Some of the rows."""
        return Prepared(*(getattr(self, field.name)[rows] for field in fields(self)))


class Points:
    """The n evaluations that processes hold."""

    def __init__(self, features: Features, encoder: Encoder) -> None:
        """Their features, and the encoder that made these."""
        self.columns, self.sum_columns = encoder.scale_of_column, encoder.scale_of_sum
        self.weights = int(self.columns.max(initial=-1)) + 1  #: Of choices.
        self.sum_weights = int(self.sum_columns.max(initial=-1)) + 1
        self._features, self._center = features, features.choices.mean(axis=0)
        self._sum_center = features.sums.mean(axis=0)
        spread = features.sums.std(axis=0)
        self._sum_spread = np.where(spread > 1e-9, spread, 1.0)
        self.choices, self.sums = features.choices, self._standardized(features.sums)
        self._linear_scale = max(float(((self.choices - self._center) ** 2).sum(axis=1).mean()), 1e-9) ** -0.5
        self.sum_linear_scale = 1.0 / max(float((self.sums**2).sum(axis=1).mean()), 1e-9)
        self.linear = self._linear(self.choices)

    def prepared(self, features: Features) -> Prepared:
        """Features of m genomes, and what of their covariance with the points no hyperparameter changes."""
        linear, sums = self._linear(features.choices), self._standardized(features.sums)
        cross = linear @ self.linear.T
        return Prepared(features.choices, linear, sums, cross, sums @ self.sums.T * self.sum_linear_scale)

    @cached_property
    def own(self) -> Prepared:
        """The points themselves."""
        return self.prepared(self._features)

    @cached_property
    def climb(self) -> Climb:
        """Finds the best hyperparameters for targets."""
        return Climb(self)

    def _linear(self, choices: Array) -> Array:
        result: Array = (choices - self._center) * self._linear_scale
        return result

    def _standardized(self, sums: Array) -> Array:
        result: Array = np.clip((sums - self._sum_center) / self._sum_spread, -10.0, 10.0)
        return result


class Climb:
    """Finds the hyperparameters for targets at the same points; what doesn't depend on the targets is made once."""

    def __init__(self, points: Points) -> None:
        """At most `MOST_CLIMBING` of the points are used, evenly spread."""
        count = len(points.choices)
        self._rows = rows = np.unique(np.linspace(0, count - 1, min(count, MOST_CLIMBING)).round().astype(np.int64))
        choices, sums = points.choices[rows], points.sums[rows]
        by_choice = (choices[:, points.columns == group] for group in range(points.weights))
        by_sum = (sums[:, points.sum_columns == group] for group in range(points.sum_weights))
        distances = np.array([squared_distances(part, part) for part in (*by_choice, *by_sum)])
        distances = distances.reshape(points.weights + points.sum_weights, len(rows) ** 2)
        self._distances, self._sum_distances = distances[: points.weights], distances[points.weights :]
        self._linear = points.own.cross_linear[np.ix_(rows, rows)]
        self._sum_linear = points.own.cross_sums[np.ix_(rows, rows)]
        columns = np.maximum(np.bincount(points.sum_columns, minlength=points.sum_weights).astype(np.float64), 1.0)
        weights = np.full(points.weights, np.log(2.0 / max(points.weights, 1)))
        sum_weights = np.log(0.5 / max(points.sum_weights, 1)) - np.log(columns)
        #: Where the climb begins, the mean of the prior too.
        self._start = np.concatenate([weights, sum_weights, np.log([0.4, 0.4, 0.2, 0.2, 0.02])])
        self._precision = np.ones(len(self._start))  # of the prior
        self._precision[-1] = 1.0 / 1.5**2

    def best(self, targets: Array) -> Array:
        """Maximum a posteriori logarithms for targets (n,), by a fixed number of steps of iRprop-.

        Rprop (Igel and Huesken 2003) needs no line search and suits Gaussian processes (Blum and Riedmiller 2013).
        """
        distances, sum_distances = self._distances, self._sum_distances
        linear, sum_linear, start, precision = self._linear, self._sum_linear, self._start, self._precision
        y = targets[self._rows]
        theta, step, last = start.copy(), np.full(len(start), 0.2), np.zeros(len(start))
        best, best_value = start, -np.inf
        n, c = len(y), len(distances)
        for _ in range(STEPS):
            e = np.exp(theta)
            near = e[-5] * np.exp(-(e[:c] @ distances)).reshape(n, n)
            near_sums = e[-4] * np.exp(-(e[c:-5] @ sum_distances)).reshape(n, n)
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
                    -e[:c] * (distances @ by_near.ravel()),
                    -e[c:-5] * (sum_distances @ by_sums.ravel()),
                    [by_near.sum(), by_sums.sum(), e[-3] * (slack * linear).sum(), e[-2] * (slack * sum_linear).sum()],
                    [e[-1] * np.trace(slack)],
                ]
            ) - precision * (theta - start)
            agrees = gradient * last
            step = np.clip(np.where(agrees > 0, step * 1.2, np.where(agrees < 0, step * 0.5, step)), 1e-3, 1.0)
            last = np.where(agrees < 0, 0.0, gradient)
            theta = np.clip(theta + np.sign(last) * step, -_LARGEST, _LARGEST)
        return best


class GaussianProcess:
    """A posterior over one target.

    The covariance is a sum: over all choices an exponential of the weighted distance (a weight per decision), over the
    counts and costs a squared exponential (a weight per count or cost), and a linear part over each.
    """

    def __init__(self, points: Points, targets: Array, scales: Array | None = None) -> None:
        """A process for targets of about zero mean and unit variance.

        Args:
            points: n of them.
            targets: (n,).
            scales: Logarithms of the hyperparameters; None: those that fit best.
        """
        self.points = points
        self.scales = points.climb.best(targets) if scales is None else scales
        theta = np.exp(self.scales)
        self._amplitudes = theta[-5:]
        self._weights = np.sqrt(theta[: points.weights])[points.columns]
        self._sum_weights = np.sqrt(theta[points.weights : -5])[points.sum_columns]
        self._near, self._near_sums = points.choices * self._weights, points.sums * self._sum_weights
        self._norms, self._sum_norms = squared_norms(self._near), squared_norms(self._near_sums)
        self._inverse = inverse_of(self._cross(points.own), float(theta[-1]))
        self._targets = self._inverse @ targets

    def predict(self, prepared: Prepared) -> tuple[Array, Array]:
        """Means and deviations (m,) of the noise-free target."""
        cross = self._cross(prepared)  # (m, n)
        variance = self._prior_variance(prepared) - np.einsum("ij,ij->i", cross @ self._inverse, cross)
        return cross @ self._targets, np.sqrt(np.maximum(variance, _LEAST_VARIANCE))

    def deviations_after(self, prepared: Prepared, deviations: Array, others: Prepared) -> Array:
        """What remains of predicted deviations (m,) once other genomes are evaluated too, whatever comes out.

        Args:
            prepared: Of the m genomes.
            deviations: (m,) predicted of them.
            others: Those that are being evaluated.
        """
        cross, other_cross = self._cross(prepared), self._cross(others)  # (m, n), (p, n)
        explained = other_cross @ self._inverse  # (p, n)
        between = self._between(prepared, others) - cross @ explained.T  # (m, p)
        among = self._between(others, others) - other_cross @ explained.T  # (p, p)
        completed = between @ inverse_of(among, float(self._amplitudes[-1]))  # (m, p)
        remaining = deviations**2 - np.maximum((completed * between).sum(axis=1), 0.0)
        return np.asarray(np.sqrt(np.maximum(remaining, _LEAST_VARIANCE)))

    def _cross(self, left: Prepared) -> Array:
        """(m, n) covariance with the points."""
        near, near_sums = left.choices * self._weights, left.sums * self._sum_weights
        return self._covariance(
            squared_distances(near, self._near, self._norms),
            squared_distances(near_sums, self._near_sums, self._sum_norms),
            left.cross_linear,
            left.cross_sums,
        )

    def _between(self, left: Prepared, right: Prepared) -> Array:
        """(m, p) covariance of genomes that aren't among the points."""
        return self._covariance(
            squared_distances(left.choices * self._weights, right.choices * self._weights),
            squared_distances(left.sums * self._sum_weights, right.sums * self._sum_weights),
            left.linear @ right.linear.T,
            left.sums @ right.sums.T * self.points.sum_linear_scale,
        )

    def _covariance(self, distances: Array, sum_distances: Array, linear: Array, sum_linear: Array) -> Array:
        near, near_sums, by_linear, by_sums, _ = self._amplitudes
        result: Array = np.exp(-distances)
        result *= near
        result += near_sums * np.exp(-sum_distances)
        result += by_linear * linear
        result += by_sums * sum_linear
        return result

    def _prior_variance(self, prepared: Prepared) -> Array:
        near, near_sums, by_linear, by_sums, _ = self._amplitudes
        prior = near + near_sums + by_linear * squared_norms(prepared.linear)
        return np.asarray(prior + by_sums * self.points.sum_linear_scale * squared_norms(prepared.sums))


def factored(covariance: Array, noise: float) -> tuple[Array, Array] | None:
    """Lower Cholesky factor of the covariance with noise on the diagonal, and as much more as it takes; and that sum.

    Returns:
        None if nothing helps.
    """
    extra = _FEWEST_JITTER * max(float(np.mean(np.diag(covariance))), 1e-12)
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
