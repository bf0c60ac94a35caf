"""Points that are replaced, removed and found covered fast: the front is the one that all points make from nothing."""

import random

import pytest

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.pareto import ParetoFront, rank
from gasearch.objectives.plain_front import PlainFront


def from_nothing(points):
    """The members of a front by its definition: numbers in the order in which the points came."""
    ranks = rank([points[number].values for number in points]) if points else []
    members = {}
    for number, its_rank in zip(points, ranks, strict=True):
        if its_rank == 0:
            values = points[number].values
            members[values] = min(number, members.get(values, number))
    return [number for number in points if members.get(points[number].values) == number]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_front_stays_that_of_all_its_points_whatever_is_replaced(objectives, seed):
    rng, front, points = random.Random(seed), ParetoFront(), {}
    for step in range(250):
        if points and rng.random() < 0.3:
            number, is_new = rng.choice(list(points)), False
        else:
            number, is_new = rng.randrange(10**6), True
        if number in points and is_new:
            continue
        fitness = Fitness(values=tuple(float(rng.randrange(9)) for _ in range(objectives)))
        before = set(front.numbers)
        change = (front.add if is_new else front.replace)(number, fitness)
        points.pop(number, None)
        points[number] = fitness
        assert sorted(front.numbers) == sorted(from_nothing(points)), step
        assert set(change.entered) == set(front.numbers) - before
        assert set(change.left) == before - set(front.numbers)
        if not is_new:
            assert list(front.numbers) == from_nothing(points)
        assert front.values.tolist() == [list(points[member].values) for member in front.numbers]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_what_is_removed_lets_those_in_that_it_had_kept_out(objectives):
    rng, front, points = random.Random(7), PlainFront(), {}
    for number in range(120):
        points[number] = Fitness(values=tuple(float(rng.randrange(20)) for _ in range(objectives)))
        front.add(number, points[number])
    while points:
        number = rng.choice(list(front.numbers))
        front.remove(number)
        del points[number]
        assert list(front.numbers) == from_nothing(points)
    front.remove(5)
    assert len(front) == 0


def test_a_point_that_becomes_infeasible_leaves_and_comes_back_with_its_next_fitness():
    front = PlainFront()
    front.add(0, Fitness(values=(1.0, 1.0)))
    front.add(1, Fitness(values=(0.0, 0.0)))
    assert front.replace(0, Fitness(values=(2.0, 2.0), violation=1.0)).entered == (1,)
    assert front.replace(0, Fitness(values=(2.0, 2.0))).left == (1,)
