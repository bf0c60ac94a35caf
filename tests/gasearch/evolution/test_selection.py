"""Survivor and parent selection."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from deap import base, tools
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.individual import ConstrainedFitness, Individual
from gasearch.evolution.selection import (
    AgingParents,
    RankedPool,
    choose,
    evenly_scaled,
    keep_newest,
    keep_none,
    select_survivors,
)
from gasearch.objectives import pareto

OBJECTIVES = (1, 2, 3, 4, 10)
unhurried = settings(deadline=None)  # machines are shared


def individual(number: int, values, violation=0.0) -> Individual:
    return Individual([number], number=number, fitness=ConstrainedFitness(map(float, values), violation))


def numbers(individuals) -> list[int]:
    return [individual.number for individual in individuals]


@st.composite
def pools(draw) -> list[Individual]:
    objectives = draw(st.sampled_from(OBJECTIVES))
    rows = draw(
        st.lists(st.lists(st.integers(0, 5), min_size=objectives, max_size=objectives), min_size=1, max_size=30)
    )
    violations = draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 2.0]), min_size=len(rows), max_size=len(rows)))
    return [individual(n, row, violation) for n, (row, violation) in enumerate(zip(rows, violations, strict=True))]


def is_dominated(one: Individual, other: Individual) -> bool:
    a, b = one.fitness.values, other.fitness.values
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


@unhurried
@given(pools(), st.randoms(use_true_random=False))
def test_survivors_do_not_depend_on_the_order_of_the_pool(pool, shuffler):
    shuffled = list(pool)
    shuffler.shuffle(shuffled)
    half = (len(pool) + 1) // 2
    assert numbers(select_survivors(shuffled, half)) == numbers(select_survivors(pool, half))


@unhurried
@given(pools())
def test_infeasible_individuals_rank_after_feasible_ones_and_by_violation(pool):
    order = select_survivors(pool, len(pool))
    assert sorted(numbers(order)) == numbers(pool)
    violations = [chosen.fitness.violation for chosen in order]
    assert violations == sorted(violations)


@unhurried
@given(pools())
def test_no_survivor_stands_before_a_feasible_individual_that_dominates_it(pool):
    order = [chosen for chosen in select_survivors(pool, len(pool)) if chosen.fitness.is_feasible]
    for place, better in enumerate(order):
        assert not any(is_dominated(better, later) for later in order[place + 1 :])


@unhurried
@given(pools())
def test_fewer_survivors_are_the_first_of_more(pool):
    order = numbers(select_survivors(pool, len(pool)))
    for count in range(len(pool)):
        assert numbers(select_survivors(pool, count)) == order[:count]


@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_the_survivors_are_as_good_as_those_of_deap(objectives):
    draw = random.Random(objectives)
    rows = [tuple(1 + draw.random() for _ in range(objectives)) for _ in range(60)]
    plain = [Plain(number, row) for number, row in enumerate(rows)]
    theirs = [chosen.number for chosen in tools.selNSGA2(plain, 25, nd="standard")]
    ours = numbers(select_survivors([individual(number, row) for number, row in enumerate(rows)], 25))
    fronts = tools.sortNondominated(plain, 60)
    rank = {member.number: place for place, front in enumerate(fronts) for member in front}

    def qualities(chosen) -> list[tuple[int, float]]:  # two that are infinitely lonely may go either way
        return sorted((rank[number], -plain[number].fitness.crowding_dist) for number in chosen)

    assert qualities(ours) == qualities(theirs)


class Plain:
    """What DEAP's selection needs of an individual."""

    def __init__(self, number: int, values: tuple[float, ...]) -> None:
        self.number = number
        self.fitness = type("PlainFitness", (base.Fitness,), {"weights": (1.0,) * len(values)})()
        self.fitness.values = values


def test_a_single_objective_selects_the_greatest_values():
    pool = [individual(number, [value]) for number, value in enumerate([3, 9, 1, 9, 7])]
    assert numbers(select_survivors(pool, 3)) == [1, 3, 4]


