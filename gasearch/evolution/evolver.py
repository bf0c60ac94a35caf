"""What the engines of evolution share: proposing, adopting, learning; they differ in when they learn from what."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from operator import ge
from typing import Protocol

from deap import base

from gasearch.evolution.adaptation import OperatorRates
from gasearch.evolution.breeder import Breeder, Offspring, Violation
from gasearch.evolution.crossover import CROSSOVER_KINDS
from gasearch.evolution.engine import Candidate, Engine, Prediction, Scored, require_next
from gasearch.evolution.individual import Individual, evaluated
from gasearch.evolution.known import KnownNetworks
from gasearch.evolution.mutation import mutation_kinds
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness, FrontChange
from gasearch.objectives.front import ParetoFront
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome

NO_STEP_BACK = 0.3  #: Reward of a child that its parent doesn't dominate, where entering the front has 1.


class Vary(Protocol):
    """Makes more drafts of some drafts."""

    def __call__(self, drafts: Sequence[Offspring], count: int, *, step: int) -> list[Offspring]:
        """At most so many variants of them; `step` tells one call from the next."""


class Advisor(Protocol):
    """Chooses among drafts. `advice.py` has the one that asks a surrogate."""

    def drafts(self, number: int) -> int:
        """Of how many it wants to see this candidate chosen, before it asks for variants."""

    @property
    def initial(self) -> int:
        """How many samples it wants to see first."""

    def spread(self, drafts: Sequence[Offspring], *, taken: Sequence[Candidate]) -> Offspring:
        """The draft that is least like what was taken: how the initial sample is made."""

    def note(self, genome: Genome, scored: Scored) -> None:
        """Remember an outcome."""

    def is_ready(self, number: int) -> bool:
        """Whether it can choose this candidate."""

    def choose(
        self, drafts: Sequence[Offspring], *, number: int, pending: Sequence[Candidate], vary: Vary
    ) -> tuple[Offspring, tuple[Prediction, ...]]:
        """One of the drafts or of their variants, and what it expects of it.

        Args:
            drafts: To choose from.
            number: Of the candidate.
            pending: On their way.
            vary: Makes variants of drafts.
        """


class Evolver(Engine):
    """An `Engine` that breeds children of survivors; with an advisor, the most promising of many.

    A candidate is a function of the seed, its number, the outcomes that were learned until then, and the candidates
    that are on their way. What is learned when is the policy's: see `GenerationalEngine` and `SteadyStateEngine`.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        population: int,
        toolbox: base.Toolbox | None = None,
        violation: Violation = lambda genome: 0.0,
        known: Sequence[Genome] = (),
        advisor: Advisor | None = None,
        adapt: bool = True,
    ) -> None:
        """An engine before its first candidate.

        Args:
            space: What may be proposed.
            seed: Of every random draw.
            population: Survivors kept, at least 2; and candidates per generation.
            toolbox: Operators; `make_toolbox(space)` where None.
            violation: Of the limits that arithmetic can decide; a genome above 0 is never proposed.
            known: Networks to begin with, proposed first; those that break a limit or repeat are left out.
            advisor: Chooses among children by a model of the objectives; None: children are taken as they come.
            adapt: Whether operators that paid are used more often.

        Raises:
            ValueError: for a population below 2, or a toolbox that lacks an operator.
        """
        if population < 2:
            raise ValueError(f"population must be at least 2; got {population}")
        self._rates = OperatorRates(mutation_kinds(space), CROSSOVER_KINDS)
        self._toolbox = SeededToolbox(
            make_toolbox(space) if toolbox is None else toolbox,
            space,
            seed=seed,
            rates=self._rates.rates if adapt else None,
        )
        self._breeder = Breeder(space, self._toolbox, seed=seed, violation=violation)
        self._size = population
        self._known = KnownNetworks(known)
        self._advisor = advisor
        self._candidates: dict[int, Candidate] = {}  # every one that was asked for
        self._pending: set[int] = set()  # not yet told
        self._fitnesses: dict[int, Fitness] = {}  # learned, in the order in which they were
        self._front = ParetoFront()  # of these
        self._is_exhausted = False

    # --- the contract -------------------------------------------------------------------------------------------

    def ask(self) -> Candidate | None:
        """See `Engine.ask`."""
        if self._is_exhausted or not self._may_ask():
            return None
        number = len(self._candidates)
        offspring, predicted = self._propose(number)
        if offspring is None:
            self._find_nothing()
            return self.ask()  # None, unless a generation ended thereby
        candidate = Candidate(
            number=number,
            genome=offspring.genome,
            generation=self._generation_of(number),
            parents=offspring.parents,
            operator=offspring.operator,
            completed=self._completed,
            predicted=predicted,
        )
        self._take(candidate)
        return candidate

    def adopt(self, candidate: Candidate) -> None:
        """See `Engine.adopt`."""
        require_next(candidate, len(self._candidates))
        self._known.adopt(candidate)
        self._take(candidate)

    def tell(self, scored: Scored) -> None:
        """See `Engine.tell`."""
        if scored.number not in self._candidates:
            raise ValueError(f"candidate {scored.number} was never asked for; {len(self._candidates)} were asked for")
        self._pending.discard(scored.number)
        self._take_note(scored)

    @property
    def is_exhausted(self) -> bool:
        """See `Engine.is_exhausted`; found out by the ask that finds nothing."""
        return self._is_exhausted

    @property
    def population(self) -> tuple[int, ...]:
        """See `Engine.population`: best first; () before anything was learned."""
        return tuple(dict.fromkeys(survivor.number for survivor in self._survivors()))

    # --- the policy ---------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _completed(self) -> int:
        """How many outcomes a candidate proposed now knows of."""

    @abstractmethod
    def _may_ask(self) -> bool:
        """Whether a candidate can be proposed before more is told."""

    @abstractmethod
    def _find_nothing(self) -> None:
        """Take note that nothing new and admissible was found."""

    @abstractmethod
    def _generation_of(self, number: int) -> int:
        """The generation of the next candidate."""

    @abstractmethod
    def _survivors(self) -> Sequence[Individual]:
        """Whose children are proposed now, best first."""

    @abstractmethod
    def _on_their_way(self) -> Sequence[int]:
        """The candidates whose outcomes a proposal doesn't know."""

    @abstractmethod
    def _take_note(self, scored: Scored) -> None:
        """Learn from an outcome, now or later."""

    # --- the steps ----------------------------------------------------------------------------------------------

    def _take(self, candidate: Candidate) -> None:
        self._breeder.take(candidate.genome)
        self._candidates[candidate.number] = candidate.unpredicted()
        self._pending.add(candidate.number)

    def _propose(self, number: int) -> tuple[Offspring | None, tuple[Prediction, ...]]:
        known = self._known.next(self._breeder)
        if known is not None:
            return known, ()
        if self._is_still_sampling(number):
            return self._sampled(number), ()
        survivors, advisor = self._survivors(), self._advisor
        if advisor is not None and len(survivors) > 1 and advisor.is_ready(number):
            drafts = self._breeder.drafts(number, survivors, advisor.drafts(number))
            pending = [self._candidates[other] for other in self._on_their_way()]
            if drafts:
                vary = partial(self._breeder.variants, number)
                return advisor.choose(drafts, number=number, pending=pending, vary=vary)
        return self._breeder.breed(number, survivors), ()

    def _sampled(self, number: int) -> Offspring | None:
        drafts = [] if self._advisor is None else self._breeder.drafts(number, (), self._advisor.drafts(number))
        if self._advisor is None or not drafts:
            return self._breeder.breed(number, ())
        return self._advisor.spread(drafts, taken=list(self._candidates.values()))

    def _is_still_sampling(self, number: int) -> bool:
        """Whether the initial sample isn't complete yet: a population, or what an advisor wants to begin with."""
        return number < (self._size if self._advisor is None else min(self._size, self._advisor.initial))

    def _learn(self, scored: Scored) -> FrontChange | None:
        """Learn from an outcome; a later one of the same candidate takes the place of the earlier one.

        Returns:
            How the front changed; None where there is no fitness.
        """
        candidate = self._candidates[scored.number]
        if self._advisor is not None:
            self._advisor.note(candidate.genome, scored)
        if scored.fitness is None:
            if scored.number not in self._fitnesses:
                self._rates.note(candidate.operator, 0.0)
            return None
        is_first = scored.number not in self._fitnesses
        self._fitnesses[scored.number] = scored.fitness
        change = (self._front.add if is_first else self._front.replace)(scored.number, scored.fitness)
        if is_first:
            self._rates.note(candidate.operator, self._reward(candidate, scored.fitness, change))
        return change

    def _individual(self, number: int) -> Individual:
        return evaluated(number, self._candidates[number].genome.genes, self._fitnesses[number])

    def _reward(self, candidate: Candidate, fitness: Fitness, change: FrontChange) -> float:
        """What the operators are credited for a child: much for the front, something for no step back."""
        if candidate.number in change.entered:
            return 1.0
        parent = self._fitnesses.get(candidate.parents[0]) if candidate.parents else None
        if parent is None or not fitness.is_feasible:
            return 0.0
        is_dominated = all(map(ge, parent.values, fitness.values))
        return 0.0 if is_dominated else NO_STEP_BACK
