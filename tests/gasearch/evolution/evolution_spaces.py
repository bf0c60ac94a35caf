"""Spaces, objectives and drivers that the tests of evolution share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import lt

from hypothesis import settings
from hypothesis import strategies as st

from gasearch.evolution.crossover import mate
from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.evolution.individual import Individual
from gasearch.evolution.mutation import mutate
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import Condition, Decision, Genes, Space

seeds = st.integers(0, 2**32)
unhurried = settings(deadline=None)  # machines are shared

Truth = Callable[[Genes], Fitness | None]


def layered(depths=(1, 2, 3), widths=(8, 16, 24), bits=(2, 4, 8), *, with_kind: bool = False) -> Space:
    """A depth, then per slot a kind (maybe), a kernel (of some kinds only), a width, bits; then the head's bits."""
    decisions = [Decision(name="depth", options=tuple(depths))]
    slots = []
    for layer in range(max(depths)):
        is_there = Condition(decision=0, options=frozenset(i for i, depth in enumerate(depths) if depth > layer))
        first = len(decisions)
        if with_kind:
            decisions.append(Decision(name=f"layer{layer}.kind", options=("linear", "conv"), when=(is_there,)))
            is_conv = Condition(decision=first, options=frozenset({1}))
            decisions.append(Decision(name=f"layer{layer}.kernel", options=(3, 5, 7), when=(is_conv,)))
        decisions.append(Decision(name=f"layer{layer}.width", options=tuple(widths), when=(is_there,)))
        decisions.append(Decision(name=f"layer{layer}.weight_bits", options=tuple(bits), when=(is_there,)))
        slots.append(tuple(range(first, len(decisions))))
    decisions.append(Decision(name="head.weight_bits", options=tuple(bits)))
    return Space(family="cnn", decisions=tuple(decisions), slots=tuple(slots), depth=0)


@st.composite
def layered_spaces(draw) -> Space:
    depths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True).map(sorted))
    widths = draw(st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True).map(sorted))
    bits = draw(st.sampled_from([(8,), (4, 8), (2, 4, 8)]))
    return layered(depths, widths, bits, with_kind=draw(st.booleans()))


@st.composite
def custom_spaces(draw) -> Space:
    decisions: list[Decision] = []
    for index in range(draw(st.integers(1, 7))):
        names = draw(st.booleans())
        size = draw(st.integers(1, 4))
        options = tuple("abcd"[:size]) if names else tuple(range(size))
        when = []
        for earlier in draw(st.lists(st.integers(0, index - 1), max_size=2, unique=True)) if index else []:
            among = st.integers(0, len(decisions[earlier].options) - 1)
            when.append(Condition(decision=earlier, options=frozenset(draw(st.lists(among, min_size=1, max_size=3)))))
        decisions.append(Decision(name=f"d{index}", options=options, when=tuple(when)))
    return Space(family="custom", decisions=tuple(decisions))


any_space = st.one_of(layered_spaces(), custom_spaces())


def two_objectives(genes: Genes) -> Fitness:
    """More is better in one, less in the other; many ties, and interactions between neighbouring genes."""
    gain = sum((index % 3 + 1) * gene for index, gene in enumerate(genes))
    gain += sum(a * b for a, b in pairwise(genes))
    return Fitness(values=(float(gain), -float(sum(gene * gene for gene in genes))))


def limited(genes: Genes) -> Fitness | None:
    """As above; every seventh fails, and a quarter of the rest misses a limit."""
    code = hash(genes) % 1009
    if code % 7 == 0:
        return None
    fitness = two_objectives(genes)
    return Fitness(values=fitness.values, violation=code / 100) if code % 4 == 0 else fitness


def run(engine: Engine, truth: Truth, evaluations: int) -> list[Candidate]:
    """Ask and tell one by one until so many candidates were told, or the engine is exhausted."""
    candidates: list[Candidate] = []
    while len(candidates) < evaluations and (candidate := engine.ask()) is not None:
        candidates.append(candidate)
        engine.tell(Scored(number=candidate.number, fitness=truth(candidate.genome.genes)))
    return candidates


def run_in_batches(engine: Engine, truth: Truth, evaluations: int, order) -> list[Candidate]:
    """Ask until nothing comes, then tell in the order that `order` gives the batch."""
    candidates: list[Candidate] = []
    while len(candidates) < evaluations:
        batch = []
        while (candidate := engine.ask()) is not None:
            batch.append(candidate)
        if not batch:
            break
        for candidate in order(batch):
            engine.tell(Scored(number=candidate.number, fitness=truth(candidate.genome.genes)))
        candidates += batch
    return candidates


def is_closed(genes: Genes, space: Space) -> bool:
    """Whether these are canonical genes of the space."""
    sizes = [len(decision.options) for decision in space.decisions]
    return (
        isinstance(genes, tuple) and space.canonical(genes) == genes and all(map(lt, genes, sizes)) and min(genes) >= 0
    )


def layers_of(genes: Genes, space: Space) -> list[Genes]:
    """The genes of each layer that expresses."""
    return [tuple(genes[index] for index in slot) for slot in space.slots[: space.layer_count(genes)]]


def mutant(genes: Genes, space: Space, rng, rates=None) -> Individual:
    """A mutant of some genes."""
    return mutate(Individual(genes), space=space, rng=rng, rates=rates)[0]


def child(first: Genes, second: Genes, space: Space, rng, rates=None) -> Individual:
    """A child of two parents."""
    return mate(Individual(first), Individual(second), space=space, rng=rng, rates=rates)[0]
