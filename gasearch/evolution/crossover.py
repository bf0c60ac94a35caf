"""Crossover of genomes of different depth: align the layers, then exchange whole layers or single genes."""

from __future__ import annotations

import random
from collections.abc import Mapping

from gasearch.evolution.mutation import mutate
from gasearch.evolution.partial_genomes import PartialGenome, put_layers, take_layers
from gasearch.evolution.rng import pick
from gasearch.evolution.sampling import INACTIVE, Variant, settle
from gasearch.space.decisions import Genes, Space

ATTEMPTS = 4  #: Exchanges tried before a child that equals a parent is mutated instead.
STEPS = 32  #: Mutations tried then; more than one is rare.


#: The kinds of crossover in a space with layer slots, and their shares; in others there is one: `crossover`.
CROSSOVER_KINDS = {"crossover_layers": 0.5, "crossover_genes": 0.5}


def mate(
    first: Genes, second: Genes, space: Space, rng: random.Random, rates: Mapping[str, float] | None = None
) -> Variant:
    """A child of two parents that differs from both; a mutant of the child where exchange can't make one.

    One parent, chosen at random, gives the depth; its layers meet the other's at the same relative or the same
    absolute position. Each gene comes from one of the parents, or is sampled where it expresses in the child alone.

    Args:
        first: canonical.
        second: canonical.
        space: theirs.
        rng: for all draws.
        rates: how often each kind of crossover and of mutation is drawn, by name; see `CROSSOVER_KINDS` and `mutate`.
    """
    if first == second:
        return mutate(first, space, rng, rates)
    kinds = (
        CROSSOVER_KINDS if rates is None else {kind: rates.get(kind, share) for kind, share in CROSSOVER_KINDS.items()}
    )
    whole = kinds["crossover_layers"] / sum(kinds.values())
    for _ in range(ATTEMPTS):
        base, donor = (first, second) if rng.random() < 0.5 else (second, first)
        child = _exchange(space.marked(base), space.marked(donor), space, rng, whole)
        if child.genes not in (first, second):
            return child
    return _walk_away(child, first, second, space, rng, rates)


def _exchange(partial: PartialGenome, donor: PartialGenome, space: Space, rng: random.Random, whole: float) -> Variant:
    """A child; `whole` is the chance that its parents exchange whole layers."""
    if not space.slots:
        return Variant(settle(_blend(partial, donor, rng), space, rng), "crossover")
    layers, others = take_layers(partial, space), take_layers(donor, space)
    depth = partial[space.depth] if space.depth is not None else INACTIVE
    takes_whole_layers = rng.random() < whole
    partners = align(len(layers), len(others), rng)
    for position, partner in enumerate(partners):
        if partner is None:
            continue
        if not takes_whole_layers:
            layers[position] = _blend(layers[position], others[partner], rng)
        elif rng.random() < 0.5:
            layers[position] = others[partner]
    child = _blend(partial, donor, rng)  # the decisions outside the slots; the next lines overwrite the others
    if space.depth is not None:
        child[space.depth] = depth
    put_layers(layers, child, space)
    return Variant(settle(child, space, rng), "crossover_layers" if takes_whole_layers else "crossover_genes")


def _walk_away(
    child: Variant, first: Genes, second: Genes, space: Space, rng: random.Random, rates: Mapping[str, float] | None
) -> Variant:
    """Mutate once, and on while that leads to a parent."""
    mutant = mutate(child.genes, space, rng, rates)
    for _ in range(STEPS):
        if mutant.genes not in (first, second):
            break
        mutant = mutate(mutant.genes, space, rng, rates)
    return Variant(mutant.genes, f"{child.operator}+{mutant.operator}")


def _blend(ours: PartialGenome, theirs: PartialGenome, rng: random.Random) -> PartialGenome:
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
