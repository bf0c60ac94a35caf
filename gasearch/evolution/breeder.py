"""Breeding: one new, distinct, admissible candidate at a time. Policies decide from whom and when."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import lt
from typing import Any

from gasearch.evolution.adaptation import takes_rates
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.selection import Individual
from gasearch.evolution.toolbox import MATE, Operators
from gasearch.space.decisions import Genes, Space
from gasearch.space.enumerate import every_conditioned, every_genome
from gasearch.space.genome import Genome, make_genome

MUTATE_TOO = 0.5  #: Share of these that are mutated as well.
CHILDREN = 4  #: Children tried before the best of them is walked to somewhere new.
SAMPLES = 8  #: The same for samples.
STEPS = 200  #: Longest walk.
RESTARTS = 8  #: Rounds of samples and a walk from the best, before a large space counts as exhausted.
SAMPLED = 0.1  #: Share of samples among the drafts that a surrogate chooses from.
MOST_ENUMERATED = 20_000  #: Spaces with at most so many networks are searched to the last one.

Violation = Callable[[Genome], float]  #: By how much arithmetic limits are missed; 0 where a network may be proposed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Offspring:
    """A genome to propose, and where it came from."""

    genome: Genome
    parents: tuple[int, ...]  #: Candidate numbers; empty for a sample.
    operator: str


@dataclass(frozen=True, slots=True)
class _Draft:
    genome: Genome
    parents: tuple[int, ...]
    operator: str
    violation: float


class Breeder:
    """Makes candidates that are new to the search and keep every limit that arithmetic can decide.

    What it makes is a function of the seed, the candidate's number, the parents and all that was taken before.
    """

    def __init__(
        self,
        space: Space,
        operators: Operators,
        *,
        seed: int,
        violation: Violation,
        rates: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """A breeder that knows of no candidate yet.

        Args:
            space: What genomes mean.
            operators: Make variants.
            seed: Of every draw.
            violation: Of the limits that arithmetic can decide.
            rates: How often each kind of variant is to be made, for the operators that take such rates.
        """
        self._space = space
        self._operators = operators
        self._seed = seed
        self._violation = violation
        self._mate_share = float(getattr(operators, "mate_share", MATE))
        self._mutate = _at_rates(operators.mutate, rates)
        self._mate = _at_rates(operators.mate, rates)
        self._seen: set[str] = set()

    def is_admissible(self, genome: Genome) -> bool:
        """Whether a genome from elsewhere may be proposed: new, and within the limits."""
        return genome.key not in self._seen and self._violation(genome) <= 0

    def take(self, genome: Genome) -> None:
        """Take a genome as proposed: it won't be made again."""
        self._seen.add(genome.key)

    def breed(self, number: int, survivors: Sequence[Individual]) -> Offspring | None:
        """A child of the survivors (ordered best first), or a sample where there are fewer than two of them.

        Returns:
            None if nothing new and admissible was found: for good in a space of at most 20,000 networks, else within
            some 2,000 tries.
        """
        rng = derive(self._seed, number, "breed")
        if len(survivors) > 1:
            child = self._find(lambda: self._child(survivors, rng), CHILDREN, rng)
            if child:
                return child
        return self._fresh(rng)

    def drafts(self, number: int, survivors: Sequence[Individual], count: int) -> list[Offspring]:
        """Different candidates to choose from: children of the survivors, and a share of samples.

        Args:
            number: Of the candidate that one of them will be.
            survivors: Best first; where they are fewer than two, all drafts are samples.
            count: How many are wanted; fewer where that many aren't found in twice as many tries, none where the limits
                or the space are tight: then `breed` looks longer.
        """
        rng = derive(self._seed, number, "drafts")
        is_sampled = len(survivors) < 2
        found: dict[str, Offspring] = {}
        for _ in range(2 * count):
            draft = self._sample(rng) if is_sampled or rng.random() < SAMPLED else self._child(survivors, rng)
            if self._is_new(draft):
                found.setdefault(draft.genome.key, _offspring(draft))
            if len(found) == count:
                break
        return list(found.values())

    def variants(self, number: int, drafts: Sequence[Offspring], count: int, *, step: int) -> list[Offspring]:
        """Different mutants of some drafts, to choose from besides these.

        Each has its draft's parents, and is named by what made that one first and by its own mutation.

        Args:
            number: Of the candidate that one of them may be.
            drafts: At least one.
            count: How many are wanted; fewer where that many aren't found in twice as many tries.
            step: Tells one call from the next of the same number.
        """
        rng = derive(self._seed, number, f"variants {step}")
        found: dict[str, Offspring] = {}
        for _ in range(2 * count):
            draft = drafts[pick(rng, len(drafts))]
            genes, mutation = self._mutate(draft.genome.genes, rng=rng)
            variant = self._draft(genes, draft.parents, f"{draft.operator.partition('+')[0]}+{mutation}")
            if self._is_new(variant):
                found.setdefault(variant.genome.key, _offspring(variant))
            if len(found) == count:
                break
        return list(found.values())

    def _fresh(self, rng: random.Random) -> Offspring | None:
        for _ in range(RESTARTS):
            found = self._find(lambda: self._sample(rng), SAMPLES, rng)
            if found:
                return found
            if self._is_small:
                return self._enumerated()
        return None

    def _find(self, propose: Callable[[], _Draft], tries: int, rng: random.Random) -> Offspring | None:
        """The first admissible draft of some, else the end of a walk from the least violating one."""
        nearest: _Draft | None = None
        for _ in range(tries):
            draft = propose()
            if self._is_new(draft):
                return _offspring(draft)
            if nearest is None or draft.violation < nearest.violation:
                nearest = draft
        return self._walk(nearest, rng) if nearest else None

    def _walk(self, draft: _Draft, rng: random.Random) -> Offspring | None:
        """Mutate until new and admissible; no step raises the violation, so tight limits are met step by step."""
        for _ in range(STEPS):
            genes, _name = self._mutate(draft.genome.genes, rng=rng)
            step = self._draft(genes, draft.parents, f"{draft.operator.removesuffix('+walk')}+walk")
            if step.violation > draft.violation:
                continue
            if self._is_new(step):
                return _offspring(step)
            draft = step
        return None

    def _enumerated(self) -> Offspring | None:
        """The next of all networks that remain, in a seeded order."""
        for genes in self._rest:
            draft = self._draft(genes, (), "enumerate")
            if self._is_new(draft):
                return _offspring(draft)
        return None

    @cached_property
    def _is_small(self) -> bool:
        return next(islice(every_conditioned(self._space), MOST_ENUMERATED, None), None) is None

    @cached_property
    def _rest(self) -> Iterator[Genes]:
        rng = derive(self._seed, 0, "enumerate")
        return iter(sorted(every_genome(self._space), key=lambda _: rng.random()))

    def _sample(self, rng: random.Random) -> _Draft:
        genes, name = self._operators.sample(rng=rng)
        return self._draft(genes, (), name)

    def _child(self, survivors: Sequence[Individual], rng: random.Random) -> _Draft:
        parent = self._operators.choose(survivors, rng=rng)
        if rng.random() >= self._mate_share:
            genes, name = self._mutate(parent.genome.genes, rng=rng)
            return self._draft(genes, (parent.number,), name)
        other = self._other_parent(parent, survivors, rng)
        genes, name = self._mate(parent.genome.genes, other.genome.genes, rng=rng)
        if rng.random() < MUTATE_TOO:
            genes, mutation = self._mutate(genes, rng=rng)
            name = f"{name}+{mutation}"
        return self._draft(genes, (parent.number, other.number), name)

    def _other_parent(self, parent: Individual, survivors: Sequence[Individual], rng: random.Random) -> Individual:
        for _ in range(CHILDREN):
            other = self._operators.choose(survivors, rng=rng)
            if other.number != parent.number:
                return other
        return next(other for other in survivors if other.number != parent.number)

    def _draft(self, genes: Genes, parents: tuple[int, ...], operator: str) -> _Draft:
        sizes = self._space.sizes
        if len(genes) != len(sizes) or min(genes, default=0) < 0 or not all(map(lt, genes, sizes)):
            raise ValueError(f"operator {operator!r} made genes out of range: {genes!r} for options {sizes!r}")
        genome = make_genome(genes, self._space)
        is_seen = genome.key in self._seen
        return _Draft(genome, parents, operator, self._violation(genome) if not is_seen else 0.0)

    def _is_new(self, draft: _Draft) -> bool:
        return draft.violation <= 0 and draft.genome.key not in self._seen


def _at_rates(operator: Callable[..., Any], rates: Callable[[], Mapping[str, float]] | None) -> Callable[..., Any]:
    """The operator, called with the newest rates if it takes any."""
    if rates is None or not takes_rates(operator):
        return operator

    def adapted(*parents: Genes, rng: random.Random) -> Any:
        return operator(*parents, rng=rng, rates=rates())

    return adapted


def _offspring(draft: _Draft) -> Offspring:
    return Offspring(genome=draft.genome, parents=draft.parents, operator=draft.operator)
