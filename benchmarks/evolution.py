"""CPU time of evolution per evaluation, with an evaluator that costs nothing, against plain DEAP in the same run.

    python -m benchmarks.evolution [--evaluations 1000 10000] [--population 200]

Three objectives over a layered space of 32 decisions. Figures are CPU time of this process (`time.process_time`) per
evaluation over the last four generations up to the given number of evaluations, the evaluator's own time taken off; the
median of three runs with other seeds. Plain DEAP is `varAnd` with two-point crossover and uniform integer mutation on
the padded genes, then `selNSGA2`, as its examples write it; it neither avoids duplicates nor knows about layers.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import mul

from deap import algorithms, base, creator, tools

from gasearch.evolution.engine import Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import Condition, Decision, Space

WIDTHS, BITS = (8, 16, 24, 32, 48, 64), (2, 3, 4, 6, 8)


def layered_space(most_layers: int = 6) -> Space:
    """A CNN-like space: depth, five decisions per layer, one for the head."""
    decisions = [Decision(name="depth", options=tuple(range(1, most_layers + 1)))]
    slots = []
    for layer in range(most_layers):
        when = (Condition(decision=0, options=frozenset(range(layer, most_layers))),)
        slots.append(tuple(range(len(decisions), len(decisions) + 5)))
        options = {"kind": ("conv", "separable"), "width": WIDTHS, "kernel": (3, 5), "weight_bits": BITS}
        options["activation_bits"] = (4, 8)
        decisions += [Decision(name=f"layer{layer}.{name}", options=o, when=when) for name, o in options.items()]
    decisions.append(Decision(name="head.weight_bits", options=BITS))
    return Space(family="cnn", decisions=tuple(decisions), slots=tuple(slots), depth=0)


_DRAW = random.Random(0)
WEIGHTS = [[_DRAW.gauss(0, 1) for _ in range(32)] for _ in range(3)]


def wvalues(genes: Sequence[int]) -> tuple[float, ...]:
    """Three conflicting objectives without meaning: sums of genes under random weights."""
    return tuple(sum(map(mul, row, genes)) for row in WEIGHTS)


def gasearch_us(evaluations: int, population: int, seed: int) -> float:
    """CPU microseconds per evaluation of our engine."""
    engine = GenerationalEngine(layered_space(), seed=seed, population=population)
    clock = Clock(evaluations, population)
    for generation in range(evaluations // population):
        with clock.counting(generation):
            candidates = [candidate for _ in range(population) if (candidate := engine.ask())]
        scored = [Scored(number=c.number, fitness=Fitness(values=wvalues(c.genome.genes))) for c in candidates]
        with clock.counting(generation):
            for outcome in scored:
                engine.tell(outcome)
    return clock.us_per_evaluation


def deap_us(evaluations: int, population: int, seed: int, nd: str) -> float:
    """CPU microseconds per evaluation of plain DEAP."""
    limits = [size - 1 for size in layered_space().sizes]
    if not hasattr(creator, "Plain"):
        creator.create("PlainFitness", base.Fitness, weights=(1.0, 1.0, 1.0))
        creator.create("Plain", list, fitness=creator.PlainFitness)
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutUniformInt, low=[0] * len(limits), up=limits, indpb=1 / len(limits))
    random.seed(seed)
    parents: list = []
    children = [creator.Plain([random.randint(0, most) for most in limits]) for _ in range(population)]
    clock = Clock(evaluations, population)
    for generation in range(evaluations // population):
        if parents:
            with clock.counting(generation):
                children = algorithms.varAnd(parents, toolbox, cxpb=0.8, mutpb=0.5)
        for child in children:
            child.fitness.values = wvalues(child)
        with clock.counting(generation):
            parents = tools.selNSGA2(parents + children, population, nd=nd)
    return clock.us_per_evaluation


class Clock:
    """Adds up CPU time over the last `WINDOW` generations of a run."""

    WINDOW = 4

    def __init__(self, evaluations: int, population: int) -> None:
        self.first = evaluations // population - self.WINDOW
        self.evaluations = self.WINDOW * population
        self.seconds = 0.0

    @contextmanager
    def counting(self, generation: int) -> Iterator[None]:
        """Count what happens inside, if the generation is one of the last."""
        start = time.process_time()
        yield
        if generation >= self.first:
            self.seconds += time.process_time() - start

    @property
    def us_per_evaluation(self) -> float:
        """CPU microseconds per evaluation in the window."""
        return self.seconds / self.evaluations * 1e6


def median(measure: Callable[[int], float], runs: int = 3) -> float:
    """The median over runs with other seeds."""
    return statistics.median(measure(seed) for seed in range(1, runs + 1))


def main() -> None:
    """Print one line per number of evaluations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--population", type=int, default=200)
    arguments = parser.parse_args()
    population = arguments.population
    if min(arguments.evaluations) < (Clock.WINDOW + 1) * population:
        parser.error(f"--evaluations must be at least {(Clock.WINDOW + 1) * population}: five generations")
    print(f"population {population}, CPU µs per evaluation (ratio to gasearch)")
    for evaluations in arguments.evaluations:
        ours = median(partial(gasearch_us, evaluations, population))
        log = median(partial(deap_us, evaluations, population, nd="log"))
        standard = median(partial(deap_us, evaluations, population, nd="standard"))
        print(
            f"at {evaluations:>6,} evaluations: gasearch {ours:.0f}, "
            f"DEAP nd=log {log:.0f} ({log / ours:.2f}), DEAP nd=standard {standard:.0f} ({standard / ours:.2f})"
        )


if __name__ == "__main__":
    main()
