"""Mutations that move several decisions alike: bits, runs of layers, and custom decisions with the same options.

Good networks of a layered space often repeat a choice from layer to layer, and single changes lead there only through
worse ones.
"""

from __future__ import annotations

import random

from gasearch.evolution.partial_genomes import (
    PartialGenome,
    changeable_genes,
    neighbour,
    other_option,
    put_layers,
    take_layers,
)
from gasearch.evolution.rng import pick
from gasearch.space.decisions import Space

BITS = ("weight_bits", "activation_bits")
MORE_BITS = 0.5  #: Chance of each further decision on bits in one mutation.
WHOLE_DEPTH = 0.5  #: Share of the moves of a block that take all layers.


def change_bits(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Move the bits of one or a few layers, of weights or activations, to a neighbouring option.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    bits = [index for index in changeable_genes(partial, space) if space.name_parts[index][1] in BITS]
    if not bits:
        return False
    while True:
        index = bits.pop(pick(rng, len(bits)))
        partial[index] = neighbour(partial[index], space.sizes[index], rng)
        if not bits or rng.random() >= MORE_BITS:
            return True


def change_block(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Move one decision of a run of layers, often of all, by one option in the same direction.

    Where its options have no order, the run takes the same option.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    depth = space.layer_count(partial)
    if depth < 2:
        return False
    first, last = (0, depth) if rng.random() < WHOLE_DEPTH else _run(depth, rng)
    places = [place for place, index in enumerate(space.slots[0]) if space.sizes[index] > 1]
    if not places:
        return False
    place = places[pick(rng, len(places))]
    return _move_alike([slot[place] for slot in space.slots[first:last]], partial, space, rng)


def copy_layer(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Copy the choices of a layer over one or more of those that follow it.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    layers = take_layers(partial, space)
    if len(layers) < 2:
        return False
    first, last = _run(len(layers), rng)
    layers[first:last] = [list(layers[first]) for _ in range(first, last)]
    before = list(partial)
    put_layers(layers, partial, space)
    return partial != before


def change_group(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Move several decisions with the same options by one option in the same direction, or to the same option.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    group = _group(partial, space, rng)
    if not group:
        return False
    rng.shuffle(group)
    return _move_alike(group[: 2 + pick(rng, len(group) - 1)], partial, space, rng)


def swap_choices(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Exchange the choices of two decisions with the same options.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    pair = _unlike_pair(partial, space, rng)
    if pair is None:
        return False
    first, second = pair
    partial[first], partial[second] = partial[second], partial[first]
    return True


def copy_choice(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Let a decision choose what another one with the same options has chosen.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    pair = _unlike_pair(partial, space, rng)
    if pair is None:
        return False
    partial[pair[0]] = partial[pair[1]]
    return True


def has_groups(space: Space) -> bool:
    """Whether two decisions, outside the layers, have the same options, more than one."""
    options = [decision.options for decision in space.decisions if len(decision.options) > 1]
    return not space.slots and len(set(options)) < len(options)


def _move_alike(indices: list[int], partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Move decisions with the same options alike, those that express and don't stand at the end already."""
    indices = [index for index in indices if partial[index] >= 0]
    if not indices:
        return False
    size, before = space.sizes[indices[0]], [partial[index] for index in indices]
    step = 1 if rng.random() < 0.5 else -1
    if space.ordinal[indices[0]]:
        if all(not 0 <= gene + step < size for gene in before):
            step = -step
        after = [min(max(gene + step, 0), size - 1) for gene in before]
    else:
        after = [other_option(before[0], indices[0], space, rng)] * len(before)
    for index, gene in zip(indices, after, strict=True):
        partial[index] = gene
    return after != before


def _group(partial: PartialGenome, space: Space, rng: random.Random) -> list[int]:
    """All that express of a random decision's group: the decisions with the same options; () where it is alone."""
    groups: dict[object, list[int]] = {}
    for index in changeable_genes(partial, space):
        groups.setdefault(space.decisions[index].options, []).append(index)
    shared = [group for group in groups.values() if len(group) > 1]
    members = [group for group in shared for _ in group]  # larger groups more often
    return list(members[pick(rng, len(members))]) if members else []


def _unlike_pair(partial: PartialGenome, space: Space, rng: random.Random) -> tuple[int, int] | None:
    group = _group(partial, space, rng)
    pairs = [(first, second) for first in group for second in group if partial[first] != partial[second]]
    return pairs[pick(rng, len(pairs))] if pairs else None


def _run(depth: int, rng: random.Random) -> tuple[int, int]:
    """A random run of at least two layers: its first and the one behind its last."""
    first = pick(rng, depth - 1)
    return first, first + 2 + pick(rng, depth - first - 1)
