"""Mutation: change expressing genes; insert, remove or swap layers; move several decisions alike.

Only genes that express are touched, so every mutation makes another network: stock operators on padded genomes spend a
fifth to a third of their evaluations on semantic duplicates. Good networks of a layered space often repeat a choice
from layer to layer, and single changes lead there only through worse ones: hence the moves of several decisions.

A kind of mutation is an `Edit`; its name is what its children's operator is called.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from gasearch.evolution.individual import Individual
from gasearch.evolution.partial_genomes import INACTIVE, PartialGenome, settle
from gasearch.evolution.rng import GLOBAL
from gasearch.space.decisions import Genes, Space

MORE_GENES = 0.35  #: Chance of each further gene in one mutation: 1.5 genes on average.
ATTEMPTS = 8  #: Edits of a kind tried: where layers are compressed, different genes may make the same network.
COPY = 0.5  #: Share of inserted layers that start as a copy of their neighbour.
BITS = ("weight_bits", "activation_bits")
MORE_BITS = 0.5  #: Chance of each further decision on bits in one mutation.
WHOLE_DEPTH = 0.5  #: Share of the moves of a block that take all layers.

Edit = Callable[[PartialGenome], bool]  #: Changes a partial genome in place; False where it can't.


def mutate(
    individual: Individual, *, space: Space, rng: random.Random = GLOBAL, rates: Mapping[str, float] | None = None
) -> tuple[Individual]:
    """Change an individual into another network, by one of the kinds of mutation for this space.

    It stays the same network only where no single change makes another one.

    Args:
        individual: Changed in place, and returned.
        space: What its genes mean.
        rng: For all draws.
        rates: How often each kind is drawn, by name; as in `mutation_kinds` where None or not named.
    """
    individual[:], individual.operator = _mutant(tuple(individual), space, rng, rates)
    return (individual,)


def _mutant(genes: Genes, space: Space, rng: random.Random, rates: Mapping[str, float] | None) -> tuple[Genes, str]:
    edits = (_draw_kind(_kinds(space), rng, rates), change_genes, insert_layers, remove_layers)
    for edit in edits:  # a kind that doesn't apply gives way to the next
        for _ in range(ATTEMPTS):
            partial = PartialGenome(space.marked(genes), space, rng)
            if not edit(partial):
                break
            mutant = partial.settled()
            if mutant != genes:
                return mutant, edit.__name__
    marked = space.marked(genes)
    changes = [(i, option) for i, gene in enumerate(marked) if gene >= 0 for option in range(space.sizes[i])]
    rng.shuffle(changes)
    for index, option in changes:
        mutant = settle([*marked[:index], option, *marked[index + 1 :]], space, rng)
        if mutant != genes:
            return mutant, change_genes.__name__
    return genes, "none"


def mutation_kinds(space: Space) -> dict[str, float]:
    """The kinds of mutation in this space by name, and their shares; these sum to 1."""
    return {edit.__name__: share for edit, share in _kinds(space)}


# --- single genes and layers ------------------------------------------------------------------------------------


def change_genes(partial: PartialGenome) -> bool:
    """Change one or a few expressing genes (not the depth); genes that thereby begin to express are sampled later."""
    return _change_some(partial, partial.changeable(), partial.other, more=MORE_GENES)


def _change_some(partial: PartialGenome, genes: list[int], move: Callable[[int, int], int], *, more: float) -> bool:
    """Move one of these genes, and with a probability each time one more of them; whether there was one."""
    if not genes:
        return False
    while True:
        index = genes.pop(partial.pick(len(genes)))
        partial[index] = move(partial[index], index)
        if not genes or partial.rng.random() >= more:
            return True


def insert_layers(partial: PartialGenome) -> bool:
    """Grow to the next depth: new layers at any position, each a changed copy of its neighbour or sampled."""
    layers = partial.layers
    if not _step_depth(partial, +1):
        return False
    while len(layers) < partial.space.layer_count(partial):
        position = partial.pick(len(layers) + 1)
        layers.insert(position, _new_layer(layers, position, partial))
    partial.layers = layers
    return True


def remove_layers(partial: PartialGenome) -> bool:
    """Shrink to the depth before: layers at any position leave, the others close up."""
    layers = partial.layers
    if not _step_depth(partial, -1):
        return False
    while len(layers) > partial.space.layer_count(partial):
        del layers[partial.pick(len(layers))]
    partial.layers = layers
    return True


def swap_layers(partial: PartialGenome) -> bool:
    """Exchange two layers that differ."""
    layers = partial.layers
    pairs = [(i, j) for j in range(len(layers)) for i in range(j) if layers[i] != layers[j]]
    if not pairs:
        return False
    first, second = pairs[partial.pick(len(pairs))]
    layers[first], layers[second] = layers[second], layers[first]
    partial.layers = layers
    return True


def copy_layer(partial: PartialGenome) -> bool:
    """Copy the choices of a layer over one or more of those that follow it."""
    layers = partial.layers
    if len(layers) < 2:
        return False
    first, last = _run(len(layers), partial)
    layers[first:last] = [list(layers[first]) for _ in range(first, last)]
    before = list(partial)
    partial.layers = layers
    return partial != before


def _new_layer(layers: list[list[int]], position: int, partial: PartialGenome) -> list[int]:
    slot, sizes = partial.space.slots[0], partial.space.sizes
    if not layers or partial.rng.random() >= COPY:
        return [INACTIVE] * len(slot)
    copy = list(layers[min(position, len(layers) - 1)])
    changeable = [place for place, gene in enumerate(copy) if gene >= 0 and sizes[slot[place]] > 1]
    if changeable:
        place = changeable[partial.pick(len(changeable))]
        copy[place] = partial.other(copy[place], slot[place])
    return copy


def _step_depth(partial: PartialGenome, step: int) -> bool:
    depth, space = partial.space.depth, partial.space
    if depth is None or not 0 <= partial[depth] + step < space.sizes[depth]:
        return False
    partial[depth] += step
    return True


# --- several decisions alike ------------------------------------------------------------------------------------


def change_bits(partial: PartialGenome) -> bool:
    """Move the bits of one or a few layers, of weights or activations, to a neighbouring option."""
    bits = [index for index in partial.changeable() if partial.space.name_parts[index][1] in BITS]
    return _change_some(partial, bits, partial.neighbour, more=MORE_BITS)


def change_block(partial: PartialGenome) -> bool:
    """Move one decision of a run of layers, often of all, by one option in the same direction.

    Where its options have no order, the run takes the same option.
    """
    space, depth = partial.space, partial.space.layer_count(partial)
    if depth < 2:
        return False
    first, last = (0, depth) if partial.rng.random() < WHOLE_DEPTH else _run(depth, partial)
    places = [place for place, index in enumerate(space.slots[0]) if space.sizes[index] > 1]
    if not places:
        return False
    place = places[partial.pick(len(places))]
    return _move_alike([slot[place] for slot in space.slots[first:last]], partial)


def change_group(partial: PartialGenome) -> bool:
    """Move several decisions with the same options by one option in the same direction, or to the same option."""
    group = _group(partial)
    if not group:
        return False
    partial.rng.shuffle(group)
    return _move_alike(group[: 2 + partial.pick(len(group) - 1)], partial)


def swap_choices(partial: PartialGenome) -> bool:
    """Exchange the choices of two decisions with the same options."""
    pair = _unlike_pair(partial)
    if pair is None:
        return False
    first, second = pair
    partial[first], partial[second] = partial[second], partial[first]
    return True


def copy_choice(partial: PartialGenome) -> bool:
    """Let a decision choose what another one with the same options has chosen."""
    pair = _unlike_pair(partial)
    if pair is None:
        return False
    partial[pair[0]] = partial[pair[1]]
    return True


def has_groups(space: Space) -> bool:
    """Whether two decisions, outside the layers, have the same options, more than one."""
    options = [decision.options for decision in space.decisions if len(decision.options) > 1]
    return not space.slots and len(set(options)) < len(options)


def _move_alike(indices: list[int], partial: PartialGenome) -> bool:
    """Move decisions with the same options alike, those that express and don't stand at the end already."""
    indices = [index for index in indices if partial[index] >= 0]
    if not indices:
        return False
    size, before, step = partial.space.sizes[indices[0]], [partial[index] for index in indices], partial.direction()
    if partial.space.ordinal[indices[0]]:
        if all(not 0 <= gene + step < size for gene in before):
            step = -step
        after = [min(max(gene + step, 0), size - 1) for gene in before]
    else:
        after = [partial.other(before[0], indices[0])] * len(before)
    for index, gene in zip(indices, after, strict=True):
        partial[index] = gene
    return after != before


