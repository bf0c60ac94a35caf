"""Models of the objectives and of feasibility, and what drafts promise by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gasearch.evolution.surrogate.acquisition import expected_gain, front_of
from gasearch.evolution.surrogate.evidence import Array, Evidence, IntArray
from gasearch.evolution.surrogate.features import Encoder, Features
from gasearch.evolution.surrogate.gaussian_process import GaussianProcess, Points, Prepared
from gasearch.evolution.surrogate.normal import cumulative
from gasearch.evolution.surrogate.subset import representative_rows
from gasearch.evolution.surrogate.transforms import Scale
from gasearch.space.decisions import Space

FEWEST = 8  #: Known evaluations, below which nothing is modelled.
MOST_POINTS = 300  #: Evaluations that a process holds.
MOST_PENDING = 32  #: Of the pending candidates, the last so many say what is soon known.
LABEL_NOISE = 0.1  #: Variance added to what is predicted of feasibility: a limit may lie within the noise.
MARGIN = 0.1  #: How far the reference point is moved back, in ranges of all that was seen.


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What is expected of m drafts."""

    means: Array  #: (m, objectives) wvalues.
    deviations: Array  #: (m, objectives) standard deviations of the wvalues, 0 where arithmetic knows them.
    feasibility: Array  #: (m,) probability that every limit is met; while none did, to miss them less than all so far.
    scores: Array  #: (m, objectives) means on the scale on which the models work.
    score_deviations: Array  #: (m, objectives).
    prepared: Prepared | None = None  #: Their features; None where only their wvalues are known.

    def __getitem__(self, rows: slice) -> Predictions:
        """Those of some of the drafts."""
        return Predictions(
            means=self.means[rows],
            deviations=self.deviations[rows],
            feasibility=self.feasibility[rows],
            scores=self.scores[rows],
            score_deviations=self.score_deviations[rows],
            prepared=None if self.prepared is None else self.prepared[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """One set of all the drafts, in order; the features are those of the last part."""
        return cls(
            means=np.concatenate([part.means for part in parts]),
            deviations=np.concatenate([part.deviations for part in parts]),
            feasibility=np.concatenate([part.feasibility for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            score_deviations=np.concatenate([part.score_deviations for part in parts]),
            prepared=parts[-1].prepared,
        )


class Surrogate:
    """Fits models to evidence; a pure function of space, seed and evidence."""

    def __init__(self, space: Space, *, objectives: int, exact: Sequence[int | None], seed: int) -> None:
        """A surrogate for so many objectives.

        Args:
            space: what the genes mean.
            objectives: how many wvalues each evaluation has.
            exact: per objective None, or the column of the evidence's costs that is this objective: never modelled.
            seed: of every draw; these models need none.

        Raises:
            ValueError: if `exact` hasn't one entry per objective.
        """
        if len(exact) != objectives:
            raise ValueError(f"exact must have one entry per objective, {objectives}; got {len(exact)}")
        self._space, self._objectives, self._exact, self._seed = space, objectives, tuple(exact), seed
        self._encoders: dict[int, Encoder] = {}

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
            return FittedSurrogate(self._encoder(evidence.costs.shape[1]), evidence, self._exact, like)

    def _encoder(self, costs: int) -> Encoder:
        if costs not in self._encoders:
            self._encoders[costs] = Encoder(self._space, costs)
        return self._encoders[costs]


class FittedSurrogate:
    """Models of one state of the evidence."""

    def __init__(
        self, encoder: Encoder, evidence: Evidence, exact: Sequence[int | None], like: FittedSurrogate | None
    ) -> None:
        """Use `Surrogate.fit`."""
        self._encoder, self._exact = encoder, tuple(exact)
        known = evidence.is_known
        wvalues = evidence.wvalues[known]
        self._scales = [Scale(column) for column in wvalues.T]
        rows = np.flatnonzero(known)[representative_rows(wvalues, MOST_POINTS)]
        costs = evidence.costs[rows]
        self._signs = [_sign(evidence.wvalues[rows], costs, *pair) for pair in enumerate(exact)]
        self._points = Points(encoder.encode(evidence.genes[rows], costs), encoder)
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
        """What drafts would score.

        Args:
            genes: (m, decisions), -1 where a decision doesn't express.
            costs: (m, k) exact costs.
        """
        with np.errstate(all="ignore"):
            features = self._encoder.encode(genes, costs)
            prepared = self._points.prepared(features)
            columns = [self._predicted(objective, prepared, costs) for objective in range(len(self._models))]
            means, deviations, scores, score_deviations = (
                np.stack(part, axis=1) for part in zip(*columns, strict=True)
            )
            return Predictions(
                means=_finite(means),
                deviations=_finite(deviations),
                feasibility=self._feasible(features),
                scores=_finite(scores),
                score_deviations=_finite(score_deviations),
                prepared=prepared,
            )

    def gains(self, predictions: Predictions, *, pending: Predictions | None = None) -> Array:
        """(m,) expected hypervolume gain over the front, times the probability of being feasible.

        The probability alone while nothing is feasible: there is no front yet.

        Args:
            predictions: of the drafts.
            pending: of candidates that are being evaluated: they count as if they had come out as predicted, and
                what will be learned from them of the drafts is no longer to be gained from these.
        """
        if self._nearest is not None:
            return predictions.feasibility
        front, deviations = self._front, predictions.score_deviations
        with np.errstate(all="ignore"):
            if pending is not None and len(pending.scores):
                front = front_of(np.concatenate([front, pending.scores]))
                deviations = self._deviations_after(predictions, pending)
            gains = expected_gain(predictions.scores, deviations, front, self._reference)
        return _finite(gains * predictions.feasibility)

    def _deviations_after(self, predictions: Predictions, pending: Predictions) -> Array:
        """(m, objectives) deviations of scores once the pending candidates are completed."""
        deviations = predictions.score_deviations.copy()
        drafts, others = predictions.prepared, pending.prepared
        if drafts is None or others is None:
            return deviations
        last = others[-MOST_PENDING:]
        for objective, model in enumerate(self._models):
            if model is not None:
                deviations[:, objective] = model.deviations_after(drafts, deviations[:, objective], last)
        return _finite(deviations)

    def outcomes(self, wvalues: Array) -> Predictions:
        """Outcomes since the fit, (m, objectives) wvalues, as predictions that are certain: for `pending`."""
        zeros = np.zeros_like(wvalues)
        return Predictions(
            means=wvalues,
            deviations=zeros,
            feasibility=np.ones(len(wvalues)),
            scores=_finite(self._scored(wvalues)),
            score_deviations=zeros,
        )

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
            labels = np.full(len(evidence), float(scale.targets.min(initial=0.0)))
            labels[measured] = scale.targets
        if np.ptp(labels) == 0:
            return None
        rows = representative_rows(labels[:, None], MOST_POINTS)
        features = self._encoder.encode(evidence.genes[rows], evidence.costs[rows])
        return GaussianProcess(Points(features, self._encoder), labels[rows], None if like is None else like.scales)

    def _feasible(self, features: Features) -> Array:
        if self._feasibility is None:
            return np.ones(len(features.choices))
        mean, deviation = self._feasibility.predict(self._feasibility.points.prepared(features))
        level = 0.0 if self._nearest is None else self._nearest
        return _finite(cumulative((mean - level) / np.sqrt(deviation**2 + LABEL_NOISE)))

    def _predicted(self, objective: int, prepared: Prepared, costs: Array) -> tuple[Array, Array, Array, Array]:
        """Mean and deviation of the wvalue, then of the score."""
        scale, column, model = self._scales[objective], self._exact[objective], self._models[objective]
        zeros = np.zeros(len(prepared.choices))
        if column is not None:
            wvalues = self._signs[objective] * costs[:, column]
            return wvalues, zeros, scale.scores_of(wvalues), zeros
        if model is None:
            return zeros + scale.values[0], zeros, zeros, zeros
        scores, deviations = model.predict(prepared)
        return (*scale.moments(scores, deviations), scores, deviations)

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
