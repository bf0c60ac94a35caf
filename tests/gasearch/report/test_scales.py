"""Scales: where values lie, and which round ones are marked."""

from __future__ import annotations

import pytest

from gasearch.report.charts import Axis
from gasearch.report.scales import Scale


def scale(values, **axis):
    return Scale.of(Axis(title="t", **axis), values, (0.0, 100.0))


def texts(made, most=6):
    return [text for _, text in made.ticks(most)]


def test_equal_differences_equal_factors_or_equal_factors_of_what_is_missing_to_1_are_equally_far():
    for values, form in (([1, 2, 3], "linear"), ([1, 10, 100], "log"), ([0.9, 0.99, 0.999], "shortfall")):
        low, middle, high = map(scale(values, form=form).place, values)
        assert 0 < low < middle < high < 100
        assert middle - low == pytest.approx(high - middle)


def test_a_share_of_1_has_a_place_above_all_others():
    made = scale([0.5, 0.99, 1.0], form="shortfall")
    assert made.place(0.99) < made.place(1.0) <= 100


def test_ticks_are_round_and_have_the_units_of_the_metric():
    assert texts(scale([300, 60_000], metric="model_bytes", form="log"), 9) == [
        "500 B", "1 KB", "2 KB", "5 KB", "10 KB", "20 KB", "50 KB"
    ]  # fmt: skip
    assert texts(scale([0.005, 0.02], metric="latency_ms")) == ["0.005 ms", "0.01 ms", "0.015 ms", "0.02 ms"]
    assert texts(scale([0.2, 0.99], metric="accuracy", form="shortfall"), 7) == [
        "0.5",
        "0.8",
        "0.9",
        "0.95",
        "0.98",
        "0.99",
    ]
    assert texts(scale([0, 42_000])) == ["0", "10 K", "20 K", "30 K", "40 K"]


@pytest.mark.parametrize("form", ["linear", "log", "shortfall"])
@pytest.mark.parametrize("values", [[0.3, 0.9], [0.11, 0.112], [0.999, 0.9999], [1e-6, 0.9], [0.5]])
@pytest.mark.parametrize("most", [4, 5, 9])
def test_there_are_some_ticks_but_not_too_many_within_the_axis(form, values, most):
    made = scale(values, form=form).ticks(most)
    assert 1 <= len(made) <= most + 2
    assert all(0 <= place <= 100 for place, _ in made)
    assert len({text for _, text in made}) == len(made)


def test_whole_numbers_have_whole_ticks():
    assert texts(scale([2, 4, 6])) == ["2", "3", "4", "5", "6"]
    assert texts(scale([1, 1])) == ["1"]


def test_what_lies_outside_is_at_the_end():
    made = scale([1, 10], form="log")
    assert (made.place(0.0), made.place(1e9)) == (0.0, 100.0)
