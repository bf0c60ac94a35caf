"""Genes from nothing: random ones and missing ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from gasearch.evolution.rng import pick
from gasearch.space.decisions import Genes, Space

#: In a partial genome, a list as `Space.marked` gives it: a gene without a value. `settle` completes it.
INACTIVE = -1


class Variant(NamedTuple):
    """What an operator makes."""

    genes: Genes  #: Canonical.
    operator: str  #: Its name, e.g. "insert_layer".


def sample(space: Space, rng: random.Random) -> Variant:
    """Random genes: each decision that expresses is uniform, the number of layers too."""
    return Variant(settle([INACTIVE] * len(space.decisions), space, rng), "sample")


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
