"""Gaussian process regression over features of genomes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from gasearch.evolution.surrogate.evidence import Array
from gasearch.evolution.surrogate.features import Encoder, Features, squared_distances, squared_norms
from gasearch.evolution.surrogate.hyperparameters import Climb, Layout, inverse_of

_LEAST_VARIANCE = 1e-8  #: Of a prediction.


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
        self.layout = Layout(int(self.columns.max(initial=-1)) + 1, int(self.sum_columns.max(initial=-1)) + 1)
        self._center = features.choices.mean(axis=0)
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
        cross = self.linear @ self.linear.T
        return Prepared(self.choices, self.linear, self.sums, cross, self.sums @ self.sums.T * self.sum_linear_scale)

    @cached_property
    def climb(self) -> Climb:
        """Finds the best hyperparameters for targets."""
        return Climb(
            self.layout,
            choices=self.choices,
            sums=self.sums,
            covariances=(self.own.cross_linear, self.own.cross_sums),
            columns=self.columns,
            sum_columns=self.sum_columns,
        )

    def _linear(self, choices: Array) -> Array:
        result: Array = (choices - self._center) * self._linear_scale
        return result

    def _standardized(self, sums: Array) -> Array:
        result: Array = np.clip((sums - self._sum_center) / self._sum_spread, -10.0, 10.0)
        return result


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
        layout, theta = points.layout, np.exp(self.scales)
        self._amplitudes = theta[-5:]
        self._weights = np.sqrt(theta[: layout.choices])[points.columns]
        self._sum_weights = np.sqrt(theta[layout.choices : layout.choices + layout.sums])[points.sum_columns]
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
