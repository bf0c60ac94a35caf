"""The DEAP toolbox of a search: the one place where operators are chosen, and where users put their own.

The names are DEAP's, individuals too (`individual.py`), and operators take and return them as DEAP's do:

| name | called as | gives |
| --- | --- | --- |
| `individual`, `population` | `individual()`, `population(n=8)` | random ones |
| `mate` | `mate(ind1, ind2)` | `(ind1, ind2)`, changed in place; the first is the child |
| `mutate` | `mutate(ind)` | `(ind,)`, changed in place |
| `select` | `select(individuals, k)` | the survivors |
| `choose` | `choose(individuals, k)` | one parent or two, among the survivors |
| `clone` | `clone(ind)` | a copy to change |
| `evaluate`, `map` | | never called by a search, whose workers evaluate; for DEAP's algorithms |

and two numbers: `cxpb`, the share of children with two parents, and `mutpb`, the share of these that are mutated as
well; all others are mutants of one parent.

Replace an operator as DEAP users do, by `register`, `decorate` or a number::

    def configure(toolbox, space):
        toolbox.register("mate", tools.cxUniform, indpb=0.5)
        toolbox.register("mutate", tools.mutUniformInt, low=0, up=[size - 1 for size in space.sizes], indpb=0.1)
        toolbox.register("select", tools.selNSGA2)
        toolbox.cxpb = 0.7

All of `deap.tools` that fits lists of integers may be used, and all else that is a function of its arguments and of
draws from `random` and `numpy.random`: a search sets these anew for each proposal and selection, so that it can be
resumed. An operator with an argument `rng` is handed the generator instead, one with an argument `rates` how often to
draw each of its kinds by name (`adaptation.py`). Genes that don't express may hold anything: what an operator makes is
brought into canonical form, duplicates are dropped. A candidate is said to come from the function's name, or from what
an operator writes into `individual.operator`. Our own operators stay the default: they know which genes express.

`select` is asked where more individuals than `k` keep every limit; others follow by how little they miss them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deap import base, tools

from gasearch.evolution.crossover import mate
from gasearch.evolution.individual import Individual, clone
from gasearch.evolution.mutation import mutate
from gasearch.evolution.nsga3 import select_by_niches
from gasearch.evolution.partial_genomes import sample
from gasearch.evolution.selection import AgingParents, choose, keep_newest, keep_none, select_survivors
from gasearch.space.decisions import Space

CXPB = 0.9  #: Share of children with two parents, unless the algorithm has none such.
MUTPB = 0.5  #: Share of these that are mutated as well.

Select = Callable[[Sequence[Individual], int], Sequence[Individual]]

#: Algorithm: survivors, how parents are found, and the share of children that have two of them.
_ALGORITHMS: dict[str, tuple[Select, Callable[[], Callable[..., Any]], float]] = {
    "nsga2": (select_survivors, lambda: choose, CXPB),
    "nsga3": (select_by_niches, lambda: choose, CXPB),
    "aging": (keep_newest, AgingParents, 0.0),
    "random": (keep_none, lambda: choose, 0.0),
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
    select, find_parents, cxpb = _ALGORITHMS[algorithm]
    toolbox = base.Toolbox()
    toolbox.register("individual", sample, space=space)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", evaluate)
    toolbox.register("mate", mate, space=space)
    toolbox.register("mutate", mutate, space=space)
    toolbox.register("select", select)
    toolbox.register("choose", find_parents())
    toolbox.register("clone", clone)
    toolbox.cxpb, toolbox.mutpb = cxpb, MUTPB
    return toolbox


def evaluate(individual: Individual) -> tuple[float, ...]:
    """Stands where DEAP's algorithms look for an evaluation.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        'a search evaluates on its workers; to run this toolbox by an algorithm of DEAP: toolbox.register("evaluate", '
        "FUNCTION), which returns a tuple of values of which more is better"
    )
