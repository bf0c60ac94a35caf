"""Genes from nothing: random ones, missing ones, and all of them in turn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gasearch.evolution.rng import pick
from gasearch.space.decisions import Genes, Space

#: In a draft: a gene without a value. Operators work on drafts, the lists that `Space.marked` gives; `settle` turns
#: them into genes.
HOLE = -1


class Variant(NamedTuple):
    """What an operator makes."""

    genes: Genes  #: Canonical.
    operator: str  #: Its name, e.g. "insert_layer".


def sample(space: Space, rng: random.Random) -> Variant:
    """Random genes: each decision that expresses is uniform, the number of layers too."""
    return Variant(settle([HOLE] * len(space.decisions), space, rng), "sample")


def settle(draft: Sequence[int], space: Space, rng: random.Random) -> Genes:
    """Canonical genes from a draft: holes that express are sampled, what doesn't express becomes 0."""
    marked: list[int] = []
    for gene, size, needs in zip(draft, space.sizes, space.needs, strict=True):
        for decision, options in needs:
            if marked[decision] not in options:
                marked.append(HOLE)
                break
        else:
            marked.append(gene if 0 <= gene < size else pick(rng, size))
    return tuple([gene if gene >= 0 else 0 for gene in marked])


def every_genome(space: Space) -> Iterator[Genes]:
    """All canonical genes, each once, in lexicographic order: an odometer that skips what doesn't express."""
    sizes = space.sizes
    marked = space.marked([0] * len(sizes))
    while True:
        yield tuple([gene if gene >= 0 else 0 for gene in marked])
        turning = [index for index, gene in enumerate(marked) if 0 <= gene < sizes[index] - 1]
        if not turning:
            return
        last = turning[-1]
        marked = space.marked([*marked[:last], marked[last] + 1, *[0] * (len(sizes) - last - 1)])
