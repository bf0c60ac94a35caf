"""The DEAP toolbox of a search: the one place where operators are chosen, and where users put their own.

Five names are registered; the engines call nothing else, and read `mate_share`, the share of children with two parents:

| name | called as | gives |
| --- | --- | --- |
| `sample` | `sample(rng=rng)` | `(genes, operator name)` from nothing |
| `mate` | `mate(genes, genes, rng=rng)` | `(genes, operator name)` from two parents |
| `mutate` | `mutate(genes, rng=rng)` | `(genes, operator name)` from one |
| `select` | `select(individuals, count)` | the survivors, best first |
| `choose` | `choose(survivors, rng=rng)` | one parent |

Replace an operator as DEAP users do. Genes that don't express may hold anything; the engine brings what an operator
returns into canonical form, drops duplicates, and refuses genes out of range::

    def flip_bits(genes, space, rng):
        index = next(i for i, d in enumerate(space.decisions) if d.name == "head.weight_bits")
        option = int(rng.random() * space.sizes[index])
        return (*genes[:index], option, *genes[index + 1 :]), "flip_bits"

    toolbox = make_toolbox(space)
    toolbox.register("mutate", flip_bits, space=space)
    GenerationalEngine(space, seed=1, population=24, toolbox=toolbox)

The operators for a space also take `rates=`, how often each of their kinds is drawn by name (`adaptation.py` finds
such rates); a user's operator need not.

An operator must draw from the `rng` it is given and from nothing else: DEAP's stock operators draw from the global
`random`, which would make a resumed search another search.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from deap import base

from gasearch.evolution.crossover import mate
from gasearch.evolution.mutation import mutate
from gasearch.evolution.nsga3 import select_by_niches
from gasearch.evolution.sampling import sample
from gasearch.evolution.selection import (
    AgingParents,
    Individual,
    keep_newest,
    keep_none,
    select_survivors,
    tournament,
)
from gasearch.space.decisions import Genes, Space

MATE = 0.9  #: Share of children with two parents, unless the algorithm has none such.

Select = Callable[[Sequence[Individual], int], Sequence[Individual]]
Choose = Callable[[Sequence[Individual], random.Random], Individual]


class Operators(Protocol):
    """What an engine asks of a toolbox."""

    def sample(self, *, rng: random.Random) -> tuple[Genes, str]:
        """Genes from nothing, and the operator's name."""

    def mate(self, first: Genes, second: Genes, /, *, rng: random.Random) -> tuple[Genes, str]:
        """A child of two parents, and the operator's name."""

    def mutate(self, genes: Genes, /, *, rng: random.Random) -> tuple[Genes, str]:
        """A variant of the genes, and the operator's name."""

    def select(self, individuals: Sequence[Individual], count: int, /) -> Sequence[Individual]:
        """The survivors, best first."""

    def choose(self, survivors: Sequence[Individual], /, *, rng: random.Random) -> Individual:
        """One parent."""


#: Algorithm: survivors, parents, and the share of children that have two of them.
_ALGORITHMS: dict[str, tuple[Select, Callable[[], Choose], float]] = {
    "nsga2": (select_survivors, lambda: tournament, MATE),
    "nsga3": (select_by_niches, lambda: tournament, MATE),
    "aging": (keep_newest, AgingParents, 0.0),
    "random": (keep_none, lambda: tournament, 0.0),
}


def make_toolbox(space: Space, algorithm: str = "nsga2") -> base.Toolbox:
    """A toolbox with the operators for this space; see the module's text for how to replace one.

    Args:
        space: what genes mean.
        algorithm: who survives and who has children:
            "nsga2": the best by rank and crowding; children of the better of two.
            "nsga3": the best by rank and niche; likewise.
            "aging": the newest; mutants of the best of a random fifth.
            "random": nobody; samples only.

    Raises:
        ValueError: for another algorithm.
    """
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(_ALGORITHMS)}; got {algorithm!r}")
    select, make_choose, mate_share = _ALGORITHMS[algorithm]
    toolbox = base.Toolbox()
    toolbox.register("sample", sample, space=space)
    toolbox.register("mate", mate, space=space)
    toolbox.register("mutate", mutate, space=space)
    toolbox.register("select", select)
    toolbox.register("choose", make_choose())
    toolbox.mate_share = mate_share
    return toolbox
