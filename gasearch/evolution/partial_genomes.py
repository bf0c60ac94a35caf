"""Partial genomes, on which edits work: genes of which some are inactive, and the layers among them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from gasearch.evolution.individual import Individual
from gasearch.evolution.rng import GLOBAL, pick
from gasearch.space.decisions import Genes, Space

INACTIVE = -1  #: A gene without a value, as `Space.marked` gives it; `settle` completes it.
NEIGHBOUR = 0.75  #: Share of ordinal changes that move by one option.


class PartialGenome(list[int]):
    """Genes with `INACTIVE` where a decision doesn't express, for an edit to change."""

    __slots__ = ("rng", "space")

    def __init__(self, genes: Iterable[int], space: Space, rng: random.Random) -> None:
        """Genes of a space, and the generator for all draws of an edit."""
        super().__init__(genes)
        self.space, self.rng = space, rng

    @property
    def layers(self) -> list[list[int]]:
        """The genes of each expressing layer; setting them makes those of the other slots inactive."""
        return [[self[index] for index in slot] for slot in self.space.slots[: self.space.layer_count(self)]]

    @layers.setter
    def layers(self, layers: list[list[int]]) -> None:
        for position, slot in enumerate(self.space.slots):
            layer = layers[position] if position < len(layers) else [INACTIVE] * len(slot)
            for index, gene in zip(slot, layer, strict=True):
                self[index] = gene

    def changeable(self) -> list[int]:
        """The decisions that express and have another option, but for the depth."""
        sizes, depth = self.space.sizes, self.space.depth
        return [index for index, gene in enumerate(self) if gene >= 0 and sizes[index] > 1 and index != depth]

    def pick(self, count: int) -> int:
        """An index below count."""
        return pick(self.rng, count)

    def other(self, gene: int, index: int) -> int:
        """Another option of a decision than this one, mostly a neighbouring one where options are ordinal."""
        if self.space.ordinal[index] and self.rng.random() < NEIGHBOUR:
            return self.neighbour(gene, index)
        other = self.pick(self.space.sizes[index] - 1)
        return other if other < gene else other + 1

    def neighbour(self, gene: int, index: int) -> int:
        """The option of a decision before or after this one; the one that there is at either end."""
        step = self.direction()
        return gene + step if 0 <= gene + step < self.space.sizes[index] else gene - step

    def direction(self) -> int:
        """Draw 1 or -1."""
        return 1 if self.rng.random() < 0.5 else -1

    def settled(self) -> Genes:
        """See `settle`."""
        return settle(self, self.space, self.rng)


def sample(space: Space, rng: random.Random = GLOBAL) -> Individual:
    """A random individual: each decision that expresses is uniform, the number of layers too."""
    return Individual(settle([INACTIVE] * len(space.decisions), space, rng), operator="sample")


def settle(partial: Sequence[int], space: Space, rng: random.Random) -> Genes:
    """Canonical genes from a partial genome: inactive ones that express are sampled, what doesn't express becomes 0.

    Args:
        partial: A partial genome.
        space: What genes mean.
        rng: For all draws.
    """
    marked: list[int] = []
    for gene, size, needs in zip(partial, space.sizes, space.needs, strict=True):
        for decision, options in needs:
            if marked[decision] not in options:
                marked.append(INACTIVE)
                break
        else:
            marked.append(gene if 0 <= gene < size else pick(rng, size))
    if space.simplifier is not None:
        space.simplifier.simplify(marked)
    return tuple([gene if gene >= 0 else 0 for gene in marked])
