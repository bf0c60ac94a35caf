"""Drafts, on which edits work: genes with holes, and the layers among them."""

from __future__ import annotations

import random
from collections.abc import Callable

from gasearch.evolution.rng import pick
from gasearch.evolution.sampling import HOLE
from gasearch.space.decisions import Space

NEIGHBOUR = 0.75  #: Share of ordinal changes that move by one option.

Draft = list[int]
Edit = Callable[[Draft, Space, random.Random], bool]  #: Changes a draft in place; False where it can't.


def take_layers(draft: Draft, space: Space) -> list[Draft]:
    """The expressing layers of a draft: per layer its genes, with holes where they don't express."""
    return [[draft[index] for index in slot] for slot in space.slots[: space.layer_count(draft)]]


def put_layers(layers: list[Draft], draft: Draft, space: Space) -> None:
    """Write layers into the first slots of a draft, and holes into the rest."""
    for position, slot in enumerate(space.slots):
        layer = layers[position] if position < len(layers) else [HOLE] * len(slot)
        for index, gene in zip(slot, layer, strict=True):
            draft[index] = gene


def changeable_genes(draft: Draft, space: Space) -> list[int]:
    """The decisions that express and have another option, but for the depth."""
    return [index for index, gene in enumerate(draft) if gene >= 0 and space.sizes[index] > 1 and index != space.depth]


def other_option(gene: int, index: int, space: Space, rng: random.Random) -> int:
    """Another option of the decision, mostly a neighbouring one where options are ordinal."""
    size = space.sizes[index]
    if space.ordinal[index] and rng.random() < NEIGHBOUR:
        return neighbour(gene, size, rng)
    other = pick(rng, size - 1)
    return other if other < gene else other + 1


def neighbour(gene: int, size: int, rng: random.Random) -> int:
    """The option before or after; the one that there is at either end."""
    step = 1 if rng.random() < 0.5 else -1
    return gene + step if 0 <= gene + step < size else gene - step