def test_the_lonely_survive_in_the_last_front():
    pool = [individual(n, (x, -x)) for n, x in enumerate([0.0, 0.01, 0.02, 0.5, 1.0])]
    assert sorted(numbers(select_survivors(pool, 3))) == [0, 3, 4]


def test_equal_individuals_go_by_their_number_after_the_two_ends_of_their_front():
    pool = [individual(number, (1, 1)) for number in (8, 3, 5, 1, 4)]
    assert numbers(select_survivors(pool, 5)) == [1, 8, 3, 4, 5]


def test_small_networks_are_not_crowded_out_by_large_ones():
    pool = [individual(n, (n, -(2.0**n))) for n in range(12)]  # as far apart as each other, in powers of two
    pool.append(individual(12, (10.5, -(2.0**10.1))))  # close to number 10, though far from it in bytes
    assert 12 not in numbers(select_survivors(pool, 12))


@unhurried
@given(st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=20), st.sampled_from([1.0, -1.0]))
def test_scaling_for_crowding_keeps_the_order_of_the_worths(wvalues, sign):
    column = np.array(wvalues)[:, None] * sign
    scaled = evenly_scaled(column)
    order = np.argsort(column[:, 0], kind="stable")
    assert (np.diff(scaled[order, 0]) >= 0).all()


def test_objectives_within_a_decade_or_of_both_signs_are_crowded_as_they_are():
    values = np.array([[0.1, -5.0], [0.9, 100.0], [0.95, 3.0]])
    assert evenly_scaled(values).tolist() == values.tolist()


def test_an_empty_pool_has_no_survivors():
    assert select_survivors([], 4) == []


@unhurried
@given(pools())
def test_crowding_of_all_fronts_at_once_is_that_of_each_front(pool):
    values = np.array([one.fitness.values for one in pool])
    ranks = pareto.rank(values)
    crowding = pareto.crowding_distance(values, ranks)
    for front in range(int(ranks.max()) + 1):
        members = ranks == front
        alone = pareto.crowding_distance(values[members], np.zeros(int(members.sum()), dtype=np.intp))
        assert crowding[members].tolist() == alone.tolist()


def test_an_aging_search_keeps_the_newest_in_the_order_given():
    pool = [individual(number, [wvalue]) for number, wvalue in [(4, 9), (1, 8), (7, 1), (3, 0)]]
    assert numbers(keep_newest(pool, 3)) == [1, 7, 3]
    assert numbers(keep_newest(pool, 9)) == [4, 1, 7, 3]


def test_a_search_at_random_keeps_none():
    assert keep_none([individual(0, [1])], 3) == []


steps = st.lists(
    st.tuples(
        st.integers(0, 25),  # a candidate comes, or comes again with other values,
        st.lists(st.sampled_from([1, 2, 3, 40, 50]), min_size=3, max_size=3),
        st.sampled_from([0.0, 0.0, 0.0, 0.5]),
        st.lists(st.integers(0, 25), max_size=2),  # and others go,
        st.booleans(),  # before somebody asks, or not
    ),
    min_size=1,
    max_size=60,
)


@unhurried
@given(steps, st.integers(1, 12), st.sampled_from([1, 3]))
def test_who_comes_and_goes_one_by_one_is_selected_from_as_all_at_once(steps, count, objectives):
    pool, everybody = RankedPool(), {}
    for number, row, violation, leaving, is_asked in steps:
        everybody[number] = individual(number, row[:objectives], violation)
        pool.put(everybody[number])
        for other in leaving:
            pool.drop(other)
            everybody.pop(other, None)
        if is_asked:
            assert numbers(pool.best(count)) == numbers(select_survivors([*everybody.values()], count))
    assert numbers(pool.best(count)) == numbers(select_survivors([*everybody.values()], count))
    assert all(pool[number] is one and number in pool for number, one in everybody.items())


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
