"""CPU time of evolution per evaluation, with an evaluator that costs nothing, against plain DEAP in the same run.

    python -m benchmarks.evolution [--evaluations 1000 10000] [--population 200]

Three objectives over a layered space of 32 decisions; CPU seconds of this process (`time.process_time`), one run each,
the evaluator's own time taken off. Plain DEAP is `varAnd` with two-point crossover and uniform integer mutation on the
padded genes, then `selNSGA2`, as its examples write it; it neither avoids duplicates nor knows about layers.
"""

from __future__ import annotations

import argparse
import random
import time

from deap import algorithms, base, creator, tools

from gasearch.evolution.engine import Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.fitness import Fitness
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


def worths(genes: tuple[int, ...] | list[int]) -> tuple[float, float, float]:
    """Three conflicting objectives, cheap and without meaning."""
    total = sum(genes)
    return float(total), -(sum(genes[::2]) ** 1.5), -float(genes[0] * total % 97)


def gasearch_us(evaluations: int, population: int) -> float:
    """CPU microseconds per evaluation of our engine."""
    engine = GenerationalEngine(layered_space(), seed=1, population=population)
    free = 0.0
    start = time.process_time()
    for _ in range(evaluations // population):
        candidates = [engine.ask() for _ in range(population)]
        before = time.process_time()
        scored = [Scored(number=c.number, fitness=Fitness(values=worths(c.genome.genes))) for c in candidates if c]
        free += time.process_time() - before
        for outcome in scored:
            engine.tell(outcome)
    return (time.process_time() - start - free) / evaluations * 1e6


def deap_us(evaluations: int, population: int, nd: str) -> float:
    """CPU microseconds per evaluation of plain DEAP."""
    space = layered_space()
    limits = [size - 1 for size in space.sizes]
    if not hasattr(creator, "Plain"):
        creator.create("PlainFitness", base.Fitness, weights=(1.0, 1.0, 1.0))
        creator.create("Plain", list, fitness=creator.PlainFitness)
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutUniformInt, low=[0] * len(limits), up=limits, indpb=1 / len(limits))
    random.seed(1)
    parents = [creator.Plain([random.randint(0, most) for most in limits]) for _ in range(population)]
    free = 0.0
    start = time.process_time()
    children = parents
    for generation in range(evaluations // population):
        if generation:
            children = algorithms.varAnd(parents, toolbox, cxpb=0.8, mutpb=0.5)
        before = time.process_time()
        for child in children:
            child.fitness.values = worths(child)
        free += time.process_time() - before
        parents = tools.selNSGA2(parents + children if generation else children, population, nd=nd)
    return (time.process_time() - start - free) / evaluations * 1e6


def main() -> None:
    """Print one line per number of evaluations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--population", type=int, default=200)
    arguments = parser.parse_args()
    gasearch_us(2 * arguments.population, arguments.population)
    print(f"population {arguments.population}, CPU µs per evaluation (ratio to gasearch)")
    for evaluations in arguments.evaluations:
        ours = gasearch_us(evaluations, arguments.population)
        log = deap_us(evaluations, arguments.population, "log")
        standard = deap_us(evaluations, arguments.population, "standard")
        print(
            f"{evaluations:>7,} evaluations: gasearch {ours:.0f}, "
            f"DEAP nd=log {log:.0f} ({log / ours:.1f}), DEAP nd=standard {standard:.0f} ({standard / ours:.1f})"
        )


if __name__ == "__main__":
    main()
