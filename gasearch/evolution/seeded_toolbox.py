"""A toolbox as an engine calls it: every draw from a generator of its own, every answer checked."""

from __future__ import annotations

import inspect
import operator as arithmetic
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from deap import base, tools

from gasearch.errors import OperatorFailed
from gasearch.evolution.individual import ConstrainedFitness, Individual
from gasearch.evolution.rng import derive, seeded
from gasearch.evolution.selection import WHOLE_POOL, RankedPool, choose, infeasible_by_violation, select_survivors
from gasearch.space.decisions import Genes, Space

OPERATORS = ("individual", "mate", "mutate", "select", "choose")
FEWEST = 4  #: Survivors that operators of others may choose parents from: `selTournamentDCD` needs so many.

Rates = Callable[[], Mapping[str, float]]


class SeededToolbox:
    """Calls the operators of a toolbox for one search.

    Ours are handed a generator each. Where the toolbox has any that is not ours, the global generators are set for the
    time of each proposal and selection, and all operators draw from these: for the same purpose they draw the same.
    """

    def __init__(self, toolbox: base.Toolbox, space: Space, *, seed: int, rates: Rates | None = None) -> None:
        """A caller of these operators.

        Args:
            toolbox: As `make_toolbox` makes it, and its user may have changed it.
            space: What genes mean.
            seed: Of every draw.
            rates: How often each kind of variant is to be made, for the operators that take such rates.

        Raises:
            ValueError: where an operator is missing, or remembers what it has seen.
        """
        missing = [name for name in (*OPERATORS, "clone") if not callable(getattr(toolbox, name, None))]
        if missing:
            raise ValueError(f"the toolbox has no operator {', '.join(missing)}: register what is to take its place")
        self._operators = {name: getattr(toolbox, name) for name in OPERATORS}
        self._names = {name: _name_of(found) for name, found in self._operators.items()}
        if isinstance(getattr(toolbox.select, "func", toolbox.select), tools.selNSGA3WithMemory):
            raise ValueError("selNSGA3WithMemory remembers what it has seen, which a resume can't: register selNSGA3")
        self._clone = toolbox.clone
        self.cxpb, self.mutpb = float(toolbox.cxpb), float(toolbox.mutpb)
        self._takes_rng = {name for name, found in self._operators.items() if takes(found, "rng")}
        self._takes_rates = {name for name, found in self._operators.items() if rates and takes(found, "rates")}
        self._space, self._seed, self._rates = space, seed, rates
        self.ranks = getattr(toolbox.select, "func", None) is select_survivors
        self._is_select_ours = getattr(toolbox.select, WHOLE_POOL, False)
        self._is_global = bool({*OPERATORS} - self._takes_rng - ({"select"} if self._is_select_ours else set()))
        self._needs_order = not self._is_select_ours and getattr(toolbox.choose, "func", None) is choose
        self.fewest_parents = FEWEST if "choose" not in self._takes_rng else 2

    def draws(self, number: int, purpose: str) -> AbstractContextManager[random.Random]:
        """The generator for one purpose of one candidate, while the block lasts.

        Args:
            number: Of the candidate.
            purpose: Of the draws.
        """
        if self._is_global:
            return seeded(self._seed, number, purpose)
        return nullcontext(derive(self._seed, number, purpose))

    def sample(self, rng: random.Random) -> tuple[Genes, str]:
        """Random genes, and what made them."""
        return self._made("individual", self._call("individual", rng=rng))

    def mutate(self, parent: Sequence[int], rng: random.Random) -> tuple[Genes, str]:
        """The genes of a mutant, and what made it."""
        return self._made("mutate", self._first("mutate", self._call("mutate", self._copy(parent), rng=rng)))

    def vary(self, survivors: Sequence[Individual], rng: random.Random) -> tuple[Genes, str, tuple[int, ...]]:
        """One child of some survivors, as `deap.algorithms.varOr` makes it, or mutated after mating as by `varAnd`.

        Args:
            survivors: At least two.
            rng: For all draws.

        Returns:
            Its genes, what made it, and the numbers of its parents.
        """
        if rng.random() >= self.cxpb:
            [parent] = self._choose(survivors, 1, rng)
            return *self.mutate(parent, rng), (parent.number,)
        first, second = self._choose(survivors, 2, rng)
        if first.number == second.number:
            return *self.mutate(first, rng), (first.number,)
        mated = self._call("mate", self._copy(first), self._copy(second), rng=rng)
        genes, name = self._made("mate", self._first("mate", mated))
        if self.mutpb > 0 and rng.random() < self.mutpb:
            genes, mutation = self.mutate(genes, rng)
            name = f"{name}+{mutation}"
        return genes, name, (first.number, second.number)

    def select(self, pool: Sequence[Individual] | RankedPool, count: int, *, step: int) -> Sequence[Individual]:
        """The survivors, at most `count`, best first where the parents are chosen by us.

        Args:
            pool: Evaluated individuals; ranked ones where the toolbox `ranks`.
            count: How many may survive.
            step: Outcomes known: tells one selection from the next.

        Raises:
            OperatorFailed: where the operator raises, or gives something else than individuals.
        """
        if isinstance(pool, RankedPool):
            return pool.best(count)
        if self._is_select_ours:
            return self._operators["select"](pool, count)  # type: ignore[no-any-return]
        chosen = [individual for individual in pool if individual.fitness.is_feasible]
        if len(chosen) > count:
            with self.draws(step, "select") as rng:
                chosen = list(self._call("select", chosen, count, rng=rng))[:count]
            if not all(isinstance(one, Individual) and one.number >= 0 for one in chosen):
                raise self._failed("select", "must return some of the individuals that it got")
        chosen += infeasible_by_violation(pool)[: count - len(chosen)]
        return select_survivors(chosen, count) if self._needs_order else chosen

    def try_out(self, objectives: int) -> None:
        """Call each operator on random individuals with made-up values, so that what can't work is known at once.

        Raises:
            OperatorFailed: saying which one can't be used, and why.
        """
        with self.draws(-1, "try") as rng:
            pool = [
                Individual(self.sample(rng)[0], number=number, fitness=ConstrainedFitness(_spread(number, objectives)))
                for number in range(2 * FEWEST)
            ]
        survivors = self.select(pool, FEWEST, step=-1)
        with self.draws(-2, "try") as rng:
            for individual in pool:
                self.mutate(individual, rng)
            mated = self._call("mate", self._copy(pool[0]), self._copy(pool[1]), rng=rng)
            self._made("mate", self._first("mate", mated))
            for count in (1, 2) if len(survivors) >= self.fewest_parents else ():
                self._choose(survivors, count, rng)

    def _choose(self, survivors: Sequence[Individual], count: int, rng: random.Random) -> Sequence[Individual]:
        chosen = list(self._call("choose", survivors, count, rng=rng))[:count]
        if len(chosen) < count or not all(isinstance(one, Individual) for one in chosen):
            raise self._failed("choose", f"must return {count} of the individuals that it got; got {chosen!r}")
        return chosen

    def _copy(self, parent: Sequence[int]) -> Individual:
        copy: Individual = self._clone(parent if isinstance(parent, Individual) else Individual(parent))
        copy.operator = ""
        return copy

    def _call(self, name: str, *arguments: Any, rng: random.Random) -> Any:
        options: dict[str, Any] = {}
        if name in self._takes_rng:
            options["rng"] = rng
        if name in self._takes_rates and self._rates is not None:
            options["rates"] = self._rates()
        try:
            return self._operators[name](*arguments, **options)
        except Exception as error:
            raise self._failed(name, f"raised {type(error).__name__}: {error}") from error

    def _first(self, name: str, made: Any) -> Any:
        """The one individual that counts of those that an operator returns."""
        if not isinstance(made, tuple | list) or not made or isinstance(made, Individual):
            what = "(ind1, ind2)" if name == "mate" else "(ind,)"
            raise self._failed(name, f"must return a tuple of individuals, {what}; got {made!r}")
        return made[0]

    def _made(self, name: str, made: Any) -> tuple[Genes, str]:
        """The genes that an operator made, which may hold anything where they don't express, and its name."""
        sizes = self._space.sizes
        try:
            genes = tuple(map(arithmetic.index, made))
        except TypeError:
            raise self._failed(name, f"made genes that aren't whole numbers: {made!r}") from None
        if len(genes) != len(sizes):
            raise self._failed(name, f"made {len(genes)} genes; the space has {len(sizes)} decisions")
        if min(genes, default=0) < 0 or not all(map(arithmetic.lt, genes, sizes)):
            genes = self._within_range(name, genes)
        return genes, getattr(made, "operator", "") or self._names[name]

    def _within_range(self, name: str, genes: Genes) -> Genes:
        """The genes with 0 where one is out of range and doesn't express."""
        outside = [not 0 <= gene < size for gene, size in zip(genes, self._space.sizes, strict=True)]
        high = [size if is_out else gene for gene, size, is_out in zip(genes, self._space.sizes, outside, strict=True)]
        for place, marked in enumerate(self._space.conditioned(high)):
            if outside[place] and marked >= 0:
                decision, most = self._space.decisions[place].name, self._space.sizes[place] - 1
                text = f"{genes[place]} for {decision!r}, whose options have the indices 0 to {most}"
                raise self._failed(name, f"made a gene out of range: {text}")
        return tuple([0 if is_out else gene for gene, is_out in zip(genes, outside, strict=True)])

    def _failed(self, name: str, text: str) -> OperatorFailed:
        function = self._names[name]
        return OperatorFailed(f"the toolbox's operator {name!r} ({function}) {text}")


def _spread(number: int, objectives: int) -> list[float]:
    """Values of which none dominates another's where there are two objectives or more."""
    return [float(1 + (number if objective % 2 else 2 * FEWEST - number)) for objective in range(objectives)]


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function can be given an argument of that name, and knows what to do with it."""
    own = inspect.signature(function, follow_wrapped=False).parameters
    passes_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in own.values())
    return name in own or (passes_on and name in inspect.signature(function).parameters)


def _name_of(function: Any) -> str:
    """The name of what was registered: a toolbox gives the alias's to all."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))
