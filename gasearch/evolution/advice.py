"""Choosing among drafts by a surrogate: what it has learned from, when it is fitted again, and what it picks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gasearch.evolution.breeder import Offspring
from gasearch.evolution.engine import Candidate, Prediction, Scored
from gasearch.evolution.evolver import Vary
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.surrogate.evidence import Evidence, IntArray
from gasearch.evolution.surrogate.schedule import EVERY_SCALES, UNBOUNDED, Pace, is_due, pace
from gasearch.evolution.surrogate.surrogate import FittedSurrogate, Predictions, Surrogate
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome

#: The metrics that arithmetic knows of a genome's network, in a fixed order; () for a custom space.
Costs = Callable[[Genome], tuple[float, ...]]

#: Drafts to choose from, below so many evaluations: many while each evaluation counts most. Where arithmetic knows a
#: network's costs, counting them is most of the work of a draft.
DRAFTS = ((160, 512), (300, 256))
DRAFTS_WITH_COSTS = ((160, 160), (300, 96))
LATER_DRAFTS = 48
#: In a space of at least so many genomes the survivors' children are a thin sample. There a part of the drafts are
#: children, and as many again are variants of the most promising ones so far, as often as this: a climb of the gain.
CLIMBED, VARIED, CLIMBS = 1_000_000, 12, 2
#: From such a population on a search is meant to be long: so few drafts do from its beginning, and models are fitted
#: anew after so many outcomes at least.
LARGE, DRAFTS_IF_LARGE, BETWEEN_FITS = 100, 20, 8
FEWEST_DRAFTS = 4  #: However little time a proposal may take.
INITIAL = 16  #: Samples before the first choice,
SPREAD = 24  #: each the one of so many that is least like those before it.
EXPLORED = 0.01  #: Share of candidates that are drawn from the drafts at random: a model can be wrong for long.


@dataclass(frozen=True, slots=True)
class _Completed:
    number: int
    genome: Genome
    wvalues: tuple[float, ...] | None
    violation: float
    is_partial: bool


@dataclass(frozen=True, slots=True)
class _Judged:
    draft: Offspring
    gain: float
    means: Sequence[float]
    deviations: Sequence[float]

    @property
    def predicted(self) -> tuple[Prediction, ...]:
        both = zip(self.means, self.deviations, strict=True)
        return tuple(Prediction(mean=mean, deviation=deviation) for mean, deviation in both)


class _Rows:
    """A matrix with a row per outcome, each made when it is asked for: what costs 0.1 ms and more isn't made of all."""

    def __init__(
        self, completed: Sequence[_Completed], row_of: Callable[[_Completed], tuple[float, ...]], dtype: Any
    ) -> None:
        self._completed, self._row_of, self._dtype = completed, row_of, dtype

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._completed), len(self._row_of(self._completed[0])) if self._completed else 0

    def __getitem__(self, rows: IntArray, /) -> Any:
        found = [self._row_of(self._completed[row]) for row in rows.tolist()]
        return np.array(found, dtype=self._dtype).reshape(len(found), self.shape[1])


