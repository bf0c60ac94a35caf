"""Ranks, crowding and hypervolume."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pytest
from deap import base
from deap.tools import emo
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.pareto import Scaling, crowding_distance, hypervolume, rank

OBJECTIVES = (1, 2, 3, 4, 10)
unhurried = settings(deadline=None)  # machines are shared


few_numbers = st.integers(0, 6).map(float)  # so that points tie and repeat


@st.composite
def points(draw, numbers=few_numbers) -> list[tuple[float, ...]]:
    objectives = draw(st.sampled_from(OBJECTIVES))
    return draw(st.lists(st.tuples(*[numbers] * objectives), min_size=1, max_size=25))


class Plain:
    """What DEAP's sorting needs of an individual."""

    def __init__(self, number: int, values: tuple[float, ...]) -> None:
        self.number = number
        self.fitness = type("PlainFitness", (base.Fitness,), {"weights": (1.0,) * len(values)})()
        self.fitness.values = values


def of_one_front(values: list[tuple[float, ...]]) -> list[float]:
    return crowding_distance(np.array(values), np.zeros(len(values), dtype=np.intp)).tolist()


@unhurried
@given(points())
def test_ranks_equal_those_of_deap(values):
    individuals = [Plain(number, row) for number, row in enumerate(values)]
    fronts = emo.sortNondominated(individuals, len(individuals))
    expected = {plain.number: place for place, front in enumerate(fronts) for plain in front}
    assert dict(enumerate(rank(values).tolist())) == expected


@unhurried
@given(points(st.floats(-1e6, 1e6)))
def test_crowding_distances_equal_those_of_deap(values):
    individuals = [Plain(number, row) for number, row in enumerate(values)]
    emo.assignCrowdingDist(individuals)
    expected = [plain.fitness.crowding_dist for plain in individuals]
    assert of_one_front(values) == pytest.approx(expected, rel=1e-12)


@unhurried
@given(points())
def test_crowding_distances_of_points_with_ties_equal_those_of_deap(values):
    individuals = [Plain(number, row) for number, row in enumerate(values)]
    emo.assignCrowdingDist(individuals)
    assert of_one_front(values) == [plain.fitness.crowding_dist for plain in individuals]


def test_no_points_have_no_ranks():
    assert rank([]).tolist() == []


@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_the_hypervolume_of_one_point_is_its_box(objectives):
    sides = [1.0 + 0.25 * place for place in range(objectives)]
    assert hypervolume([sides], [0.0] * objectives) == pytest.approx(math.prod(sides), rel=2e-3)
    if objectives <= 6:
        assert hypervolume([sides], [0.0] * objectives) == pytest.approx(math.prod(sides), rel=1e-12)


def volume_by_inclusion_and_exclusion(values, reference) -> float:
    total = 0.0
    for size in range(1, len(values) + 1):
        for chosen in itertools.combinations(values, size):
            corner = [min(column) for column in zip(*chosen, strict=True)]
            total -= (-1) ** size * math.prod(max(0.0, c - r) for c, r in zip(corner, reference, strict=True))
    return total


@pytest.mark.parametrize("objectives", OBJECTIVES)
def test_the_hypervolume_of_boxes_equals_inclusion_and_exclusion(objectives):
    draw = random.Random(objectives)
    reference = [0.25] * objectives
    values = [[0.1 + 2 * draw.random() for _ in range(objectives)] for _ in range(8)]
    expected = volume_by_inclusion_and_exclusion(values, reference)
    assert hypervolume(values, reference) == pytest.approx(expected, rel=1e-9 if objectives <= 6 else 5e-2)


def test_points_that_do_not_dominate_the_reference_add_no_hypervolume():
    assert hypervolume([(1.0, 1.0), (5.0, -1.0), (0.0, 9.0)], (0.0, 0.0)) == 1.0
    assert hypervolume([(-1.0, 5.0)], (0.0, 0.0)) == 0.0
    assert hypervolume([], (0.0, 0.0)) == 0.0


def test_values_that_are_no_matrix_are_refused():
    with pytest.raises(ValueError, match=r"shape \(points, objectives\); got \(3,\)"):
        rank([1.0, 2.0, 3.0])


def test_a_scaling_spans_the_feasible_wvalues_of_the_first_generation():
    scaling = Scaling.of(
        [
            Fitness(values=(0.5, -100.0)),
            Fitness(values=(0.9, -300.0)),
            Fitness(values=(0.99, -1.0), violation=0.1),
        ]
    )
    assert scaling.ideal == (0.9, -100.0)
    assert scaling.reference == pytest.approx((0.9 - 1.1 * 0.4, -320.0))
    assert scaling.scaled([(0.9, -100.0), (0.5, -300.0), (0.46, -320.0)]).tolist() == pytest.approx(
        np.array([(0.0, 0.0), (1.0, 1.0), (1.1, 1.1)])
    )


def test_the_scaled_hypervolume_of_the_ideal_is_the_whole_box_and_better_points_have_more():
    scaling = Scaling.of([Fitness(values=(0.0, 0.0)), Fitness(values=(2.0, 4.0))])
    assert scaling.hypervolume([(2.0, 4.0)]) == pytest.approx(1.1**2)
    assert scaling.hypervolume([(4.0, 4.0)]) == pytest.approx(2.1 * 1.1)


def test_a_scaling_of_equal_wvalues_takes_their_magnitude_as_range():
    scaling = Scaling.of([Fitness(values=(5.0, 0.0))])
    assert scaling.reference == pytest.approx((5.0 - 1.1 * 5.0, -1.1))
    assert scaling.hypervolume([(5.0, 0.0)]) == pytest.approx(1.1**2)


def test_a_scaling_without_a_feasible_fitness_is_refused():
    with pytest.raises(ValueError, match="at least one feasible fitness; got 1, none feasible"):
        Scaling.of([Fitness(values=(1.0,), violation=2.0)])


def test_importing_the_front_loads_neither_scipy_nor_torch_nor_moocore():
    code = "import sys, gasearch.objectives.front; print(sorted({'scipy', 'moocore', 'deap'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
