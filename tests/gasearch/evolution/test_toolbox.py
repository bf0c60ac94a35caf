"""The DEAP toolbox: what it holds, how it is called, and what importing it costs."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from deap import base

from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.selection import Individual
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness
from gasearch.space.genome import make_genome
from tests.gasearch.evolution.evolution_spaces import layered, run, two_objectives

SPACE = layered(with_kind=True)


def test_the_toolbox_is_deaps_and_its_operators_are_called_as_documented():
    toolbox = make_toolbox(SPACE)
    assert isinstance(toolbox, base.Toolbox)
    rng = random.Random(1)
    first, name = toolbox.sample(rng=rng)
    assert name == "sample"
    second, _ = toolbox.mutate(first, rng=rng)
    child, _ = toolbox.mate(first, second, rng=rng)
    assert len({first, second, child}) == 3
    pool = [
        Individual(number=number, genome=make_genome(genes, SPACE), fitness=Fitness(values=(float(number),)))
        for number, genes in enumerate([first, second, child])
    ]
    survivors = toolbox.select(pool, 2)
    assert [survivor.number for survivor in survivors] == [2, 1]
    assert toolbox.choose(survivors, rng=rng) in survivors


def test_the_documented_replacement_of_an_operator_works():
    def flip_bits(genes, space, rng):
        index = next(i for i, d in enumerate(space.decisions) if d.name == "head.weight_bits")
        option = int(rng.random() * space.sizes[index])
        return (*genes[:index], option, *genes[index + 1 :]), "flip_bits"

    toolbox = make_toolbox(SPACE)
    toolbox.register("mutate", flip_bits, space=SPACE)
    engine = GenerationalEngine(SPACE, seed=1, population=24, toolbox=toolbox)
    assert any("flip_bits" in candidate.operator for candidate in run(engine, two_objectives, 72))


def test_a_replaced_selection_decides_who_survives():
    toolbox = make_toolbox(SPACE)
    toolbox.register("select", lambda individuals, count: sorted(individuals, key=lambda i: -i.number)[:count])
    engine = GenerationalEngine(SPACE, seed=1, population=4, toolbox=toolbox)
    run(engine, two_objectives, 12)
    engine.ask()
    assert engine.population == (11, 10, 9, 8)


@pytest.mark.parametrize(("algorithm", "kept", "mate_share"), [("nsga2", 9, 0.9), ("nsga3", 9, 0.9), ("aging", 2, 0)])
def test_algorithms_differ_in_who_survives_and_in_the_share_of_mating(algorithm, kept, mate_share):
    toolbox = make_toolbox(SPACE, algorithm)
    genome = make_genome((0,) * len(SPACE.sizes), SPACE)
    pool = [Individual(number=n, genome=genome, fitness=Fitness(values=(float(-abs(n - 9)),))) for n in (8, 9, 1, 2)]
    assert toolbox.select(pool, 2)[-1 if algorithm == "aging" else 0].number == kept
    assert toolbox.mate_share == mate_share
    assert toolbox.choose(pool, rng=random.Random(1)) in pool


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="one of nsga2, nsga3, aging, random; got 'nsga4'"):
        make_toolbox(SPACE, "nsga4")


def test_a_search_at_random_samples_only():
    engine = GenerationalEngine(SPACE, seed=1, population=4, toolbox=make_toolbox(SPACE, "random"))
    assert {candidate.operator for candidate in run(engine, two_objectives, 40)} == {"sample"}


def test_the_engine_clones_nothing_and_creates_no_classes():
    code = (
        "import sys, gasearch.evolution.generational;"
        "print(sorted({'deap.creator', 'torch', 'ray', 'sqlalchemy', 'scipy'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
    toolbox = make_toolbox(SPACE)
    toolbox.unregister("clone")
    assert len(run(GenerationalEngine(SPACE, seed=1, population=4, toolbox=toolbox), two_objectives, 12)) == 12
