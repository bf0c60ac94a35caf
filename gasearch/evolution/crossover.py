"""Crossover of genomes of different depth: align the layers, then exchange whole layers or single genes."""

from __future__ import annotations

import random
from collections.abc import Mapping

from gasearch.evolution.individual import Individual
from gasearch.evolution.mutation import mutate
from gasearch.evolution.partial_genomes import INACTIVE, PartialGenome
from gasearch.evolution.rng import GLOBAL, pick
from gasearch.space.decisions import Genes, Space

ATTEMPTS = 4  #: Exchanges tried before a child that equals a parent is mutated instead.
STEPS = 32  #: Mutations tried then; more than one is rare.

#: The kinds of crossover in a space with layer slots, and their shares; in others there is one: `crossover`.
CROSSOVER_KINDS = {"crossover_layers": 0.5, "crossover_genes": 0.5}


def mate(
    first: Individual,
    second: Individual,
    *,
    space: Space,
    rng: random.Random = GLOBAL,
    rates: Mapping[str, float] | None = None,
) -> tuple[Individual, Individual]:
    """Make a child of two parents that differs from both; a mutant of the child where exchange can't make one.

    One parent, chosen at random, gives the depth; its layers meet the other's at the same relative or the same
    absolute position. Each gene comes from one of the parents, or is sampled where it expresses in the child alone.

    Args:
        first: Becomes the child in place.
        second: Comes back as it was.
        space: What the genes mean.
        rng: For all draws.
        rates: How often each kind of crossover and of mutation is drawn, by name; see `CROSSOVER_KINDS` and `mutate`.
    """
    parents = tuple(first), tuple(second)
    if parents[0] == parents[1]:
        return (*mutate(first, space=space, rng=rng, rates=rates), second)
    kinds = {kind: share if rates is None else rates.get(kind, share) for kind, share in CROSSOVER_KINDS.items()}
    whole = kinds["crossover_layers"] / sum(kinds.values())
    for _ in range(ATTEMPTS):
        ours, theirs = parents if rng.random() < 0.5 else parents[::-1]
        genes, name = _exchange(PartialGenome(space.marked(ours), space, rng), space.marked(theirs), whole)
        first[:], first.operator = genes, name
        if genes not in parents:
            return first, second
    for _ in range(1 + STEPS):
        mutate(first, space=space, rng=rng, rates=rates)
        if tuple(first) not in parents:
            break
    first.operator = f"{name}+{first.operator}"
    return first, second


def _exchange(partial: PartialGenome, genes: list[int], whole: float) -> tuple[Genes, str]:
    """A child, and its kind; `whole` is the chance that its parents exchange whole layers."""
    space, rng = partial.space, partial.rng
    if not space.slots:
        partial[:] = _blend(partial, genes, rng)
        return partial.settled(), "crossover"
    layers, others = partial.layers, PartialGenome(genes, space, rng).layers
    depth = partial[space.depth] if space.depth is not None else INACTIVE
    takes_whole_layers = rng.random() < whole
    for position, partner in enumerate(align(len(layers), len(others), rng)):
        if partner is None:
            continue
        if not takes_whole_layers:
            layers[position] = _blend(layers[position], others[partner], rng)
        elif rng.random() < 0.5:
            layers[position] = others[partner]
    partial[:] = _blend(partial, genes, rng)  # the decisions outside the slots; the next lines overwrite the others
    if space.depth is not None:
        partial[space.depth] = depth
    partial.layers = layers
    return partial.settled(), "crossover_layers" if takes_whole_layers else "crossover_genes"


def _blend(ours: list[int], theirs: list[int], rng: random.Random) -> list[int]:
    """Each gene from either side; where one side's is inactive, from the other."""
    draw = rng.random
    return [b if a == INACTIVE or (b != INACTIVE and draw() < 0.5) else a for a, b in zip(ours, theirs, strict=True)]


def align(count: int, others: int, rng: random.Random) -> list[int | None]:
    """Per layer of the base, its partner among the donor's layers, or None.

    Args:
        count: Layers of the base.
        others: Layers of the donor.
        rng: For all draws.
    """
    if not others:
        return [None] * count
    if rng.random() < 0.5:
        return [position if position < others else None for position in range(count)]
    if count == 1:
        return [pick(rng, others)]
    return [round(position * (others - 1) / (count - 1)) for position in range(count)]
