"""Models of the objectives and of feasibility, and what candidates promise by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gasearch.evolution.surrogate.acquisition import cumulative, expected_gain, front_of
from gasearch.evolution.surrogate.evidence import Array, Evidence, IntArray, representative_rows
from gasearch.evolution.surrogate.features import Encoder, Features
from gasearch.evolution.surrogate.gaussian_process import GaussianProcess, Points, Prepared
from gasearch.evolution.surrogate.transforms import Scale
from gasearch.space.decisions import Space

FEWEST = 8  #: Known evaluations, below which nothing is modelled.
MOST_POINTS = 300  #: Evaluations that a process holds.
MOST_PENDING = 32  #: Of the pending candidates, the last so many say what is soon known.
LABEL_NOISE = 0.1  #: Variance added to what is predicted of feasibility: a limit may lie within the noise.
MARGIN = 0.1  #: How far the reference point is moved back, in ranges of all that was seen.


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What is expected of m candidates, on the scale on which the models work."""

    scores: Array  #: (m, objectives) means.
    deviations: Array  #: (m, objectives) standard deviations, 0 where arithmetic knows the value.
    feasibility: Array  #: (m,) probability that every limit is met; while none did, to miss them less than all so far.
    costs: Array  #: (m, k) exact ones.
    prepared: Prepared | None  #: Their features; None where the models need not know of them.

    def __getitem__(self, rows: slice) -> Predictions:
        """Those of some of the candidates."""
        return Predictions(
            scores=self.scores[rows],
            deviations=self.deviations[rows],
            feasibility=self.feasibility[rows],
            costs=self.costs[rows],
            prepared=None if self.prepared is None else self.prepared[rows],
        )


class Surrogate:
    """Fits models to evidence; a pure function of space and evidence, without any draw."""

    def __init__(self, space: Space, *, objectives: int, exact: Sequence[int | None]) -> None:
        """A surrogate for so many objectives.

        Args:
            space: What the genes mean.
            objectives: How many wvalues each evaluation has.
            exact: Per objective None, or the column of the evidence's costs that is this objective: never modelled.

        Raises:
            ValueError: if `exact` hasn't one entry per objective.
        """
        if len(exact) != objectives:
            raise ValueError(f"exact must have one entry per objective, {objectives}; got {len(exact)}")
        self._exact = tuple(exact)
        self._encoder = lru_cache(lambda costs: Encoder(space, costs))

    @property
    def models(self) -> int:
        """How many of the objectives are modelled."""
        return self._exact.count(None)

    def fit(self, evidence: Evidence, like: FittedSurrogate | None = None) -> FittedSurrogate | None:
        """Models of what was completed; None where there is too little or nothing to learn from it.

        Args:
            evidence: To learn from.
            like: An earlier fit whose scales of distances are kept; finding them is most of the work.
        """
        known = np.flatnonzero(evidence.is_known)
        if len(known) < FEWEST or (np.ptp(evidence.wvalues[known], axis=0) == 0).all():
            return None
        with np.errstate(all="ignore"):
            return FittedSurrogate(self._encoder, evidence, self._exact, like)


