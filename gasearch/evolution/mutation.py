"""Mutation: change expressing genes; insert, remove or swap layers; and the moves of `group_moves.py`.

Only genes that express are touched, so every mutation makes another network: stock operators on padded genomes spend a
fifth to a third of their evaluations on semantic duplicates.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gasearch.evolution.group_moves import (
    change_bits,
    change_block,
    change_group,
    copy_choice,
    copy_layer,
    has_groups,
    swap_choices,
)
from gasearch.evolution.partial_genomes import (
    Edit,
    PartialGenome,
    changeable_genes,
    other_option,
    put_layers,
    take_layers,
)
from gasearch.evolution.rng import pick
from gasearch.evolution.sampling import INACTIVE, Variant, settle
from gasearch.space.decisions import Genes, Space

MORE_GENES = 0.35  #: Chance of each further gene in one mutation: 1.5 genes on average.
ATTEMPTS = 8  #: Edits of a kind tried: where layers are compressed, different genes may make the same network.
COPY = 0.5  #: Share of inserted layers that start as a copy of their neighbour.


def mutate(genes: Genes, space: Space, rng: random.Random, rates: Mapping[str, float] | None = None) -> Variant:
    """Other genes than these, by one of the kinds for this space; the same only where no single change makes others.

    Args:
        genes: canonical.
        space: theirs.
        rng: for all draws.
        rates: how often each kind is drawn, by name; those of `mutation_kinds` where None or not named.
    """
    edits = (_draw_kind(_kinds(space), rng, rates), change_genes, insert_layers, remove_layers)
    for edit in edits:  # a kind that doesn't apply gives way to the next
        for _ in range(ATTEMPTS):
            partial = space.marked(genes)
            if not edit(partial, space, rng):
                break
            mutant = settle(partial, space, rng)
            if mutant != genes:
                return Variant(mutant, edit.__name__)
    return _any_other(genes, space, rng)


def mutation_kinds(space: Space) -> dict[str, float]:
    """The kinds of mutation in this space by name, and their shares; these sum to 1."""
    return {edit.__name__: share for edit, share in _kinds(space)}


def _any_other(genes: Genes, space: Space, rng: random.Random) -> Variant:
    """Genes that differ by a single change; the same where no change makes another network."""
    marked = space.marked(genes)
    changes = [(i, option) for i, gene in enumerate(marked) if gene >= 0 for option in range(space.sizes[i])]
    rng.shuffle(changes)
    for index, option in changes:
        mutant = settle([*marked[:index], option, *marked[index + 1 :]], space, rng)
        if mutant != genes:
            return Variant(mutant, change_genes.__name__)
    return Variant(genes, "none")


def change_genes(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Change one or a few expressing genes (not the depth); genes that thereby begin to express are sampled later.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    changeable = changeable_genes(partial, space)
    if not changeable:
        return False
    _change_one(changeable, partial, space, rng)
    while changeable and rng.random() < MORE_GENES:
        _change_one(changeable, partial, space, rng)
    return True


def insert_layers(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Grow to the next depth: new layers at any position, each a changed copy of its neighbour or sampled.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    if not _can_step(partial, space, +1):
        return False
    layers = take_layers(partial, space)
    _step(partial, space, +1)
    while len(layers) < space.layer_count(partial):
        position = pick(rng, len(layers) + 1)
        layers.insert(position, _new_layer(layers, position, space, rng))
    put_layers(layers, partial, space)
    return True


def remove_layers(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Shrink to the depth before: layers at any position leave, the others close up.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    if not _can_step(partial, space, -1):
        return False
    layers = take_layers(partial, space)
    _step(partial, space, -1)
    while len(layers) > space.layer_count(partial):
        del layers[pick(rng, len(layers))]
    put_layers(layers, partial, space)
    return True


def swap_layers(partial: PartialGenome, space: Space, rng: random.Random) -> bool:
    """Exchange two layers that differ.

    Args:
        partial: A partial genome, changed in place.
        space: What genes mean.
        rng: For all draws.
    """
    layers = take_layers(partial, space)
    pairs = [(i, j) for j in range(len(layers)) for i in range(j) if layers[i] != layers[j]]
    if not pairs:
        return False
    first, second = pairs[pick(rng, len(pairs))]
    layers[first], layers[second] = layers[second], layers[first]
    put_layers(layers, partial, space)
    return True


#: The kinds of mutation and their shares: in a space with layer slots, in one with groups of decisions, in others.
LAYERED_KINDS: tuple[tuple[Edit, float], ...] = (
    (change_genes, 0.45),
    (change_bits, 0.10),
    (change_block, 0.10),
    (insert_layers, 0.13),
    (remove_layers, 0.13),
    (swap_layers, 0.04),
    (copy_layer, 0.05),
)
GROUPED_KINDS: tuple[tuple[Edit, float], ...] = (
    (change_genes, 0.75),
    (swap_choices, 0.10),
    (copy_choice, 0.10),
    (change_group, 0.05),
)
PLAIN_KINDS: tuple[tuple[Edit, float], ...] = ((change_genes, 1.0),)


def _kinds(space: Space) -> Sequence[tuple[Edit, float]]:
    if space.slots:
        return LAYERED_KINDS
    return GROUPED_KINDS if has_groups(space) else PLAIN_KINDS


def _draw_kind(kinds: Sequence[tuple[Edit, float]], rng: random.Random, rates: Mapping[str, float] | None) -> Edit:
    shares = [share if rates is None else rates.get(edit.__name__, share) for edit, share in kinds]
    point = rng.random() * sum(shares)
    for (edit, _), share in zip(kinds, shares, strict=True):
        point -= share
        if point < 0:
            return edit
    return change_genes


def _change_one(changeable: list[int], partial: PartialGenome, space: Space, rng: random.Random) -> None:
    index = changeable.pop(pick(rng, len(changeable)))
    partial[index] = other_option(partial[index], index, space, rng)


def _new_layer(layers: list[PartialGenome], position: int, space: Space, rng: random.Random) -> PartialGenome:
    slot = space.slots[0]
    if not layers or rng.random() >= COPY:
        return [INACTIVE] * len(slot)
    copy = list(layers[min(position, len(layers) - 1)])
    changeable = [place for place, gene in enumerate(copy) if gene >= 0 and space.sizes[slot[place]] > 1]
    if changeable:
        place = changeable[pick(rng, len(changeable))]
        copy[place] = other_option(copy[place], slot[place], space, rng)
    return copy


def _can_step(partial: PartialGenome, space: Space, step: int) -> bool:
    return space.depth is not None and 0 <= partial[space.depth] + step < space.sizes[space.depth]


def _step(partial: PartialGenome, space: Space, step: int) -> None:
    if space.depth is not None:
        partial[space.depth] += step