def _group(partial: PartialGenome) -> list[int]:
    """All that express of a random decision's group: the decisions with the same options; () where it is alone."""
    groups: dict[object, list[int]] = {}
    for index in partial.changeable():
        groups.setdefault(partial.space.decisions[index].options, []).append(index)
    shared = [group for group in groups.values() if len(group) > 1]
    members = [group for group in shared for _ in group]  # larger groups more often
    return list(members[partial.pick(len(members))]) if members else []


def _unlike_pair(partial: PartialGenome) -> tuple[int, int] | None:
    group = _group(partial)
    pairs = [(first, second) for first in group for second in group if partial[first] != partial[second]]
    return pairs[partial.pick(len(pairs))] if pairs else None


def _run(depth: int, partial: PartialGenome) -> tuple[int, int]:
    """A random run of at least two layers: its first and the one behind its last."""
    first = partial.pick(depth - 1)
    return first, first + 2 + partial.pick(depth - first - 1)


# --- the kinds and their shares ---------------------------------------------------------------------------------

#: In a space with layer slots,
LAYERED_KINDS: tuple[tuple[Edit, float], ...] = (
    (change_genes, 0.45),
    (change_bits, 0.10),
    (change_block, 0.10),
    (insert_layers, 0.13),
    (remove_layers, 0.13),
    (swap_layers, 0.04),
    (copy_layer, 0.05),
)
#: in one with groups of decisions,
GROUPED_KINDS: tuple[tuple[Edit, float], ...] = (
    (change_genes, 0.75),
    (swap_choices, 0.10),
    (copy_choice, 0.10),
    (change_group, 0.05),
)
#: and in others.
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
