"""The benchmarks: each can be imported, has a main function, and stands in their README."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.many_networks import rank_correlation
from benchmarks.support.timing import Targets, alternate, ratio

FOLDER = Path(__file__).parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_each_script_fits_the_code_that_it_measures(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


@pytest.mark.parametrize("name", NAMES)
def test_each_script_stands_in_the_readme(name):
    assert f"| `{name}` |" in (FOLDER / "README.md").read_text()


def test_a_missed_target_ends_the_script_with_the_figure():
    targets = Targets()
    targets.at_least("rate", 0.5, 0.9)
    targets.at_most("size", 3.0, 2.0)
    with pytest.raises(SystemExit, match=r"rate must be at least 0.9; got 0.500\nsize must be at most 2; got 3.000"):
        targets.check()


def test_a_figure_that_is_no_number_misses_its_target():
    targets = Targets()
    targets.at_most("ratio", float("nan"), 2.0)
    with pytest.raises(SystemExit, match="got nan"):
        targets.check()


def test_figures_on_target_pass():
    targets = Targets()
    targets.at_least("rate", 0.9, 0.9)
    targets.at_most("size", 2.0, 2.0)
    targets.check()


def test_loops_take_turns_and_the_first_round_is_not_counted():
    order = []
    seconds = alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    assert ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0


def test_rank_correlation_is_one_for_equal_orders_and_minus_one_for_reversed_ones():
    values = [0.1, 0.5, 0.3]
    assert np.isclose(rank_correlation(values, [1.0, 9.0, 4.0]), 1.0)
    assert np.isclose(rank_correlation(values, [9.0, 1.0, 4.0]), -1.0)
