"""Our operators as a DEAP toolbox calls them."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from gasearch.evolution.individual import Individual, clone
from gasearch.evolution.operators import AgingParents, choose, make_individual, mate, mutate
from tests.gasearch.evolution.evolution_spaces import layered
from tests.gasearch.evolution.test_selection import individual

SPACE = layered(with_kind=True)


def test_operators_change_the_individuals_that_they_get_and_return_them():
    rng = random.Random(1)
    first, second = (make_individual(space=SPACE, rng=rng) for _ in range(2))
    mutant, child, other = clone(first), clone(first), clone(second)
    assert mutate(mutant, space=SPACE, rng=rng) == (mutant,)
    assert mate(child, other, space=SPACE, rng=rng) == (child, other)
    assert mutant != first
    assert child not in (first, second)
    assert other == second
    assert child.operator.startswith("crossover")
    assert isinstance(child, Individual)


def test_without_a_generator_they_draw_from_the_global_one():
    before = random.getstate()
    try:
        random.seed(5)
        drawn = make_individual(space=SPACE), mutate(make_individual(space=SPACE), space=SPACE)[0]
    finally:
        random.setstate(before)
    rng = random.Random(5)
    assert drawn[0] == make_individual(space=SPACE, rng=rng)
    assert drawn[1] == mutate(make_individual(space=SPACE, rng=rng), space=SPACE, rng=rng)[0]


def test_a_parent_is_the_better_of_two():
    ordered = [individual(number, [9 - number]) for number in range(4)]
    wins = Counter(choose(ordered, 1, rng=random.Random(seed))[0].number for seed in range(4000))
    assert [wins[number] / 4000 for number in range(4)] == pytest.approx([7 / 16, 5 / 16, 3 / 16, 1 / 16], abs=0.03)


def test_two_parents_are_different_ones():
    pair = [individual(4, [2]), individual(7, [1])]
    for seed in range(100):
        assert {one.number for one in choose(pair, 2, rng=random.Random(seed))} == {4, 7}


def test_the_parents_of_an_aging_search_are_the_best_of_a_fifth_whatever_their_age():
    survivors = tuple(individual(number, [(7 * number) % 50]) for number in range(50))
    find = AgingParents()
    values = [find(survivors, 1, rng=random.Random(seed))[0].fitness.values[0] for seed in range(500)]
    assert np.mean(values) == pytest.approx(49 - 50 / 11, abs=1.0)  # the best of ten of 50
    infeasible = [individual(number, [9], violation=1.0) for number in range(10)] + [individual(10, [0])]
    counts = Counter(find(infeasible, 1, rng=random.Random(seed))[0].number for seed in range(300))
    assert counts[10] == max(counts.values())
