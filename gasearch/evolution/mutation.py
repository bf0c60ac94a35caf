"""Mutation: change expressing genes; insert, remove or swap layers.

Only genes that express are touched, so every mutation makes another network: stock operators on padded genomes spend a
fifth to a third of their evaluations on semantic duplicates.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from gasearch.evolution.rng import pick
from gasearch.evolution.sampling import HOLE, Variant, settle
from gasearch.space.decisions import Genes, Space

MORE_GENES = 0.35  #: Chance of each further gene in one mutation: 1.5 genes on average.
NEIGHBOUR = 0.75  #: Share of ordinal changes that move by one option.
ATTEMPTS = 8  #: Edits of a kind tried: where layers are compressed, different genes may make the same network.
COPY = 0.5  #: Share of inserted layers that start as a copy of their neighbour.

Draft = list[int]
Edit = Callable[[Draft, Space, random.Random], bool]  #: Changes a draft in place; False where it can't.


def mutate(genes: Genes, space: Space, rng: random.Random) -> Variant:
    """Other genes than these, by one of the kinds in `KINDS`; the same only where no single change makes others."""
    edits = (_draw_kind(rng) if space.slots else change_genes, change_genes, insert_layers, remove_layers)
    for edit in edits:  # a kind that doesn't apply gives way to the next
        for _ in range(ATTEMPTS):
            draft = space.marked(genes)
            if not edit(draft, space, rng):
                break
            mutant = settle(draft, space, rng)
            if mutant != genes:
                return Variant(mutant, edit.__name__)
    return _any_other(genes, space, rng)


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


def change_genes(draft: Draft, space: Space, rng: random.Random) -> bool:
    """Change one or a few expressing genes (not the depth); genes that thereby begin to express are sampled later."""
    changeable = [
        index for index, gene in enumerate(draft) if gene >= 0 and space.sizes[index] > 1 and index != space.depth
    ]
    if not changeable:
        return False
    _change_one(changeable, draft, space, rng)
    while changeable and rng.random() < MORE_GENES:
        _change_one(changeable, draft, space, rng)
    return True


def insert_layers(draft: Draft, space: Space, rng: random.Random) -> bool:
    """Grow to the next depth: new layers at any position, each a changed copy of its neighbour or sampled."""
    if not _can_step(draft, space, +1):
        return False
    layers = take_layers(draft, space)
    _step(draft, space, +1)
    while len(layers) < space.layer_count(draft):
        position = pick(rng, len(layers) + 1)
        layers.insert(position, _new_layer(layers, position, space, rng))
    put_layers(layers, draft, space)
    return True


def remove_layers(draft: Draft, space: Space, rng: random.Random) -> bool:
    """Shrink to the depth before: layers at any position leave, the others close up."""
    if not _can_step(draft, space, -1):
        return False
    layers = take_layers(draft, space)
    _step(draft, space, -1)
    while len(layers) > space.layer_count(draft):
        del layers[pick(rng, len(layers))]
    put_layers(layers, draft, space)
    return True


def swap_layers(draft: Draft, space: Space, rng: random.Random) -> bool:
    """Exchange two layers that differ."""
    layers = take_layers(draft, space)
    pairs = [(i, j) for j in range(len(layers)) for i in range(j) if layers[i] != layers[j]]
    if not pairs:
        return False
    first, second = pairs[pick(rng, len(pairs))]
    layers[first], layers[second] = layers[second], layers[first]
    put_layers(layers, draft, space)
    return True


#: The kinds of mutation in a space with layer slots, and their shares. Other spaces have the first one only.
KINDS: tuple[tuple[Edit, float], ...] = (
    (change_genes, 0.65),
    (insert_layers, 0.15),
    (remove_layers, 0.15),
    (swap_layers, 0.05),
)


def take_layers(draft: Draft, space: Space) -> list[Draft]:
    """The expressing layers of a draft: per layer its genes, with holes where they don't express."""
    return [[draft[index] for index in slot] for slot in space.slots[: space.layer_count(draft)]]


def put_layers(layers: list[Draft], draft: Draft, space: Space) -> None:
    """Write layers into the first slots of a draft, and holes into the rest."""
    for position, slot in enumerate(space.slots):
        layer = layers[position] if position < len(layers) else [HOLE] * len(slot)
        for index, gene in zip(slot, layer, strict=True):
            draft[index] = gene


def _draw_kind(rng: random.Random) -> Edit:
    point = rng.random()
    for edit, share in KINDS:
        point -= share
        if point < 0:
            return edit
    return change_genes


def _change_one(changeable: list[int], draft: Draft, space: Space, rng: random.Random) -> None:
    index = changeable.pop(pick(rng, len(changeable)))
    draft[index] = _other_option(draft[index], index, space, rng)


def _other_option(gene: int, index: int, space: Space, rng: random.Random) -> int:
    size = space.sizes[index]
    if space.ordinal[index] and rng.random() < NEIGHBOUR:
        step = 1 if rng.random() < 0.5 else -1
        return gene + step if 0 <= gene + step < size else gene - step
    other = pick(rng, size - 1)
    return other if other < gene else other + 1


def _new_layer(layers: list[Draft], position: int, space: Space, rng: random.Random) -> Draft:
    slot = space.slots[0]
    if not layers or rng.random() >= COPY:
        return [HOLE] * len(slot)
    copy = list(layers[min(position, len(layers) - 1)])
    changeable = [place for place, gene in enumerate(copy) if gene >= 0 and space.sizes[slot[place]] > 1]
    if changeable:
        place = changeable[pick(rng, len(changeable))]
        copy[place] = _other_option(copy[place], slot[place], space, rng)
    return copy


def _can_step(draft: Draft, space: Space, step: int) -> bool:
    return space.depth is not None and 0 <= draft[space.depth] + step < space.sizes[space.depth]


def _step(draft: Draft, space: Space, step: int) -> None:
    if space.depth is not None:
        draft[space.depth] += step
