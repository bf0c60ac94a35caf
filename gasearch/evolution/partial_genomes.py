"""Partial genomes, on which edits work: genes of which some are inactive, and the layers among them."""

from __future__ import annotations

import random
from collections.abc import Callable

from gasearch.evolution.rng import pick
from gasearch.evolution.sampling import INACTIVE
from gasearch.space.decisions import Space

NEIGHBOUR = 0.75  #: Share of ordinal changes that move by one option.

PartialGenome = list[int]
Edit = Callable[[PartialGenome, Space, random.Random], bool]  #: Changes a partial in place; False where it can't.


def take_layers(partial: PartialGenome, space: Space) -> list[PartialGenome]:
    """The expressing layers of a partial genome: per layer its genes, -1 where they don't express."""
    return [[partial[index] for index in slot] for slot in space.slots[: space.layer_count(partial)]]


def put_layers(layers: list[PartialGenome], partial: PartialGenome, space: Space) -> None:
    """Write layers into the first slots of a partial genome; genes of the rest become inactive.

    Args:
        layers: The genes of each.
        partial: A partial genome, changed in place.
        space: What genes mean.
    """
    for position, slot in enumerate(space.slots):
        layer = layers[position] if position < len(layers) else [INACTIVE] * len(slot)
        for index, gene in zip(slot, layer, strict=True):
            partial[index] = gene


def changeable_genes(partial: PartialGenome, space: Space) -> list[int]:
    """The decisions that express and have another option, but for the depth."""
    return [
        index for index, gene in enumerate(partial) if gene >= 0 and space.sizes[index] > 1 and index != space.depth
    ]


def other_option(gene: int, index: int, space: Space, rng: random.Random) -> int:
    """Another option of the decision, mostly a neighbouring one where options are ordinal.

    Args:
        gene: The option that it has.
        index: Of the decision.
        space: What genes mean.
        rng: For all draws.
    """
    size = space.sizes[index]
    if space.ordinal[index] and rng.random() < NEIGHBOUR:
        return neighbour(gene, size, rng)
    other = pick(rng, size - 1)
    return other if other < gene else other + 1


def neighbour(gene: int, size: int, rng: random.Random) -> int:
    """The option before or after; the one that there is at either end.

    Args:
        gene: The option that it has.
        size: How many options it has.
        rng: For all draws.
    """
    step = 1 if rng.random() < 0.5 else -1
    return gene + step if 0 <= gene + step < size else gene - step
