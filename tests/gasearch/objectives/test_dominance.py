"""The rule of dominance: over a whole set, and while points come and go."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives import front as growing
from gasearch.objectives.dominance import dominated_within
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import Scaling, pareto

unhurried = settings(deadline=None)


@st.composite
def points(draw, most=14):
    """Numbers, values and spreads of points that often tie."""
    objectives = draw(st.integers(1, 4))
    value = st.integers(0, 5).map(float)
    spread = st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.5])
    rows = draw(st.lists(st.tuples(*[st.tuples(value, spread)] * objectives), min_size=1, max_size=most))
    numbers = draw(st.permutations(range(len(rows))))
    return numbers, [[value for value, _ in row] for row in rows], [[width for _, width in row] for row in rows]


def by_the_book(numbers, values, spreads):
    """The members as the rule is written."""
    named = {number: (tuple(v), tuple(s)) for number, v, s in zip(numbers, values, spreads, strict=True)}

    def covers(one, other):
        ours, theirs = named[one][0], named[other][0]
        if ours == theirs:
            return one < other
        return all(a >= b for a, b in zip(ours, theirs, strict=True))

    def dominates(one, other):
        pairs = list(zip(*named[one], *named[other], strict=True))
        tied = all(a - c >= -(b + d) for a, b, c, d in pairs)
        return tied and any(a - c > b + d for a, b, c, d in pairs)

    plain = [one for one in named if not any(covers(other, one) for other in named if other != one)]
    plain.sort(key=lambda one: (-named[one][0][0], one))
    for order in (plain, plain[::-1]):
        stay = []
        for one in [one for one in order if one in plain]:
            if not any(dominates(other, one) for other in stay):
                stay.append(one)
        plain = [one for one in plain if one in stay]
    return set(plain)


@unhurried
@given(points())
def test_the_members_are_those_of_the_rule_as_it_is_written(drawn):
    numbers, values, spreads = drawn
    members = {number for number, is_one in zip(numbers, pareto(values, spreads, numbers), strict=True) if is_one}
    assert members == by_the_book(*drawn)


@unhurried
@given(points(), st.randoms(use_true_random=False))
def test_a_growing_front_ends_with_the_members_of_the_whole_set_in_whatever_order_they_come(drawn, rng):
    numbers, values, spreads = drawn
    arriving = list(zip(*drawn, strict=True))
    rng.shuffle(arriving)
    front = ParetoFront()
    for number, row, widths in arriving:
        front.add(number, Fitness(values=tuple(row), spreads=tuple(widths) if any(widths) else ()))
    assert set(front.numbers) == by_the_book(numbers, values, spreads)


@unhurried
@given(points())
def test_no_member_dominates_another_one(drawn):
    _, values, spreads = (np.array(part, dtype=float) for part in drawn)
    values, spreads = (part[pareto(values, spreads, drawn[0])].T for part in (values, spreads))
    for one in range(values.shape[1]):
        assert not dominated_within(values[:, one], spreads[:, one], values, spreads).any()


@unhurried
@given(points(), points())
def test_a_front_that_found_out_late_who_is_tied_is_the_one_that_always_knew(drawn, newer):
    early, late = ParetoFront(), ParetoFront()
    objectives = len(drawn[1][0])
    steps = [*zip(*drawn, strict=True), *(one for one in zip(*newer, strict=True) if len(one[1]) == objectives)]
    for place, (number, row, widths) in enumerate(steps):
        fitness = Fitness(values=tuple(row), spreads=tuple(widths) if any(widths) else ())
        early.add(number, fitness)
        late.take_in(number, fitness)
        if place % 4 == 3:
            assert late.numbers == early.numbers
    assert late.numbers == early.numbers


def test_two_hundred_thousand_points_are_judged_at_once():
    rng = np.random.default_rng(1)
    values = rng.random((200_000, 3))
    spreads = np.where(rng.random((200_000, 3)) < 0.5, 0.01, 0.0)
    members = pareto(values, spreads)
    assert 0 < members.sum() < 100
    assert not (values[members][:, None] < values[members][None]).all(axis=2).any()


def test_without_points_there_are_no_members():
    assert pareto([]).tolist() == []


def test_a_new_member_is_compared_with_the_others_and_not_all_with_all(monkeypatch):
    compared = []
    original = growing.dominated_within
    monkeypatch.setattr(growing, "dominated_within", lambda *columns: compared.append(1) or original(*columns))
    front, numbers = ParetoFront(), list(range(400))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        front.add(number, Fitness(values=(float(number), -float(number)), spreads=(1e-6, 0.0)))
        assert len(compared) <= 3  # who dismisses it, and whom it dismisses in either pass
        compared.clear()
    assert len(front) == 400


def test_a_replayed_front_finds_out_who_is_tied_when_it_is_asked(monkeypatch):
    made = []
    original = growing.standing
    monkeypatch.setattr(growing, "standing", lambda *columns: made.append(1) or original(*columns))
    front = ParetoFront()
    for number in range(400):
        fitness = Fitness(values=(float(number), -float(number)), spreads=(0.6, 0.0))
        front.take_in(number, fitness)
    assert made == []
    assert len(front) == 200
    assert len(front.numbers) == 200
    assert made == [1]


@unhurried
@given(points())
def test_a_further_point_never_lowers_the_hypervolume_though_it_may_dismiss_members(drawn):
    objectives = len(drawn[1][0])
    scaling = Scaling(ideal=(5.0,) * objectives, reference=(-1.0,) * objectives)
    front, before = ParetoFront(), 0.0
    for number, row, widths in zip(*drawn, strict=True):
        front.add(number, Fitness(values=tuple(row), spreads=tuple(widths) if any(widths) else ()))
        now = front.hypervolume(scaling)
        assert now >= before - 1e-12
        before = now
