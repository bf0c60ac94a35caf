"""Choosing from a brood by a surrogate: what it has learned from, when it is fitted again, and what it picks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gasearch.evolution.breeder import Offspring
from gasearch.evolution.engine import Candidate, Prediction, Scored
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.surrogate.evidence import Array, Evidence, IntArray
from gasearch.evolution.surrogate.schedule import EVERY_SCALES, UNBOUNDED, Pace, is_due, pace
from gasearch.evolution.surrogate.surrogate import FittedSurrogate, Predictions, Surrogate
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome

#: The metrics that arithmetic knows of a genome's network, in a fixed order; () for a custom space.
Costs = Callable[[Genome], tuple[float, ...]]

#: Makes at most so many variants of some offspring, as `Breeder.variants` does.
Vary = Callable[..., Sequence[Offspring]]

#: Offspring to choose from, below so many evaluations: many while each evaluation counts most. Where arithmetic knows a
#: network's costs, counting them is most of the work of one.
BROODS = ((160, 512), (300, 256))
BROODS_WITH_COSTS = ((160, 160), (300, 96))
LATER_BROOD = 48
#: In a space of at least so many genomes the survivors' children are a thin sample. There a part of the brood are
#: children, and as many again are variants of the most promising ones so far, as often as this: a climb of the gain.
CLIMBED, VARIED, CLIMBS = 1_000_000, 12, 2
#: From such a population on a search is meant to be long: so few offspring do from its beginning, and models are fitted
#: anew after so many outcomes at least.
LARGE, BROOD_IF_LARGE, BETWEEN_FITS = 100, 20, 8
SMALLEST_BROOD = 4  #: However little time a proposal may take.
INITIAL = 16  #: Samples before the first choice,
SPREAD = 24  #: each the one of so many that is least like those before it.
EXPLORED = 0.01  #: Share of candidates that are drawn from the brood at random: a model can be wrong for long.


class SurrogateAdvisor:
    """Picks the offspring that promises most.

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
        self._log: list[tuple[Genome, Scored]] = []
        self._encoded: dict[int, tuple[Sequence[int], tuple[float, ...]]] = {}  # by number, of what models hold
        self._trainings, self._training_s = 0, 0.0  # measured ones, and how long they took together
        self._due_at, self._scales_due_at = 0, 0  # length of the log at the last points where a fit and its scales were
        self._fitted_at, self._scales_fitted_at = -1, -1
        self._fitted: FittedSurrogate | None = None
        self._scaled: FittedSurrogate | None = None  # whose scales are in use

    def brood_size(self, number: int) -> int:
        """Of how many it wants to see this candidate chosen, before it asks for variants."""
        if number < self.initial:
            return SPREAD
        size = BROOD_IF_LARGE
        if not self._is_long:
            wanted = BROODS if self._space.data is None else BROODS_WITH_COSTS
            size = next((size for below, size in wanted if number < below), LATER_BROOD)
        return max(SMALLEST_BROOD, int(min(size, self._pace.brood)) // (1 + self._climbs))

    def spread(self, brood: Sequence[Offspring], *, taken: Sequence[Candidate]) -> Offspring:
        """The one with the most decisions made otherwise than in the nearest one that was taken."""
        if not taken:
            return brood[0]
        genes = np.array([self._space.marked(offspring.genome.genes) for offspring in brood])
        others = np.array([self._space.marked(candidate.genome.genes) for candidate in taken])
        distances = (genes[:, None, :] != others[None, :, :]).sum(axis=2).min(axis=1)  # (brood,)
        return brood[int(distances.argmax())]

    def note(self, genome: Genome, scored: Scored) -> None:
        """Remember an outcome."""
        self._log.append((genome, scored))
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
        return pace(self._training_s / self._trainings, self._surrogate.models)

    def is_ready(self, number: int) -> bool:
        """Return whether a model can choose this candidate: the first sample is proposed, and enough is known."""
        return number >= self.initial and self._model() is not None

    def choose(
        self, brood: Sequence[Offspring], *, number: int, pending: Sequence[Candidate], vary: Vary
    ) -> tuple[Offspring, tuple[Prediction, ...]]:
        """The offspring or variant with the greatest expected gain, and what it expects of it; now and then any.

        Args:
            brood: At least one.
            number: Of the candidate to be.
            pending: Candidates on their way, which count as if they came out as predicted.
            vary: Makes variants of the most promising ones.
        """
        model = self._model()
        assert model is not None, "asked before it is ready"
        rng = derive(self._seed, number, "explore")
        if rng.random() < EXPLORED:
            chosen = brood[pick(rng, len(brood))]
            return chosen, _expectation(model, self._predict(model, [chosen.genome]))
        found, genomes = list(brood), [offspring.genome for offspring in brood]
        predicted = self._predict(model, genomes + [candidate.genome for candidate in pending])
        others = predicted[len(brood) :]
        gains_of = partial(
            model.gains, pending=replace(others, prepared=None) if self._is_long else others, outcomes=self._newer()
        )
        parts = [predicted[: len(brood)]]
        gains = gains_of(parts[0])
        for step in range(self._climbs):
            known = {offspring.genome.key for offspring in found}
            best = [found[place] for place in np.argsort(-gains, kind="stable")[:VARIED].tolist()]
            fresh = [variant for variant in vary(best, len(brood), step=step) if variant.genome.key not in known]
            if fresh:
                found += fresh
                parts.append(self._predict(model, [variant.genome for variant in fresh]))
                gains = np.concatenate([gains, gains_of(parts[-1])])
        place = int(gains.argmax())
        winner = found[place]
        for part in parts:
            if place < len(part.scores):
                break
            place -= len(part.scores)
        return winner, _expectation(model, part[place : place + 1])

    def _model(self) -> FittedSurrogate | None:
        if self._fitted_at != self._due_at:
            if self._scales_fitted_at != self._scales_due_at:
                self._scaled = self._surrogate.fit(self._evidence(self._scales_due_at))
                self._scales_fitted_at = self._scales_due_at
            self._fitted = self._scaled
            if self._due_at != self._scales_due_at:
                self._fitted = self._surrogate.fit(self._evidence(self._due_at), self._scaled)
            self._fitted_at = self._due_at
        return self._fitted

    def _predict(self, model: FittedSurrogate, genomes: Sequence[Genome]) -> Predictions:
        return model.predict(*_arrays([self._encode(genome) for genome in genomes], len(self._space.sizes)))

    def _encode(self, genome: Genome) -> tuple[Sequence[int], tuple[float, ...]]:
        return self._space.marked(genome.genes), self._costs(genome)

    def _newer(self) -> Array | None:
        """(n, objectives) wvalues of the feasible outcomes since the model's evidence; None without any."""
        fitnesses = [scored.fitness for _, scored in self._log[self._due_at :] if scored.fitness is not None]
        newer = [fitness.values for fitness in fitnesses if fitness.is_feasible]
        return np.array(newer) if newer else None

    def _evidence(self, count: int) -> Evidence:
        """Of the first so many outcomes the newest of each candidate, in the order of the candidates' first ones."""
        rows = list({scored.number: (genome, scored) for genome, scored in self._log[:count]}.values())

        def encoded(places: IntArray) -> tuple[IntArray, Array]:
            some = []
            for genome, scored in [rows[place] for place in places.tolist()]:
                if scored.number not in self._encoded:  # what costs 0.1 ms and more isn't made of all
                    self._encoded[scored.number] = self._encode(genome)
                some.append(self._encoded[scored.number])
            return _arrays(some, len(self._space.sizes))

        nothing = (float("nan"),) * self._objectives
        known = [
            (scored.expected or nothing, 0.0 if scored.expected else math.inf)
            if scored.fitness is None
            else (scored.fitness.values, scored.fitness.violation)
            for _, scored in rows
        ]
        return Evidence(
            encoded=encoded,
            wvalues=np.array([wvalues for wvalues, _ in known], dtype=np.float64).reshape(-1, self._objectives),
            violations=np.array([violation for _, violation in known], dtype=np.float64),
            is_partial=np.array(
                [scored.fitness is None and scored.expected is not None for _, scored in rows], dtype=bool
            ),
        )


def _arrays(encoded: Sequence[tuple[Sequence[int], tuple[float, ...]]], decisions: int) -> tuple[IntArray, Array]:
    """(m, decisions) genes and (m, k) costs."""
    genes = np.array([genes for genes, _ in encoded], dtype=np.int64).reshape(-1, decisions)
    return genes, np.array([costs for _, costs in encoded], dtype=np.float64).reshape(len(encoded), -1)


def _expectation(model: FittedSurrogate, prediction: Predictions) -> tuple[Prediction, ...]:
    """What the model makes of one candidate."""
    [means], [deviations] = (part.tolist() for part in model.wvalues(prediction))
    expected = zip(means, deviations, strict=True)
    return tuple(Prediction(mean=mean, deviation=deviation) for mean, deviation in expected)
