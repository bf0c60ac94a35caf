"""Scales: sizes by factors, shares by differences."""

from __future__ import annotations

import pytest

from gasearch.objectives.fitness import Objective
from gasearch.query.weighing import Scale, is_share, weighed

BYTES = Objective(metric="model_bytes", is_maximized=False)
ACCURACY = Objective(metric="accuracy", is_maximized=True)


def test_four_kilobytes_lie_in_the_middle_between_400_bytes_and_40_kilobytes():
    scale = Scale.of([40_000, 400], is_maximized=False)
    assert scale.difference(4000, 400) == pytest.approx(0.5)
    assert scale.difference(400, 40_000) == pytest.approx(-1)


def test_shares_and_values_that_are_nought_or_below_are_compared_by_differences():
    assert Scale.of([0.9, 0.98], is_maximized=True).difference(0.94, 0.9) == pytest.approx(0.5)
    assert Scale.of([0.0, 10.0], is_maximized=False).difference(5.0, 0.0) == 0.5
    assert Scale.of([-10.0, 10.0], is_maximized=None).difference(5.0, 0.0) == 0.25
    assert Scale.of([1.0, 2.0], is_maximized=False).difference(0.0, 1.0) == pytest.approx(-1 / 0.6931471805599453)


def test_values_that_agree_have_an_extent_of_one():
    assert Scale.of([7.0], is_maximized=False).extent == 1.0
    assert Scale.of([], is_maximized=None).difference(3.0, 1.0) == 2.0


def test_weighed_values_are_greater_where_they_are_better():
    assert weighed(ACCURACY, [0.9, 0.8]) == [0.9, 0.8]
    first, second = weighed(BYTES, [100.0, 1000.0])
    assert first > second
    assert weighed(BYTES, [0.0, 5.0]) == [-0.0, -5.0]


def test_a_share_is_a_score_up_to_one():
    assert is_share(ACCURACY, [0.2, 1.0])
    assert not is_share(ACCURACY, [0.2, 1.5])
    assert not is_share(BYTES, [0.2, 0.5])
