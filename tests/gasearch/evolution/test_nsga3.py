"""Survivor selection by niches, its reference directions and its normalization."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.nsga3 import nearest_directions, normalized, reference_directions, select_by_niches, solve
from gasearch.evolution.selection import select_survivors
from tests.gasearch.evolution.test_selection import individual, is_dominated, numbers, pools

unhurried = settings(deadline=None)  # machines are shared


@unhurried
@given(pools(), st.randoms(use_true_random=False))
def test_survivors_do_not_depend_on_the_order_of_the_pool(pool, shuffler):
    shuffled = list(pool)
    shuffler.shuffle(shuffled)
    half = (len(pool) + 1) // 2
    assert numbers(select_by_niches(shuffled, half)) == numbers(select_by_niches(pool, half))


@unhurried
@given(pools())
def test_infeasible_individuals_rank_after_feasible_ones_and_by_violation(pool):
    order = select_by_niches(pool, len(pool))
    assert sorted(numbers(order)) == numbers(pool)
    violations = [chosen.fitness.violation for chosen in order]
    assert violations == sorted(violations)


@unhurried
@given(pools(), st.integers(1, 40))
def test_no_survivor_stands_before_a_feasible_individual_that_dominates_it(pool, count):
    order = select_by_niches(pool, count)
    assert len(order) == min(count, len(pool))
    feasible = [chosen for chosen in order if chosen.fitness.is_feasible]
    for place, better in enumerate(feasible):
        assert not any(is_dominated(better, later) for later in feasible[place + 1 :])
    left_out = [one for one in pool if one not in order and one.fitness.is_feasible]
    assert not any(is_dominated(kept, out) for kept in feasible for out in left_out)


@unhurried
@given(
    st.integers(1, 16).flatmap(
        lambda n: st.lists(st.lists(st.sampled_from([-1e9, -1.0, 0.0, 1e-9, 5.0]), min_size=n, max_size=n), min_size=1)
    )
)
def test_degenerate_fronts_of_up_to_sixteen_objectives_are_safe(rows):
    pool = [individual(number, row) for number, row in enumerate(rows)]
    assert len(select_by_niches(pool, 5)) == min(5, len(pool))


def sphere(count: int, objectives: int, seed: int = 0) -> list:
    """Individuals on the sphere around the worst point, crowded towards the first axis."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        row = [abs(draw.gauss(0, 1)) * (4 if axis == 0 else 1) for axis in range(objectives)]
        length = sum(value * value for value in row) ** 0.5
        rows.append([2 - value / length for value in row])
    return [individual(number, row) for number, row in enumerate(rows)]


@pytest.mark.parametrize(("objectives", "kept"), [(3, 90), (5, 120), (8, 150)])
def test_survivors_fill_more_niches_than_those_by_crowding(objectives, kept):
    pool = sphere(4 * kept, objectives)

    def niches(survivors) -> int:
        costs = np.array([[2 - wvalue for wvalue in one.fitness.values] for one in survivors])
        nearest, _ = nearest_directions(costs, reference_directions(objectives, kept))
        return len(set(nearest.tolist()))

    ours = niches(select_by_niches(pool, kept))
    assert ours >= 0.95 * niches(pool)
    assert ours > niches(select_survivors(pool, kept))


def test_an_objective_that_spans_decades_is_spread_by_its_logarithm():
    pool = [individual(n, (float(n), -(2.0**n))) for n in range(40)]
    kept = sorted(numbers(select_by_niches(pool, 8)))
    assert max(b - a for a, b in pairwise(kept)) <= 8


def test_the_first_into_an_empty_niche_is_the_closest_to_its_direction():
    pool = [individual(n, (1 - x, x)) for n, x in enumerate([0.0, 0.42, 0.49, 0.57, 1.0])]
    assert sorted(numbers(select_by_niches(pool, 3))) == [0, 2, 4]


@pytest.mark.parametrize(
    ("objectives", "count", "directions"),
    [(1, 24, 1), (2, 24, 24), (3, 92, 91), (5, 210, 210), (8, 156, 156), (10, 276, 275), (15, 136, 135), (16, 8, 16)],
)
def test_there_are_about_as_many_directions_as_survivors(objectives, count, directions):
    points = reference_directions(objectives, count)
    assert points.shape == (directions, objectives)
    assert points.sum(axis=1) == pytest.approx(1)
    assert len(np.unique(points, axis=0)) == directions


def test_many_objectives_have_directions_inside_the_simplex():
    assert (reference_directions(8, 156) > 0).all(axis=1).sum() == 36


def test_directions_without_an_objective_are_refused():
    with pytest.raises(ValueError, match="at least 1 objective; got 0"):
        reference_directions(0, 8)


def test_normalized_costs_meet_the_axes_at_one():
    costs = np.array([[1.0, 0.0, 10.0], [3.0, 0.0, 10.0], [1.0, 8.0, 10.0], [1.0, 0.0, 110.0], [2.0, 4.0, 60.0]])
    scaled = normalized(costs, np.zeros(5, dtype=np.intp))
    assert scaled[:4].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert scaled[4].tolist() == [0.5, 0.5, 0.5]


def test_where_extreme_points_span_no_plane_the_worst_of_the_first_front_counts():
    costs = np.array([[0.0, 0.0, 1.0], [2.0, 2.0, 0.0], [9.0, 9.0, 9.0]])
    scaled = normalized(costs, np.array([0, 0, 1]))
    assert scaled.tolist() == [[0, 0, 1], [1, 1, 0], [4.5, 4.5, 9]]


@unhurried
@given(st.integers(1, 16), st.integers(0, 10_000))
def test_linear_equations_are_solved_as_numpy_solves_them(size, seed):
    draw = np.random.default_rng(seed)
    matrix, right = draw.normal(size=(size, size)), draw.normal(size=size)
    if np.linalg.cond(matrix) < 1e6:
        assert solve(matrix, right) == pytest.approx(np.linalg.solve(matrix, right), rel=1e-6, abs=1e-8)


def test_a_singular_system_has_no_solution():
    assert solve(np.ones((3, 3)), np.ones(3)) is None
