"""The front where values are intervals, and where a point's values change."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.fitness import Fitness
from gasearch.objectives.pareto import ParetoFront

unhurried = settings(deadline=None)


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
@given(fitnesses(), fitnesses(), st.randoms(use_true_random=False))
def test_a_front_whose_points_were_replaced_is_that_of_the_newest(points, newer, rng):
    objectives = len(points[0].values)
    newer = [one for one in newer if len(one.values) == objectives][: len(points)]
    front = front_of(enumerate(points))
    replaced = list(enumerate(newer))
    rng.shuffle(replaced)
    for number, fitness in replaced:
        front.replace(number, fitness)
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
        (front.replace, number, one) for number, one in enumerate(newer[: len(points)]) if len(one.values) == objectives
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
    change = front.replace(1, Fitness(values=(0.0, 2.0)))
    assert (change.entered, change.left) == ((0,), ())
    change = front.replace(1, Fitness(values=(0.0, 0.0), violation=1.0))
    assert (change.entered, change.left, front.numbers) == ((), (1,), (0,))


def test_a_circle_of_ties_leaves_somebody():
    values = [(3.0, 1.0, 2.0), (2.0, 3.0, 1.0), (1.0, 2.0, 3.0)]
    for order in itertools.permutations(enumerate(values)):
        front = front_of([(number, Fitness(values=one, spreads=(0.5, 0.5, 0.5))) for number, one in order])
        assert front.numbers
