"""What the engines of evolution share: proposing, adopting, learning; they differ in when they learn from what."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from operator import ge

from deap import base

from gasearch.evolution.adaptation import OperatorRates
from gasearch.evolution.advice import SurrogateAdvisor
from gasearch.evolution.breeder import Breeder, Offspring, Violation
from gasearch.evolution.crossover import CROSSOVER_KINDS
from gasearch.evolution.engine import Candidate, Engine, Prediction, Scored
from gasearch.evolution.individual import ConstrainedFitness, Individual
from gasearch.evolution.mutation import mutation_kinds
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness, FrontChange
from gasearch.objectives.front import ParetoFront
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome

NO_STEP_BACK = 0.3  #: Reward of a child that its parent doesn't dominate, where entering the front has 1.


class Evolver(Engine):
    """An `Engine` that breeds children of survivors; with an advisor, the most promising of many.

    A candidate is a function of the seed, its number, the outcomes that were learned until then, and the candidates
    that are on their way. What is learned when is the policy's: see `GenerationalEngine` and `SteadyStateEngine`. Here
    is what policies without a barrier share.
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
        advisor: SurrogateAdvisor | None = None,
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
            advisor: Chooses from broods by a model of the objectives; None: children are taken as they come.
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
        self._breeder = Breeder(space, self._toolbox, seed=seed, violation=violation, known=known)
        self._size = population
        self._advisor = advisor
        self._candidates: dict[int, Candidate] = {}  # every one that was asked for
        self._pending: set[int] = set()  # of these, not yet completed
        self._completed = 0  # outcomes that a candidate proposed now knows of
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
        if candidate.number != len(self._candidates):
            raise ValueError(f"the next candidate has number {len(self._candidates)}; got {candidate.number}")
        self._take(candidate)

    def tell(self, scored: Scored) -> None:
        """See `Engine.tell`."""
        if scored.number not in self._candidates:
            raise ValueError(f"candidate {scored.number} was never asked for; {len(self._candidates)} were asked for")
        self._pending.discard(scored.number)
        self._take_note(scored)

    @property
    def lookahead(self) -> int:
        """See `Engine.lookahead`."""
        return 0

    @property
    def completed_generations(self) -> int:
        """See `Engine.completed_generations`: a generation is as many outcomes as the population has members."""
        return self._completed // self._size

    @property
    def until_closing(self) -> int:
        """See `Engine.until_closing`."""
        return self._size - self._completed % self._size

    @property
    def is_exhausted(self) -> bool:
        """See `Engine.is_exhausted`; found out by the ask that finds nothing."""
        return self._is_exhausted

    @property
    def population(self) -> tuple[int, ...]:
        """See `Engine.population`: best first; () before anything was learned."""
        return tuple(dict.fromkeys(survivor.number for survivor in self._survivors()))

    # --- the policy ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _survivors(self) -> Sequence[Individual]:
        """Whose children are proposed now, best first."""

    @abstractmethod
    def _take_note(self, scored: Scored) -> None:
        """Learn from an outcome, now or later."""

    def _may_ask(self) -> bool:
        """Whether a candidate can be proposed before more outcomes."""
        return True

    def _find_nothing(self) -> None:
        """Take note that nothing new and admissible was found."""
        self._is_exhausted = True

    def _generation_of(self, number: int) -> int:
        """The generation of the next candidate."""
        return number // self._size

    def _on_their_way(self) -> Sequence[int]:
        """The candidates whose outcomes a proposal doesn't know."""
        return sorted(self._pending)

    # --- the steps ----------------------------------------------------------------------------------------------

    def _take(self, candidate: Candidate) -> None:
        self._breeder.take(candidate.genome, candidate.operator)
        self._candidates[candidate.number] = candidate.unpredicted()
        self._pending.add(candidate.number)

    def _propose(self, number: int) -> tuple[Offspring | None, tuple[Prediction, ...]]:
        """The next candidate, and what is expected of it; None where nothing new and admissible is found."""
        known, advisor = self._breeder.next_known(), self._advisor
        if known is not None:
            return known, ()
        is_sampling = number < (self._size if advisor is None else min(self._size, advisor.initial))
        survivors = () if is_sampling else self._survivors()
        if advisor is None or not (is_sampling or (len(survivors) > 1 and advisor.is_ready(number))):
            return self._breeder.breed(number, survivors), ()
        brood = self._breeder.brood(number, survivors, advisor.brood_size(number))
        if not brood:
            return self._breeder.breed(number, survivors), ()
        if is_sampling:
            return advisor.spread(brood, taken=list(self._candidates.values())), ()
        pending = [self._candidates[other] for other in self._on_their_way()]
        return advisor.choose(brood, number=number, pending=pending, vary=partial(self._breeder.variants, number))

    def _learn(self, scored: Scored) -> FrontChange | None:
        """Learn from an outcome; a later one of the same candidate takes the place of the earlier one.

        Returns:
            How the front changed; None where there is no fitness.
        """
        candidate = self._candidates[scored.number]
        if self._advisor is not None:
            self._advisor.note(candidate.genome, scored)
        is_first = scored.number not in self._fitnesses
        if scored.fitness is None:
            if is_first:
                self._rates.note(candidate.operator, 0.0)
            return None
        self._fitnesses[scored.number] = scored.fitness
        change = self._front.add(scored.number, scored.fitness)
        if is_first:
            self._rates.note(candidate.operator, self._reward(candidate, scored.fitness, change))
        return change

    def _individual(self, number: int) -> Individual:
        fitness, genes = self._fitnesses[number], self._candidates[number].genome.genes
        return Individual(genes, fitness=ConstrainedFitness(fitness.values, fitness.violation), number=number)

    def _reward(self, candidate: Candidate, fitness: Fitness, change: FrontChange) -> float:
        """What the operators are credited for a child: much for the front, something for no step back."""
        if candidate.number in change.entered:
            return 1.0
        parent = self._fitnesses.get(candidate.parents[0]) if candidate.parents else None
        if parent is None or not fitness.is_feasible:
            return 0.0
        is_dominated = all(map(ge, parent.values, fitness.values))
        return 0.0 if is_dominated else NO_STEP_BACK
