"""The samplers that a search is compared with, each asking a table for one network after another.

A peer is a function of (problem, seed, evaluate) that calls `evaluate` until that raises `Spent`; every call counts,
of a network that was asked before too, as its user would train it again. All are seeded: same seed, same calls.

    random                  uniform over genomes, none twice
    params                  what the parameter count alone suggests; see `by_parameter_count`
    optuna-nsga2            NSGAIISampler, its defaults (population 50)
    optuna-tpe              TPESampler, its defaults
    optuna-tpe-multivariate the same with multivariate=True
    optuna-gp               GPSampler, its defaults; seconds per trial after a few hundred
    pymoo-nsga2             NSGA2 with duplicate elimination, uniform crossover, random reset with 1 / genes
    deap-nsga2              plain DEAP after its example of NSGA-II: tournament by crowding, two-point crossover with
                            0.9, uniform integer mutation with 1 / genes
    NAME:POPULATION         an NSGA-II with another population

pymoo's own population is 100 and DEAP has none. Both get Optuna's 50 (DEAP 48, which its tournament can divide by 4),
because three generations of 100 would be little more than random search.

Decisions with ascending numbers are integers to Optuna, the place of the option; all others are categories.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.support.tables import Choices, Ledger, TableProblem

Evaluate = Callable[[Choices], tuple[float, ...]]
Peer = Callable[[TableProblem, int, Evaluate], None]
POPULATION = 50


class Spent(Exception):
    """The evaluations are used up."""


def run_peer(name: str, problem: TableProblem, *, seed: int, evaluations: int) -> Ledger:
    """All that a peer asks within a budget.

    Raises:
        ValueError: if there is no peer of that name.
    """
    ledger = Ledger(problem)
    peer = _peer(name)

    def evaluate(network: Choices) -> tuple[float, ...]:
        if len(ledger.asked) >= evaluations:
            raise Spent
        return problem.costs(ledger.answer(network))

    with contextlib.suppress(Spent):
        peer(problem, seed, evaluate)
    return ledger


def missing(name: str) -> str | None:
    """The library that a peer needs and that isn't installed here; None where it has what it needs."""
    library = name.partition("-")[0]
    if library in ("optuna", "pymoo", "deap") and importlib.util.find_spec(library) is None:
        return library
    return None


def version(name: str) -> str:
    """The library and version that a peer's result depends on; "" for those that need none."""
    library = name.partition("-")[0]
    return f"{library} {importlib.metadata.version(library)}" if library in ("optuna", "pymoo", "deap") else ""


def _peer(name: str) -> Peer:
    kind, _, population = name.partition(":")
    evolving: dict[str, Callable[[TableProblem, int, Evaluate, int], None]] = {
        "optuna-nsga2": optuna_nsga2,
        "pymoo-nsga2": pymoo_nsga2,
        "deap-nsga2": deap_nsga2,
    }
    if kind in evolving:
        size = int(population or POPULATION)
        return lambda problem, seed, evaluate: evolving[kind](problem, seed, evaluate, size)
    others: dict[str, Peer] = {
        "random": uniform,
        "params": by_parameter_count,
        "optuna-tpe": optuna_tpe,
        "optuna-tpe-multivariate": optuna_tpe_multivariate,
        "optuna-gp": optuna_gp,
    }
    if name not in others:
        raise ValueError(f"there is no method {name!r}; there are gasearch, {', '.join([*others, *evolving])}")
    return others[name]


# --- without a model ---


def uniform(problem: TableProblem, seed: int, evaluate: Evaluate) -> None:
    """Random search that asks no genome twice."""
    rng = random.Random(seed)
    asked: set[Choices] = set()
    while len(asked) < problem.size:
        network = tuple(rng.choice(options) for options in problem.decisions.values())
        if network not in asked:
            asked.add(network)
            evaluate(network)


def by_parameter_count(problem: TableProblem, seed: int, evaluate: Evaluate) -> None:
    """What one does who takes the number of parameters for all that is to be known about a network.

    More parameters mean a smaller error and a higher cost, so every size belongs to the front and nothing tells
    networks of one size apart. So the sizes that the table has are visited evenly, by the van der Corput sequence over
    their sorted list, each once per pass; a visit evaluates a random network of that size that wasn't yet.
    """
    rng = random.Random(seed)
    left: dict[float, list[Choices]] = defaultdict(list)
    for network, metrics in zip(problem.networks, problem.metrics, strict=True):
        left[metrics["params"]].append(network)
    for networks in left.values():
        rng.shuffle(networks)
    while left:
        sizes = sorted(left)
        for place in spread(len(sizes)):
            evaluate(left[sizes[place]].pop())
        left = {size: networks for size, networks in left.items() if networks}


def spread(count: int) -> Iterator[int]:
    """0 to count - 1, each once, in the order of the van der Corput sequence: the first and last, then evenly."""
    unused = list(range(count))
    bits = max(1, (count - 1).bit_length())
    ends = [0, count - 1][: min(count, 2)]
    fractions = (int(f"{number:0{bits}b}"[::-1], 2) / 2**bits for number in range(1, 2**bits))
    for wanted in [*ends, *(round(fraction * (count - 1)) for fraction in fractions)]:
        if not unused:
            return
        position = bisect_left(unused, wanted)
        if position < len(unused) and unused[position] == wanted:
            yield unused.pop(position)
    yield from unused


