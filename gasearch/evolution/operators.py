"""Our operators as a DEAP toolbox holds them: they take and return individuals.

What they do with genes is in `sampling.py`, `mutation.py` and `crossover.py`. They know which genes express: every
child is another network than its parents. Without a generator they draw from the global one, as DEAP's operators do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gasearch.evolution.crossover import mate as mate_genes
from gasearch.evolution.individual import Individual
from gasearch.evolution.mutation import mutate as mutate_genes
from gasearch.evolution.rng import GLOBAL, pick
from gasearch.evolution.sampling import Variant, sample
from gasearch.evolution.selection import AGING_SAMPLE, select_survivors
from gasearch.space.decisions import Space

TRIES = 4  #: Draws of a second parent that may be the first one again, before any other one is taken.


def make_individual(*, space: Space, rng: random.Random = GLOBAL) -> Individual:
    """A random individual: each decision that expresses is uniform, the number of layers too."""
    genes, operator = sample(space, rng)
    return Individual(genes, operator=operator)


def mutate(
    individual: Individual,
    *,
    space: Space,
    rng: random.Random = GLOBAL,
    rates: Mapping[str, float] | None = None,
) -> tuple[Individual]:
    """Change an individual into another network, by one of the kinds of mutation for this space.

    Args:
        individual: Changed in place, and returned.
        space: What its genes mean.
        rng: For all draws.
        rates: How often each kind is drawn, by name; as in `mutation_kinds` where None.
    """
    return (_become(individual, mutate_genes(tuple(individual), space, rng, rates)),)


def mate(
    first: Individual,
    second: Individual,
    *,
    space: Space,
    rng: random.Random = GLOBAL,
    rates: Mapping[str, float] | None = None,
) -> tuple[Individual, Individual]:
    """Make a child of two individuals out of the first one; the second comes back as it was.

    Args:
        first: Changed in place.
        second: Gives genes.
        space: What the genes mean.
        rng: For all draws.
        rates: How often each kind of crossover and mutation is drawn, by name.
    """
    return _become(first, mate_genes(tuple(first), tuple(second), space, rng, rates)), second


def choose(individuals: Sequence[Individual], k: int, *, rng: random.Random = GLOBAL) -> list[Individual]:
    """Parents, one or two: each the better of two drawn at random; two are different ones.

    Args:
        individuals: Best first, at least one; two different ones where two are asked for.
        k: How many.
        rng: For the draws.
    """
    return _distinct(individuals, k, 2, rng)


class AgingParents:
    """Parents of an aging search: the best, as `select_survivors` orders them, of a random fifth of the survivors.

    The paper has one objective. Rank and crowding are those among all survivors: within a sample the two ends of each
    objective are infinitely lonely, and an end would always win.
    """

    def __init__(self) -> None:
        """Remembers the order of the survivors that it was asked about last: several children come from each."""
        self._survivors: tuple[Individual, ...] = ()
        self._ordered: list[Individual] = []

    def __call__(self, individuals: Sequence[Individual], k: int, *, rng: random.Random = GLOBAL) -> list[Individual]:
        """Parents.

        Args:
            individuals: Survivors in any order.
            k: How many.
            rng: For the draws.
        """
        if individuals is not self._survivors:
            self._ordered = select_survivors(individuals, len(individuals))
            self._survivors = individuals if isinstance(individuals, tuple) else ()
        return _distinct(self._ordered, k, max(2, round(AGING_SAMPLE * len(self._ordered))), rng)


def _distinct(ordered: Sequence[Individual], count: int, size: int, rng: random.Random) -> list[Individual]:
    chosen = [_tournament(ordered, rng, size)]
    for _ in range(TRIES) if count > 1 else ():
        other = _tournament(ordered, rng, size)
        if other.number != chosen[0].number:
            return [*chosen, other]
    return chosen if count == 1 else [*chosen, next(one for one in ordered if one.number != chosen[0].number)]


def _tournament(ordered: Sequence[Individual], rng: random.Random, size: int) -> Individual:
    """The best of `size` drawn at random, with replacement, from a sequence ordered best first."""
    return ordered[min(pick(rng, len(ordered)) for _ in range(size))]


def _become(individual: Individual, variant: Variant) -> Individual:
    individual[:], individual.operator = variant.genes, variant.operator
    return individual