class FittedSurrogate:
    """Models of one state of the evidence."""

    def __init__(
        self,
        encoder_of: Callable[[int], Encoder],
        evidence: Evidence,
        exact: Sequence[int | None],
        like: FittedSurrogate | None,
    ) -> None:
        """Use `Surrogate.fit`."""
        known = evidence.is_known
        wvalues = evidence.wvalues[known]
        self._exact, self._scales = exact, [Scale(column) for column in wvalues.T]
        rows = np.flatnonzero(known)[representative_rows(wvalues, MOST_POINTS)]
        genes, costs = evidence.encoded(rows)
        self._encoder = encoder_of(costs.shape[1])
        self._signs = [_sign(evidence.wvalues[rows], costs, *pair) for pair in enumerate(exact)]
        self._points = Points(self._encoder.encode(genes, costs), self._encoder)
        self._models: list[GaussianProcess | None] = [
            self._model(objective, evidence.wvalues[rows], None if like is None else like._models[objective])
            for objective in range(len(exact))
        ]
        self._nearest: float | None = None  # score of the least violation, while there is nothing better
        self._feasibility: GaussianProcess | None = self._feasibility_model(
            evidence, None if like is None else like._feasibility
        )
        counting = evidence.is_feasible & ~evidence.is_partial
        self._front = front_of(self._scored(evidence.wvalues[counting]))
        self._reference = _reference(self._front, self._scored(wvalues))

    def predict(self, genes: IntArray, costs: Array) -> Predictions:
        """What candidates would score.

        Args:
            genes: (m, decisions), -1 where a decision doesn't express.
            costs: (m, k) exact costs.
        """
        with np.errstate(all="ignore"):
            features = self._encoder.encode(genes, costs)
            prepared = self._points.prepared(features)
            columns = [self._predicted(objective, prepared, costs) for objective in range(len(self._models))]
            scores, deviations = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
            return Predictions(
                scores=_finite(scores),
                deviations=_finite(deviations),
                feasibility=self._feasible(features),
                costs=costs,
                prepared=prepared,
            )

    def wvalues(self, predictions: Predictions) -> tuple[Array, Array]:
        """(m, objectives) means and (m, objectives) standard deviations of the wvalues of candidates."""
        with np.errstate(all="ignore"):
            columns = [self._expected_wvalues(objective, predictions) for objective in range(len(self._models))]
            means, deviations = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
            return _finite(means), _finite(deviations)

    def gains(
        self, predictions: Predictions, *, pending: Predictions | None = None, outcomes: Array | None = None
    ) -> Array:
        """(m,) expected hypervolume gain over the front, times the probability of being feasible.

        The probability alone while nothing is feasible: there is no front yet.

        Args:
            predictions: Of the candidates.
            pending: Of those that are being evaluated: they count as if they had come out as predicted, and what will
                be learned from them of the others is no longer to be gained from these.
            outcomes: (n, objectives) wvalues of feasible ones since the fit.
        """
        if self._nearest is not None:
            return predictions.feasibility
        front, deviations = self._front, predictions.deviations
        with np.errstate(all="ignore"):
            if outcomes is not None:
                front = np.concatenate([front, _finite(self._scored(outcomes))])
            if pending is not None and len(pending.scores):
                front = np.concatenate([front, pending.scores])
                deviations = self._deviations_after(predictions, pending)
            gains = expected_gain(predictions.scores, deviations, front, self._reference)
        return _finite(gains * predictions.feasibility)

    def _deviations_after(self, predictions: Predictions, pending: Predictions) -> Array:
        """(m, objectives) deviations of scores once the pending candidates are completed."""
        deviations = predictions.deviations.copy()
        prepared, others = predictions.prepared, pending.prepared
        if prepared is None or others is None:
            return deviations
        last = others[-MOST_PENDING:]
        for objective, model in enumerate(self._models):
            if model is not None:
                deviations[:, objective] = model.deviations_after(prepared, deviations[:, objective], last)
        return _finite(deviations)

    # --- models -------------------------------------------------------------------------------------------------

    def _model(self, objective: int, wvalues: Array, like: GaussianProcess | None) -> GaussianProcess | None:
        scale = self._scales[objective]
        if self._exact[objective] is not None or scale.is_constant:
            return None
        targets = scale.scores_of(wvalues[:, objective])
        return GaussianProcess(self._points, targets, None if like is None else like.scales)

    def _feasibility_model(self, evidence: Evidence, like: GaussianProcess | None) -> GaussianProcess | None:
        """A process over which evaluations met every limit; over how little they missed them, where none did."""
        feasible = evidence.is_feasible
        if feasible.all():
            return None
        labels = np.where(feasible, 1.0, -1.0)
        if not feasible.any():
            measured = np.isfinite(evidence.violations)
            if not measured.any():
                return None
            scale = Scale(-evidence.violations[measured])
            self._nearest = float(scale.targets.max(initial=0.0))
            labels = np.full(len(feasible), float(scale.targets.min(initial=0.0)))
            labels[measured] = scale.targets
        if np.ptp(labels) == 0:
            return None
        rows = representative_rows(labels[:, None], MOST_POINTS)
        features = self._encoder.encode(*evidence.encoded(rows))
        return GaussianProcess(Points(features, self._encoder), labels[rows], None if like is None else like.scales)

    def _feasible(self, features: Features) -> Array:
        if self._feasibility is None:
            return np.ones(len(features.choices))
        mean, deviation = self._feasibility.predict(self._feasibility.points.prepared(features))
        level = 0.0 if self._nearest is None else self._nearest
        return _finite(cumulative((mean - level) / np.sqrt(deviation**2 + LABEL_NOISE)))

    def _predicted(self, objective: int, prepared: Prepared, costs: Array) -> tuple[Array, Array]:
        """Mean and deviation of the score."""
        column, model, zeros = self._exact[objective], self._models[objective], np.zeros(len(prepared.choices))
        if column is not None:
            return self._scales[objective].scores_of(self._signs[objective] * costs[:, column]), zeros
        return (zeros, zeros) if model is None else model.predict(prepared)

    def _expected_wvalues(self, objective: int, predictions: Predictions) -> tuple[Array, Array]:
        """Mean and deviation of the wvalue."""
        column, scale, zeros = self._exact[objective], self._scales[objective], np.zeros(len(predictions.scores))
        if column is not None:
            return self._signs[objective] * predictions.costs[:, column], zeros
        if self._models[objective] is None:
            return zeros + scale.values[0], zeros
        return scale.moments(predictions.scores[:, objective], predictions.deviations[:, objective])

    def _scored(self, wvalues: Array) -> Array:
        return np.stack(
            [scale.scores_of(column) for scale, column in zip(self._scales, wvalues.T, strict=True)], axis=1
        )


def _reference(front: Array, everything: Array) -> Array:
    """The point from which volumes are counted: halfway from the front's nadir to the worst of all, and a bit behind.

    At the nadir, nothing beyond the present ends of the front is worth anything, and the ends stay where they are: on
    layered networks that tripled the regret at 50 evaluations. At the worst of all, a search looks too much at what
    nobody wants.
    """
    low, high = everything.min(axis=0), everything.max(axis=0)
    nadir = front.min(axis=0) if len(front) > 1 else low
    reference: Array = 0.5 * (low + nadir) - MARGIN * np.maximum(high - low, 1e-9)
    return reference


def _sign(wvalues: Array, costs: Array, objective: int, column: int | None) -> float:
    """1 where the wvalue is the cost itself, -1 where less of it is better.

    Args:
        wvalues: (n, objectives).
        costs: (n, k).
        objective: Of the wvalues.
        column: Of the costs; None: the objective is no cost.
    """
    if column is None:
        return 1.0
    same = np.abs(wvalues[:, objective] - costs[:, column]).sum()
    opposite = np.abs(wvalues[:, objective] + costs[:, column]).sum()
    return 1.0 if same < opposite else -1.0


def _finite(values: Array) -> Array:
    if np.isfinite(values).all():
        return values
    return np.nan_to_num(values, nan=0.0, posinf=1e300, neginf=-1e300)
