"""The generational policy: breed a whole generation, wait for all of it, keep the best of parents and children."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.evolution.breeder import Breeder, Offspring, Violation
from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.evolution.selection import Individual
from gasearch.evolution.toolbox import Operators, make_toolbox
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome


class GenerationalEngine(Engine):
    """An `Engine` in generations of `population` candidates.

    A candidate depends on the earlier generations alone: neither the order of tells within a generation nor the
    moment of an ask changes it. So replaying recorded outcomes gives the recorded candidates. A generation is shorter
    when nothing more that is new and admissible could be found; one without any candidate ends the search.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        population: int,
        toolbox: Operators | None = None,
        violation: Violation = lambda genome: 0.0,
        known: Sequence[Genome] = (),
    ) -> None:
        """An engine before its first generation.

        Args:
            space: what may be proposed.
            seed: of every random draw.
            population: candidates per generation and survivors kept, at least 2.
            toolbox: operators; `make_toolbox(space)` where None.
            violation: of the limits that arithmetic can decide; a genome above 0 is never proposed.
            known: networks to begin with, proposed first; those that break a limit or repeat are left out.

        Raises:
            ValueError: for a population below 2, or more known genomes than the first generation holds.
        """
        if population < 2:
            raise ValueError(f"population must be at least 2; got {population}")
        if len(known) > population:
            raise ValueError(f"the first generation holds {population} candidates; got {len(known)} known genomes")
        self._operators: Operators = make_toolbox(space) if toolbox is None else toolbox
        self._breeder = Breeder(space, self._operators, seed=seed, violation=violation)
        self._size = population
        self._known = [genome for genome in known if self._breeder.admit(genome)][::-1]
        self._survivors: tuple[Individual, ...] = ()
        self._children: list[Individual] = []
        self._pending: dict[int, Genome] = {}  # asked for, not yet told
        self._first = 0  # number of this generation's first candidate
        self._next = 0
        self._generation = 0
        self._is_bred = False  # whether this generation gets no further candidate
        self._is_exhausted = False

    def ask(self) -> Candidate | None:
        """See `Engine.ask`."""
        while not self._is_exhausted:
            if not self._is_bred:
                offspring = self._offspring()
                if offspring is not None:
                    return self._propose(offspring)
                self._is_bred = True
            if self._pending:
                return None
            if self._next == self._first:
                self._is_exhausted = True
            else:
                self._complete_generation()
        return None

    def tell(self, scored: Scored) -> None:
        """See `Engine.tell`."""
        genome = self._pending.pop(scored.number, None)
        if genome is None:
            what = "was told before" if 0 <= scored.number < self._next else "was never asked for"
            raise ValueError(f"candidate {scored.number} {what}; {self._next} were asked for")
        if scored.fitness is not None:
            self._children.append(Individual(number=scored.number, genome=genome, fitness=scored.fitness))
        if self._is_bred and not self._pending:
            self._complete_generation()

    @property
    def is_exhausted(self) -> bool:
        """See `Engine.is_exhausted`; found out by the ask that finds nothing."""
        return self._is_exhausted

    @property
    def population(self) -> tuple[int, ...]:
        """See `Engine.population`: the survivors of the last complete generation, best first; () before."""
        return tuple(survivor.number for survivor in self._survivors)

    @property
    def lookahead(self) -> int:
        """See `Engine.lookahead`: a whole generation, which no outcome of its own can change."""
        return self._size

    @property
    def completed_generations(self) -> int:
        """How many generations were told completely."""
        return self._generation

    def _offspring(self) -> Offspring | None:
        if self._known:
            return Offspring(genome=self._known.pop(), parents=(), operator="known")
        return self._breeder.breed(self._next, self._survivors)

    def _propose(self, offspring: Offspring) -> Candidate:
        candidate = Candidate(
            number=self._next,
            genome=offspring.genome,
            generation=self._generation,
            parents=offspring.parents,
            operator=offspring.operator,
            told=self._first,
        )
        self._pending[candidate.number] = candidate.genome
        self._next += 1
        self._is_bred = self._next - self._first == self._size
        return candidate

    def _complete_generation(self) -> None:
        self._survivors = tuple(self._operators.select((*self._survivors, *self._children), self._size))
        self._children = []
        self._first = self._next
        self._generation += 1
        self._is_bred = False
