"""The networks of a space: all of them, and how many they are."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gasearch.space.decisions import Genes, Space

MAX_STATES = 5_000  #: Beyond this many kinds of partial genomes, counting ends in a bound.
MAX_LISTED = 2_000  #: Genomes of a space whose layers are compressed that are tried one by one.

#: Of a decision that later ones depend on: which of them its option lets express; None where it doesn't express.
_Effect = frozenset[int] | None


def every_conditioned(space: Space) -> Iterator[Genes]:
    """All genes with 0 where a condition doesn't hold, each once, in lexicographic order.

    An odometer that skips what doesn't express. Where a space has a simplifier, several may make the same network.
    """
    sizes = space.sizes
    marked = space.conditioned([0] * len(sizes))
    while True:
        yield tuple([gene if gene >= 0 else 0 for gene in marked])
        last = max((index for index, gene in enumerate(marked) if 0 <= gene < sizes[index] - 1), default=-1)
        if last < 0:
            return
        marked = space.conditioned([*marked[:last], marked[last] + 1, *[0] * (len(sizes) - last - 1)])


def every_genome(space: Space) -> Iterator[Genes]:
    """All canonical genes, each once, in lexicographic order."""
    return (genes for genes in every_conditioned(space) if space.simplifier is None or space.canonical(genes) == genes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEstimate:
    """A number of distinct networks."""

    count: int  #: Exact, or an upper bound.
    is_exact: bool

    @property
    def as_float(self) -> float:
        """The count as a finite float, which a database column can hold."""
        return float(min(self.count, int(sys.float_info.max)))

    def __str__(self) -> str:
        """For example "1,440 networks" or "at most 3.2e15 networks"."""
        exact = "" if self.is_exact else "at most "
        if self.count < 10**9:
            return f"{exact}{self.count:,} network{'' if self.count == 1 else 's'}"
        power = len(str(self.count)) - 1
        return f"{exact or 'about '}{self.count // 10 ** (power - 1) / 10:.1f}e{power} networks"


def space_size(space: Space) -> SizeEstimate:
    """Number of canonical genomes: assignments of options to the decisions that express.

    Exact for layered spaces and for conditions that form a tree; a web of conditions that needs too many states ends in
    an upper bound. So does a large space whose layers are compressed: some choices make the same network.
    """
    conditioned = _conditioned_size(space)
    if space.simplifier is None:
        return conditioned
    if conditioned.count <= MAX_LISTED:
        return SizeEstimate(count=sum(1 for _ in every_genome(space)), is_exact=True)
    return SizeEstimate(count=conditioned.count, is_exact=False)


def _conditioned_size(space: Space) -> SizeEstimate:
    """Number of genomes that the conditions tell apart.

    Walks the decisions once and counts partial genomes, those together that leave the same choices to the rest: what
    later conditions ask of an earlier decision is all that is remembered of it.
    """
    wanted: list[dict[int, frozenset[int]]] = [{} for _ in space.decisions]  # per decision: who asks it, for what
    for number, needs in enumerate(space.needs):
        for decision, options in needs:
            wanted[decision][number] = wanted[decision].get(number, options) & options
    last_use = [max(later, default=-1) for later in wanted]
    states: Counter[tuple[tuple[int, _Effect], ...]] = Counter({(): 1})
    for number, needs in enumerate(space.needs):
        effects = Counter(
            frozenset(later for later, options in wanted[number].items() if option in options)
            for option in range(space.sizes[number])
        )
        following: Counter[tuple[tuple[int, _Effect], ...]] = Counter()
        for state, count in states.items():
            known = dict(state)
            is_expressed = all(number in (known[decision] or ()) for decision, _ in needs)
            kept = tuple(item for item in state if last_use[item[0]] > number)
            for effect, ways in effects.items() if is_expressed else [(None, 1)]:
                is_needed = last_use[number] > number
                following[(*kept, (number, effect)) if is_needed else kept] += count * ways
        if len(following) > MAX_STATES:
            return SizeEstimate(count=following.total() * math.prod(space.sizes[number + 1 :]), is_exact=False)
        states = following
    return SizeEstimate(count=states.total(), is_exact=True)