class SurrogateAdvisor:
    """An `Advisor` that picks the draft that promises most.

    The model in use is a function of the outcomes up to the last one after which a fit was due, and of those after
    which its scales were, whenever it is made: so a resume fits twice, not as often as the search that it continues.
    """

    def __init__(
        self,
        space: Space,
        surrogate: Surrogate,
        *,
        objectives: int,
        seed: int,
        costs: Costs = lambda genome: (),
        initial: int = INITIAL,
        is_long: bool = False,
        is_paced: bool = False,
    ) -> None:
        """An advisor that knows nothing yet.

        Args:
            space: What the genomes mean.
            surrogate: To be fitted.
            objectives: How many values a fitness has.
            seed: Of the exploration.
            costs: What arithmetic knows of a network.
            initial: How many candidates are to be sampled before it is asked.
            is_long: Whether evaluations will be so many that each may be chosen with less effort.
            is_paced: Whether its work is bounded by what trainings take, as their outcomes say.
        """
        self.initial, self._is_long, self._is_paced = initial, is_long, is_paced
        self._climbs = CLIMBS if math.prod(space.sizes) >= CLIMBED and not is_long else 0
        self._space, self._surrogate, self._objectives = space, surrogate, objectives
        self._seed, self._costs = seed, costs
        self._log: list[_Completed] = []
        self._known_genes: dict[int, tuple[int, ...]] = {}  # by number, of what models were fitted to;
        self._known_costs: dict[int, tuple[float, ...]] = {}  # -1 where a decision doesn't express
        self._models = surrogate.models
        self._trainings, self._training_s = 0, 0.0  # measured ones, and how long they took together
        self._due_at, self._scales_due_at = 0, 0  # length of the log at the last points where a fit and its scales were
        self._fitted_at, self._scales_fitted_at = -1, -1
        self._fitted: FittedSurrogate | None = None
        self._scaled: FittedSurrogate | None = None  # whose scales are in use

    def drafts(self, number: int) -> int:
        """See `Advisor.drafts`."""
        if number < self.initial:
            return SPREAD
        drafts = DRAFTS_IF_LARGE
        if not self._is_long:
            wanted = DRAFTS if self._space.data is None else DRAFTS_WITH_COSTS
            drafts = next((drafts for below, drafts in wanted if number < below), LATER_DRAFTS)
        return max(FEWEST_DRAFTS, int(min(drafts, self._pace.drafts)) // (1 + self._climbs))

    def spread(self, drafts: Sequence[Offspring], *, taken: Sequence[Candidate]) -> Offspring:
        """See `Advisor.spread`: the most decisions made otherwise than in the nearest one that was taken."""
        if not taken:
            return drafts[0]
        genes = np.array([self._space.marked(draft.genome.genes) for draft in drafts])
        others = np.array([self._space.marked(candidate.genome.genes) for candidate in taken])
        distances = (genes[:, None, :] != others[None, :, :]).sum(axis=2).min(axis=1)  # (drafts,)
        return drafts[int(distances.argmax())]

    def note(self, genome: Genome, scored: Scored) -> None:
        """Remember an outcome."""
        wvalues, violation = scored.expected, 0.0
        if scored.fitness is not None:
            wvalues, violation = scored.fitness.values, scored.fitness.violation
        elif wvalues is None:
            violation = float("inf")
        completed = _Completed(
            scored.number,
            genome,
            wvalues,
            violation,
            scored.fitness is None and scored.expected is not None,
        )
        self._log.append(completed)
        if scored.seconds is not None:
            self._trainings, self._training_s = self._trainings + 1, self._training_s + scored.seconds
        now, most = len(self._log), self._pace
        least = BETWEEN_FITS if self._is_long else 1
        if is_due(now, self._due_at, least=max(least, most.between_fits)):
            self._due_at = now
            if is_due(now, self._scales_due_at, least=max(least, most.between_scales), part=EVERY_SCALES):
                self._scales_due_at = now

    @property
    def _pace(self) -> Pace:
        if not self._is_paced or not self._trainings:
            return UNBOUNDED
        return pace(self._training_s / self._trainings, self._models)

    def is_ready(self, number: int) -> bool:
        """Return whether a model can choose this candidate: the first sample is proposed, and enough is known."""
        return number >= self.initial and self._model() is not None

    def choose(
        self, drafts: Sequence[Offspring], *, number: int, pending: Sequence[Candidate], vary: Vary
    ) -> tuple[Offspring, tuple[Prediction, ...]]:
        """The draft or variant with the greatest expected gain; now and then any of the drafts.

        Args:
            drafts: At least one.
            number: Of the candidate to be.
            pending: Candidates on their way, which count as if they came out as predicted.
            vary: Makes variants of the most promising drafts.
        """
        model = self._model()
        assert model is not None, "asked before it is ready"
        rng = derive(self._seed, number, "explore")
        if rng.random() < EXPLORED:
            chosen = drafts[pick(rng, len(drafts))]
            [judged] = _judged(model, [chosen], self._predict(model, [chosen.genome]), None)
            return chosen, judged.predicted
        genomes = [draft.genome for draft in drafts] + [candidate.genome for candidate in pending]
        predicted = self._predict(model, genomes)
        expected = self._expected(model, predicted[len(drafts) :])
        found = _judged(model, drafts, predicted[: len(drafts)], expected)
        for step in range(self._climbs):
            known = {one.draft.genome.key for one in found}
            best = [one.draft for one in sorted(found, key=lambda one: -one.gain)[:VARIED]]
            fresh = [variant for variant in vary(best, len(drafts), step=step) if variant.genome.key not in known]
            if fresh:
                predicted = self._predict(model, [variant.genome for variant in fresh])
                found += _judged(model, fresh, predicted, expected)
        winner = max(found, key=lambda one: one.gain)
        return winner.draft, winner.predicted

    def _model(self) -> FittedSurrogate | None:
        if self._fitted_at != self._due_at:
            if self._scales_fitted_at != self._scales_due_at:
                self._scaled = self._surrogate.fit(self._evidence(self._log[: self._scales_due_at]))
                self._scales_fitted_at = self._scales_due_at
            self._fitted = self._scaled
            if self._due_at != self._scales_due_at:
                self._fitted = self._surrogate.fit(self._evidence(self._log[: self._due_at]), self._scaled)
            self._fitted_at = self._due_at
        return self._fitted

    def _predict(self, model: FittedSurrogate, genomes: Sequence[Genome]) -> Predictions:
        genes = np.array([self._space.marked(genome.genes) for genome in genomes], dtype=np.int64)
        costs = np.array([self._costs(genome) for genome in genomes], dtype=np.float64)
        return model.predict(genes, costs.reshape(len(genomes), -1))

    def _expected(self, model: FittedSurrogate, pending: Predictions) -> Predictions | None:
        """What to reckon with besides the evidence of the model: outcomes since then, and what is on its way."""
        newer = [
            completed.wvalues
            for completed in self._log[self._due_at :]
            if completed.wvalues is not None and not completed.is_partial and completed.violation <= 0
        ]
        if self._is_long:
            pending = replace(pending, prepared=None)
        if not newer:
            return pending if len(pending.scores) else None
        outcomes = model.outcomes(np.array(newer))
        return outcomes if not len(pending.scores) else Predictions.joined([outcomes, pending])

    def _evidence(self, log: Sequence[_Completed]) -> Evidence:
        """The newest outcome of each candidate, in the order in which these were first completed."""
        newest = {completed.number: completed for completed in log}
        rows = list(newest.values())
        nothing = (float("nan"),) * self._objectives
        return Evidence(
            genes=_Rows(rows, self._genes_of, np.int64),
            costs=_Rows(rows, self._costs_of, np.float64),
            wvalues=np.array([completed.wvalues or nothing for completed in rows], dtype=np.float64).reshape(
                -1, self._objectives
            ),
            violations=np.array([completed.violation for completed in rows], dtype=np.float64),
            is_partial=np.array([completed.is_partial for completed in rows], dtype=np.bool_),
        )

    def _genes_of(self, completed: _Completed) -> tuple[int, ...]:
        found = self._known_genes.get(completed.number)
        if found is None:
            found = self._known_genes[completed.number] = tuple(self._space.marked(completed.genome.genes))
        return found

    def _costs_of(self, completed: _Completed) -> tuple[float, ...]:
        found = self._known_costs.get(completed.number)
        if found is None:
            found = self._known_costs[completed.number] = self._costs(completed.genome)
        return found


def _judged(
    model: FittedSurrogate, drafts: Sequence[Offspring], predictions: Predictions, expected: Predictions | None
) -> list[_Judged]:
    """What the model makes of drafts."""
    gains = model.gains(predictions, pending=expected).tolist()
    means, deviations = predictions.means.tolist(), predictions.deviations.tolist()
    return [_Judged(*one) for one in zip(drafts, gains, means, deviations, strict=True)]
