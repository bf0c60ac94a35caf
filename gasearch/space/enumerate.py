"""All genes that the conditions of a space tell apart."""

from __future__ import annotations

from collections.abc import Iterator

from gasearch.space.decisions import Genes, Space


def every_conditioned(space: Space) -> Iterator[Genes]:
    """All genes with 0 where a condition doesn't hold, each once, in lexicographic order.

    An odometer that skips what doesn't express. Where a space has a simplifier, several may make the same network.
    """
    sizes = space.sizes
    marked = space.conditioned([0] * len(sizes))
    while True:
        yield tuple([gene if gene >= 0 else 0 for gene in marked])
        turning = [index for index, gene in enumerate(marked) if 0 <= gene < sizes[index] - 1]
        if not turning:
            return
        last = turning[-1]
        marked = space.conditioned([*marked[:last], marked[last] + 1, *[0] * (len(sizes) - last - 1)])


def every_genome(space: Space) -> Iterator[Genes]:
    """All canonical genes, each once, in lexicographic order."""
    for genes in every_conditioned(space):
        if space.simplifier is None or space.canonical(genes) == genes:
            yield genes
