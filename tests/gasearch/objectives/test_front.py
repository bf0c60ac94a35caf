"""The front that grows: points that come, are replaced and removed, exact ones and intervals."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Scaling, rank

unhurried = settings(deadline=None)


@st.composite
def rows(draw):
    """Up to 25 points that tie and repeat."""
    objectives = draw(st.sampled_from((1, 2, 3, 4, 10)))
    return draw(st.lists(st.tuples(*[st.integers(0, 6).map(float)] * objectives), min_size=1, max_size=25))


def dominates(a, b) -> bool:
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


@st.composite
def fitnesses(draw, *, widest=3):
    """Up to 12 points of 2 or 3 objectives with small whole values and spreads, some infeasible."""
    objectives = draw(st.integers(2, 3))
    number = st.integers(0, 5).map(float)
    spread = st.integers(0, widest).map(lambda half: half / 2)
    one = st.builds(
        lambda values, spreads, violation: Fitness(values=values, spreads=spreads, violation=violation),
        st.tuples(*[number] * objectives),
        st.one_of(st.just(()), st.tuples(*[spread] * objectives)),
        st.sampled_from([0.0, 0.0, 0.0, 1.0]),
    )
    return draw(st.lists(one, min_size=1, max_size=12))


def front_of(points):
    front = ParetoFront()
    for number, fitness in points:
        front.add(number, fitness)
    return front


@unhurried
@given(fitnesses(), st.randoms(use_true_random=False))
def test_the_members_don_t_depend_on_the_order_in_which_points_come(points, rng):
    numbered = list(enumerate(points))
    members = set(front_of(numbered).numbers)
    rng.shuffle(numbered)
    assert set(front_of(numbered).numbers) == members


@unhurried
@given(fitnesses(widest=0), fitnesses(widest=0), st.randoms(use_true_random=False))
def test_values_of_any_size_have_the_front_of_small_ones(points, newer, rng):
    def enlarged(one):
        values = tuple((value - 2.5) * 2.0**1022 for value in one.values)  # their range is no float any more
        return Fitness(values=values, violation=one.violation)

    newer = [one for one in newer if len(one.values) == len(points[0].values)]
    points = [one for one in points if len(one.values) == len(points[0].values)]
    order = list(enumerate(newer))
    rng.shuffle(order)
    small, large = front_of(enumerate(points)), front_of(enumerate(map(enlarged, points)))
    for number, fitness in order:
        small.add(number, fitness)
        large.add(number, enlarged(fitness))
    assert set(large.numbers) == set(small.numbers)


@unhurried
@given(fitnesses(), fitnesses(), st.randoms(use_true_random=False))
def test_a_front_whose_points_were_replaced_is_that_of_the_newest(points, newer, rng):
    objectives = len(points[0].values)
    newer = [one for one in newer if len(one.values) == objectives][: len(points)]
    front = front_of(enumerate(points))
    replaced = list(enumerate(newer))
    rng.shuffle(replaced)
    for number, fitness in replaced:
        front.add(number, fitness)
    newest = dict(enumerate(points)) | dict(replaced)
    assert set(front.numbers) == set(front_of(newest.items()).numbers)
    assert len(front.values) == len(front)


@unhurried
@given(fitnesses(), fitnesses())
def test_the_changes_add_up_to_the_members(points, newer):
    objectives = len(points[0].values)
    front, members = ParetoFront(), set()
    steps = [(front.add, number, one) for number, one in enumerate(points)]
    steps += [
        (front.add, number, one) for number, one in enumerate(newer[: len(points)]) if len(one.values) == objectives
    ]
    for step, number, fitness in steps:
        change = step(number, fitness)
        assert not set(change.entered) & members
        assert set(change.left) <= members
        members = (members | set(change.entered)) - set(change.left)
        assert members == set(front.numbers)


@unhurried
@given(fitnesses(widest=8))
def test_a_front_is_empty_only_where_nothing_is_feasible(points):
    assert bool(front_of(enumerate(points))) == any(one.is_feasible for one in points)


@unhurried
@given(fitnesses(widest=0))
def test_spreads_of_nothing_change_nothing(points):
    plain = [Fitness(values=one.values, violation=one.violation) for one in points]
    assert front_of(enumerate(points)).numbers == front_of(enumerate(plain)).numbers


@unhurried
@given(fitnesses())
def test_members_belong_to_the_front_without_spreads(points):
    plain = [Fitness(values=one.values, violation=one.violation) for one in points]
    assert set(front_of(enumerate(points)).numbers) <= set(front_of(enumerate(plain)).numbers)


def test_a_lead_within_the_intervals_is_a_tie_and_the_clearly_better_one_stays():
    front = front_of(
        [
            (0, Fitness(values=(0.90, -100.0), spreads=(0.02, 0.0))),
            (1, Fitness(values=(0.91, -500.0), spreads=(0.02, 0.0))),  # 0.01 ahead is nothing, 400 behind is a lot
            (2, Fitness(values=(0.99, -900.0), spreads=(0.02, 0.0))),
        ]
    )
    assert front.numbers == (0, 2)


def test_what_a_member_had_dominated_comes_back_when_it_turns_out_worse():
    front = front_of([(0, Fitness(values=(1.0, 1.0))), (1, Fitness(values=(2.0, 2.0)))])
    change = front.add(1, Fitness(values=(0.0, 2.0)))
    assert (change.entered, change.left) == ((0,), ())
    change = front.add(1, Fitness(values=(0.0, 0.0), violation=1.0))
    assert (change.entered, change.left, front.numbers) == ((), (1,), (0,))


def test_a_circle_of_ties_leaves_somebody():
    values = [(3.0, 1.0, 2.0), (2.0, 3.0, 1.0), (1.0, 2.0, 3.0)]
    for order in itertools.permutations(enumerate(values)):
        front = front_of([(number, Fitness(values=one, spreads=(0.5, 0.5, 0.5))) for number, one in order])
        assert front.numbers


@unhurried
@given(rows())
def test_the_front_holds_the_first_of_each_undominated_value(values):
    front = ParetoFront()
    members: set[int] = set()
    for number, row in enumerate(values):
        change = front.add(number, Fitness(values=row))
        assert set(change.left) <= members
        members = members - set(change.left) | set(change.entered)
    undominated = [row for row in values if not any(dominates(other, row) for other in values)]
    assert members == set(front.numbers) == {values.index(row) for row in undominated}
    assert [values[number] for number in front.numbers] == [tuple(row) for row in front.values.tolist()]


def test_an_equal_point_does_not_enter_and_changes_nothing():
    front = ParetoFront()
    front.add(4, Fitness(values=(1.0, 2.0)))
    change = front.add(7, Fitness(values=(1.0, 2.0)))
    assert (change.entered, change.left, front.numbers) == ((), (), (4,))


def test_an_infeasible_point_never_enters_the_front():
    front = ParetoFront()
    assert front.add(0, Fitness(values=(9.0, 9.0), violation=1e-9)).entered == ()
    assert len(front) == 0


def test_a_point_that_dominates_all_members_replaces_them():
    front = ParetoFront()
    for number in range(50):
        front.add(number, Fitness(values=(float(number), -float(number))))
    change = front.add(50, Fitness(values=(100.0, 100.0)))
    assert (change.entered, change.left) == ((50,), tuple(range(50)))
    assert front.numbers == (50,)


def test_the_front_refuses_another_number_of_objectives():
    front = ParetoFront()
    front.add(0, Fitness(values=(1.0, 2.0)))
    with pytest.raises(ValueError, match="2 objectives; got 3"):
        front.add(1, Fitness(values=(1.0, 2.0, 3.0)))


def test_the_front_tells_its_hypervolume():
    front = ParetoFront()
    scaling = Scaling(ideal=(1.0, 1.0), reference=(-0.1, -0.1))
    assert front.hypervolume(scaling) == 0.0
    front.add(0, Fitness(values=(1.0, 0.0)))
    front.add(1, Fitness(values=(0.0, 1.0)))
    assert front.hypervolume(scaling) == pytest.approx(2 * 1.1 * 0.1 - 0.1**2)


def test_a_chain_of_ties_does_not_eat_up_the_front():
    front = ParetoFront()
    for number in range(6):
        accuracy, cost = 0.40 - 0.06 * number, 600.0 - 100 * number
        front.add(number, Fitness(values=(accuracy, -cost), spreads=(0.05, 0.0)))
    assert front.numbers == (1, 3, 5)  # each is tied in accuracy with the one before it, and cheaper


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
        change = front.add(number, fitness)
        points.pop(number, None)
        points[number] = fitness
        assert sorted(front.numbers) == sorted(from_nothing(points)), step
        assert set(change.entered) == set(front.numbers) - before
        assert set(change.left) == before - set(front.numbers)
        if not is_new:
            assert list(front.numbers) == from_nothing(points)
        assert front.values.tolist() == [list(points[member].values) for member in front.numbers]


def test_a_point_that_becomes_infeasible_leaves_and_comes_back_with_its_next_fitness():
    front = ParetoFront()
    front.add(0, Fitness(values=(1.0, 1.0)))
    front.add(1, Fitness(values=(0.0, 0.0)))
    assert front.add(0, Fitness(values=(2.0, 2.0), violation=1.0)).entered == (1,)
    assert front.add(0, Fitness(values=(2.0, 2.0))).left == (1,)
