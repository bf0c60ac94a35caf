"""Breeding: new, distinct, admissible candidates, one or a brood to choose from. Policies decide from whom and when."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from gasearch.evolution.individual import Individual
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.space.decisions import Genes, Space
from gasearch.space.genome import Genome, make_genome
from gasearch.space.size import every_conditioned, every_genome

CHILDREN = 4  #: Children tried before the best of them is walked to somewhere new.
SAMPLES = 8  #: The same for samples.
STEPS = 200  #: Longest walk.
RESTARTS = 8  #: Rounds of samples and a walk from the best, before a large space counts as exhausted.
SAMPLED = 0.1  #: Share of samples in a brood.
MOST_ENUMERATED = 20_000  #: Spaces with at most so many networks are searched to the last one.
KNOWN = "known"  #: The operator of a network that the search begins with.

Violation = Callable[[Genome], float]  #: By how much arithmetic limits are missed; 0 where a network may be proposed.


@dataclass(frozen=True, slots=True)
class Offspring:
    """A genome that may be proposed, and where it came from."""

    genome: Genome
    parents: tuple[int, ...]  #: Candidate numbers; empty for a sample.
    operator: str
    violation: float = 0.0  #: Of the limits that arithmetic can decide; 0 where the genome is taken already.


class Breeder:
    """Makes candidates that are new to the search and keep every limit that arithmetic can decide.

    What it makes is a function of the seed, the candidate's number, the parents and all that was taken before.
    """

    def __init__(
        self, space: Space, toolbox: SeededToolbox, *, seed: int, violation: Violation, known: Sequence[Genome] = ()
    ) -> None:
        """A breeder that knows of no candidate yet.

        Args:
            space: What genomes mean.
            toolbox: Makes variants.
            seed: Of the order in which a small space is searched to its end.
            violation: Of the limits that arithmetic can decide.
            known: Networks to begin with.
        """
        self._space, self._toolbox, self._seed = space, toolbox, seed
        self._violation = violation
        self._seen: set[str] = set()
        self._known = deque(known)

    def is_admissible(self, genome: Genome) -> bool:
        """Whether a genome from elsewhere may be proposed: new, and within the limits."""
        return genome.key not in self._seen and self._violation(genome) <= 0

    def take(self, genome: Genome, operator: str = "") -> None:
        """Take a genome as proposed: it won't be made again; of known networks, those before it are left out too."""
        self._seen.add(genome.key)
        while operator == KNOWN and self._known:
            if self._known.popleft().key == genome.key:
                break

    def next_known(self) -> Offspring | None:
        """The next of the networks to begin with that is admissible; None where none is left."""
        while self._known and not self.is_admissible(self._known[0]):
            self._known.popleft()
        return Offspring(self._known[0], (), KNOWN) if self._known else None

    def breed(self, number: int, survivors: Sequence[Individual]) -> Offspring | None:
        """A child of the survivors, or a sample where there are too few of them for parents.

        Returns:
            None if nothing new and admissible was found: for good in a space of at most 20,000 networks, else within
            some 2,000 tries.
        """
        with self._toolbox.draws(number, "breed") as rng:
            child = None
            if len(survivors) >= self._toolbox.fewest_parents:
                child = self._find(lambda: self._child(survivors, rng), CHILDREN, rng)
            return child or self._fresh(rng)

    def brood(self, number: int, survivors: Sequence[Individual], count: int) -> list[Offspring]:
        """Different candidates to choose from: children of the survivors, and a share of samples.

        Args:
            number: Of the candidate that one of them will be.
            survivors: Where they are too few for parents, all are samples.
            count: How many are wanted; fewer where that many aren't found in twice as many tries, none where the limits
                or the space are tight: then `breed` looks longer.
        """
        is_sampled = len(survivors) < self._toolbox.fewest_parents
        with self._toolbox.draws(number, "drafts") as rng:
            return self._distinct(
                lambda: self._sample(rng) if is_sampled or rng.random() < SAMPLED else self._child(survivors, rng),
                count,
            )

    def variants(self, number: int, brood: Sequence[Offspring], count: int, *, step: int) -> list[Offspring]:
        """Different mutants of some offspring, to choose from besides these.

        Each has its origin's parents, and is named by what made that one first and by its own mutation.

        Args:
            number: Of the candidate that one of them may be.
            brood: At least one.
            count: How many are wanted; fewer where that many aren't found in twice as many tries.
            step: Tells one call from the next of the same number.
        """
        with self._toolbox.draws(number, f"variants {step}") as rng:
            return self._distinct(lambda: self._variant(brood[pick(rng, len(brood))], rng), count)

    def _variant(self, origin: Offspring, rng: random.Random) -> Offspring:
        genes, mutation = self._toolbox.mutate(origin.genome.genes, rng)
        return self._offspring(genes, origin.parents, f"{origin.operator.partition('+')[0]}+{mutation}")

    def _distinct(self, propose: Callable[[], Offspring], count: int) -> list[Offspring]:
        found: dict[str, Offspring] = {}
        for _ in range(2 * count):
            offspring = propose()
            if self._is_new(offspring):
                found.setdefault(offspring.genome.key, offspring)
            if len(found) == count:
                break
        return list(found.values())

    def _fresh(self, rng: random.Random) -> Offspring | None:
        for _ in range(RESTARTS):
            found = self._find(lambda: self._sample(rng), SAMPLES, rng)
            if found:
                return found
            if self._is_small:  # the next of all networks that remain, in a seeded order
                return next(
                    filter(self._is_new, (self._offspring(genes, (), "enumerate") for genes in self._rest)), None
                )
        return None

    def _find(self, propose: Callable[[], Offspring], tries: int, rng: random.Random) -> Offspring | None:
        """The first admissible one of some, else the end of a walk from the least violating one."""
        nearest: Offspring | None = None
        for _ in range(tries):
            offspring = propose()
            if self._is_new(offspring):
                return offspring
            if nearest is None or offspring.violation < nearest.violation:
                nearest = offspring
        return self._walk(nearest, rng) if nearest else None

    def _walk(self, offspring: Offspring, rng: random.Random) -> Offspring | None:
        """Mutate until new and admissible; no step raises the violation, so tight limits are met step by step."""
        for _ in range(STEPS):
            genes, _name = self._toolbox.mutate(offspring.genome.genes, rng)
            step = self._offspring(genes, offspring.parents, f"{offspring.operator.removesuffix('+walk')}+walk")
            if step.violation > offspring.violation:
                continue
            if self._is_new(step):
                return step
            offspring = step
        return None

    @cached_property
    def _is_small(self) -> bool:
        return next(islice(every_conditioned(self._space), MOST_ENUMERATED, None), None) is None

    @cached_property
    def _rest(self) -> Iterator[Genes]:
        rng = derive(self._seed, 0, "enumerate")
        return iter(sorted(every_genome(self._space), key=lambda _: rng.random()))

    def _sample(self, rng: random.Random) -> Offspring:
        genes, name = self._toolbox.sample(rng)
        return self._offspring(genes, (), name)

    def _child(self, survivors: Sequence[Individual], rng: random.Random) -> Offspring:
        genes, name, parents = self._toolbox.vary(survivors, rng)
        return self._offspring(genes, parents, name)

    def _offspring(self, genes: Genes, parents: tuple[int, ...], operator: str) -> Offspring:
        genome = make_genome(genes, self._space)
        violation = 0.0 if genome.key in self._seen else self._violation(genome)
        return Offspring(genome, parents, operator, violation)

    def _is_new(self, offspring: Offspring) -> bool:
        return offspring.violation <= 0 and offspring.genome.key not in self._seen
