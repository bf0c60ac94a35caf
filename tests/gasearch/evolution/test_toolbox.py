"""The DEAP toolbox: what it holds, how it is called, and what importing it costs."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from deap import base

from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.individual import Individual
from gasearch.evolution.toolbox import make_toolbox
from tests.gasearch.evolution.evolution_spaces import layered, run, two_objectives
from tests.gasearch.evolution.test_selection import individual

SPACE = layered(with_kind=True)


def test_the_toolbox_is_deaps_and_has_its_names():
    toolbox = make_toolbox(SPACE)
    assert isinstance(toolbox, base.Toolbox)
    first, second = toolbox.population(n=2)
    assert isinstance(first, Individual)
    mutant, *others = toolbox.mutate(toolbox.clone(first))
    child, other = toolbox.mate(toolbox.clone(first), toolbox.clone(second))
    assert others == []
    assert other == second
    assert mutant != first
    assert child not in (first, second)
    pool = [individual(number, [number]) for number in range(3)]
    survivors = toolbox.select(pool, 2)
    assert [survivor.number for survivor in survivors] == [2, 1]
    assert toolbox.choose(survivors, 1)[0] in survivors
    assert list(toolbox.map(len, survivors)) == [1, 1]


def test_operators_take_individuals_of_any_class_as_deaps_algorithms_hand_them_over():
    class Listed(list):
        pass

    random.seed(1)
    toolbox = make_toolbox(SPACE)
    first, second = (Listed(toolbox.individual()) for _ in range(2))
    before = list(first), list(second)
    assert toolbox.mate(first, second) == (first, second)
    assert first not in before
    assert second == before[1]
    assert toolbox.mutate(second) == (second,)
    assert second not in before
    assert isinstance(second, Listed)


def test_evaluating_is_left_to_the_search():
    with pytest.raises(NotImplementedError, match=r'toolbox.register\("evaluate", FUNCTION\)'):
        make_toolbox(SPACE).evaluate(Individual([0]))


@pytest.mark.parametrize(("algorithm", "kept", "cxpb"), [("nsga2", 9, 0.9), ("nsga3", 9, 0.9), ("aging", 2, 0)])
def test_algorithms_differ_in_who_survives_and_in_the_share_of_mating(algorithm, kept, cxpb):
    toolbox = make_toolbox(SPACE, algorithm)
    pool = [individual(n, [-abs(n - 9)]) for n in (8, 9, 1, 2)]
    assert toolbox.select(pool, 2)[-1 if algorithm == "aging" else 0].number == kept
    assert toolbox.cxpb == cxpb
    assert toolbox.choose(pool, 1, rng=random.Random(1))[0] in pool


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="one of nsga2, nsga3, aging, random; got 'nsga4'"):
        make_toolbox(SPACE, "nsga4")


def test_a_search_at_random_samples_only():
    engine = GenerationalEngine(SPACE, seed=1, population=4, toolbox=make_toolbox(SPACE, "random"))
    assert {candidate.operator for candidate in run(engine, two_objectives, 40)} == {"sample"}


def test_no_class_is_created_at_run_time():
    code = (
        "import sys, gasearch.evolution.generational;"
        "print(sorted({'deap.creator', 'torch', 'ray', 'sqlalchemy', 'scipy'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
