"""The benchmark of precision: its subset of the data, its table, and searches that are kept."""

import argparse

import numpy as np
import pytest

from benchmarks.precision_budgets import describe, finalists_under, first_samples


def test_a_subset_has_the_first_training_images_and_all_test_images(tmp_path):
    x, y = np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10, dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5], idx_train=y)
    file = first_samples(str(tmp_path / "images.npz"), 3, tmp_path)
    again = first_samples(str(tmp_path / "images.npz"), 3, tmp_path)
    part = np.load(file)
    assert file == again
    assert set(part) == {"x_train", "y_train", "x_test", "y_test"}
    np.testing.assert_array_equal(part["x_train"], x[:3])
    np.testing.assert_array_equal(part["x_test"], x[:5])


def test_the_gain_is_over_the_better_peer_of_each_seed():
    line = describe(2048, {"mixed": [0.9, 0.8], "8 bits": [0.7, 0.7], "float": [0.6, 0.75]})
    assert (
        line.strip()
        == "2.05 KB: mixed 0.8500, 8 bits 0.7000, float 0.6750; gain +12.50 ± 10.61 points of test accuracy"
    )


def test_a_budget_that_no_float_network_keeps_has_the_other_peer_alone():
    line = describe(2048, {"mixed": [0.9], "8 bits": [0.7], "float": [None]})
    assert "float none; gain +20.00 points" in line


def test_no_gain_is_told_where_no_peer_fits():
    assert "no peer fits" in describe(2048, {"mixed": [0.9], "8 bits": [None], "float": [None]})


@pytest.mark.slow
def test_a_search_that_is_kept_is_not_made_again(tmp_path, capsys):
    options = argparse.Namespace(evaluations=2, budgets=(32768,), final_seeds=1, epochs=1)
    first, second = (finalists_under(options, "digits", "mixed", 1, tmp_path) for _ in range(2))
    assert first[32768].key == second[32768].key
    assert first[32768].metrics == second[32768].metrics
    assert capsys.readouterr().out == "digits-mixed-2-1: 1 finalists\n" * 2