# --- Optuna ---


def optuna_nsga2(problem: TableProblem, seed: int, evaluate: Evaluate, population: int) -> None:
    """Optuna's NSGA-II."""
    from optuna.samplers import NSGAIISampler

    _optimize(problem, NSGAIISampler(population_size=population, seed=seed), evaluate)


def optuna_tpe(problem: TableProblem, seed: int, evaluate: Evaluate) -> None:
    """Optuna's tree-structured Parzen estimator."""
    from optuna.samplers import TPESampler

    _optimize(problem, TPESampler(seed=seed), evaluate)


def optuna_tpe_multivariate(problem: TableProblem, seed: int, evaluate: Evaluate) -> None:
    """The same, with one joint density for all decisions."""
    from optuna.samplers import TPESampler

    _optimize(problem, TPESampler(seed=seed, multivariate=True), evaluate)


def optuna_gp(problem: TableProblem, seed: int, evaluate: Evaluate) -> None:
    """Optuna's Gaussian process; it needs torch."""
    from optuna.samplers import GPSampler

    _optimize(problem, GPSampler(seed=seed), evaluate)


def _optimize(problem: TableProblem, sampler: Any, evaluate: Evaluate) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(0, len(options) - 1)
        if is_ordered(options)
        else optuna.distributions.CategoricalDistribution(options)
        for name, options in problem.decisions.items()
    }
    while True:
        trial = study.ask(distributions)
        network = tuple(
            options[trial.params[name]] if is_ordered(options) else trial.params[name]
            for name, options in problem.decisions.items()
        )
        study.tell(trial, evaluate(network))


def is_ordered(options: Sequence[Any]) -> bool:
    """Whether the options are numbers in ascending order."""
    return all(isinstance(option, int | float) for option in options) and list(options) == sorted(options)


# --- pymoo ---


def pymoo_nsga2(problem: TableProblem, seed: int, evaluate: Evaluate, population: int) -> None:
    """NSGA-II of pymoo on categories, its own operators; the usual binary tournament instead of random parents."""
    from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
    from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating, MixedVariableSampling
    from pymoo.core.problem import Problem
    from pymoo.core.variable import Choice
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.mutation.rm import ChoiceRandomMutation
    from pymoo.operators.selection.tournament import TournamentSelection

    names = list(problem.decisions)
    algorithm = NSGA2(
        pop_size=population,
        sampling=MixedVariableSampling(),
        mating=MixedVariableMating(
            selection=TournamentSelection(func_comp=binary_tournament),
            crossover={Choice: UX()},
            mutation={Choice: ChoiceRandomMutation(prob_var=1 / len(names))},
            eliminate_duplicates=MixedVariableDuplicateElimination(),
        ),
        eliminate_duplicates=MixedVariableDuplicateElimination(),
    )
    choices = {name: Choice(options=list(range(len(options)))) for name, options in problem.decisions.items()}
    asked = Problem(vars=choices, n_obj=len(problem.objectives))
    algorithm.setup(asked, termination=("n_gen", 10**9), seed=seed, verbose=False)
    while True:
        children = algorithm.ask()
        for child in children:
            genes = [int(child.X[name]) for name in names]
            child.F = np.array(evaluate(_network(problem, genes)))
            child.evaluated.add("F")
        algorithm.tell(infills=children)


# --- DEAP ---


def deap_nsga2(problem: TableProblem, seed: int, evaluate: Evaluate, population: int) -> None:
    """NSGA-II as DEAP's example writes it, on integer genes; the global generator it draws from is given back."""
    state = random.getstate()
    random.seed(seed)
    try:
        _deap(problem, evaluate, population - population % 4)
    finally:
        random.setstate(state)


def _deap(problem: TableProblem, evaluate: Evaluate, population: int) -> None:
    from deap import base, tools

    class Cost(base.Fitness):
        weights = (-1.0,) * len(problem.objectives)

    class Individual(list):  # type: ignore[type-arg]
        def __init__(self, genes: Sequence[int]) -> None:
            super().__init__(genes)
            self.fitness = Cost()

    def score(individuals: Sequence[Individual]) -> None:
        for individual in individuals:
            if not individual.fitness.valid:
                individual.fitness.values = evaluate(_network(problem, individual))

    top = [len(options) - 1 for options in problem.decisions.values()]
    parents = [Individual([random.randint(0, most) for most in top]) for _ in range(population)]
    score(parents)
    parents = tools.selNSGA2(parents, population)
    while True:
        children = [Individual(parent) for parent in tools.selTournamentDCD(parents, population)]
        for one, other in zip(children[::2], children[1::2], strict=True):
            if random.random() <= 0.9:
                tools.cxTwoPoint(one, other)
            for child in (one, other):
                tools.mutUniformInt(child, low=0, up=top, indpb=1 / len(top))
        score(children)
        parents = tools.selNSGA2(parents + children, population)


def _network(problem: TableProblem, genes: Sequence[int]) -> Choices:
    return tuple(options[gene] for options, gene in zip(problem.decisions.values(), genes, strict=True))
