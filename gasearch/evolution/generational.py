"""The generational policy: breed a whole generation, wait for all of it, keep the best of parents and children."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

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
        self._known = deque(genome for genome in known if self._breeder.admit(genome))
        self._brood: deque[Candidate] = deque()  # of this generation, not yet asked for
        self._pending: dict[int, Genome] = {}  # asked for, not yet told
        self._children: list[Individual] = []  # told, with success
        self._survivors: tuple[Individual, ...] = ()
        self._generation = 0
        self._asked = 0
        self._is_exhausted = False

    def ask(self) -> Candidate | None:
        """See `Engine.ask`."""
        if not self._brood and not self._pending and not self._is_exhausted:
            self._brood.extend(self._breed())
            self._is_exhausted = not self._brood
        if not self._brood:
            return None
        candidate = self._brood.popleft()
        self._pending[candidate.number] = candidate.genome
        self._asked += 1
        return candidate

    def tell(self, scored: Scored) -> None:
        """See `Engine.tell`."""
        genome = self._pending.pop(scored.number, None)
        if genome is None:
            what = "was told before" if 0 <= scored.number < self._asked else "was never asked for"
            raise ValueError(f"candidate {scored.number} {what}; {self._asked} were asked for")
        if scored.fitness is not None:
            self._children.append(Individual(number=scored.number, genome=genome, fitness=scored.fitness))
        if not self._pending and not self._brood:
            self._complete_generation()

    @property
    def lookahead(self) -> int:
        """See `Engine.lookahead`: a whole generation, as none of it depends on the rest of it."""
        return self._size

    @property
    def completed_generations(self) -> int:
        """See `Engine.completed_generations`."""
        return self._generation

    @property
    def is_exhausted(self) -> bool:
        """See `Engine.is_exhausted`; found out by the ask that finds nothing."""
        return self._is_exhausted

    @property
    def population(self) -> tuple[int, ...]:
        """See `Engine.population`: the survivors of the last complete generation, best first; () before."""
        return tuple(survivor.number for survivor in self._survivors)

    def _breed(self) -> Iterator[Candidate]:
        """This generation, at once, so that the tell of its last candidate knows that it is the last."""
        told = self._asked
        for number in range(told, told + self._size):
            offspring = self._offspring(number)
            if offspring is None:
                return
            yield Candidate(
                number=number,
                genome=offspring.genome,
                generation=self._generation,
                parents=offspring.parents,
                operator=offspring.operator,
                told=told,
            )

    def _offspring(self, number: int) -> Offspring | None:
        if self._known:
            return Offspring(genome=self._known.popleft(), parents=(), operator="known")
        return self._breeder.breed(number, self._survivors)

    def _complete_generation(self) -> None:
        self._survivors = tuple(self._operators.select((*self._survivors, *self._children), self._size))
        self._children = []
        self._generation += 1
