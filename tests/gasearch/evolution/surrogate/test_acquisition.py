"""Expected hypervolume gains against simulation."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from gasearch.evolution.surrogate.acquisition import cumulative, expected_gain, front_of
from gasearch.objectives import pareto


def simulated(means, deviations, front, reference, draws=4000):
    rng = np.random.default_rng(0)
    before = pareto.hypervolume(front, reference)
    return np.array(
        [
            np.mean(
                [
                    pareto.hypervolume(np.vstack([front, mean + deviation * rng.normal(size=len(mean))]), reference)
                    - before
                    for _ in range(draws)
                ]
            )
            for mean, deviation in zip(means, deviations, strict=True)
        ]
    )


def front_and_candidates(objectives, seed):
    rng = np.random.default_rng(seed)
    front = front_of(rng.random((12, objectives)))
    return front, rng.random((4, objectives)) + 0.2, rng.random((4, objectives)) * 0.4


def test_two_objectives_are_exact():
    front, means, deviations = front_and_candidates(2, seed=1)
    reference = np.array([-0.1, 0.1])
    expected = simulated(means, deviations, front, reference)
    assert expected_gain(means, deviations, front, reference) == pytest.approx(expected, rel=0.08, abs=2e-3)


def test_a_known_value_gains_what_the_hypervolume_grows_by():
    front, means, _ = front_and_candidates(2, seed=2)
    reference = np.zeros(2)
    before = pareto.hypervolume(front, reference)
    expected = [pareto.hypervolume(np.vstack([front, mean]), reference) - before for mean in means]
    assert expected_gain(means, np.zeros_like(means), front, reference) == pytest.approx(expected, abs=1e-9)


def test_one_objective_gains_the_expected_improvement():
    gain = expected_gain(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]]), np.array([[0.5]]), np.array([0.0]))
    assert gain == pytest.approx([0.5, 0.19780], abs=1e-4)


@pytest.mark.parametrize("objectives", [3, 5])
def test_more_objectives_rank_candidates_as_simulation_does(objectives):
    rng = np.random.default_rng(objectives)
    front = front_of(rng.random((10, objectives)))
    means, deviations = rng.random((12, objectives)) + 0.1, rng.random((12, objectives)) * 0.2
    reference = np.zeros(objectives)
    gains, expected = (
        expected_gain(means, deviations, front, reference),
        simulated(means, deviations, front, reference, draws=150),
    )
    assert np.corrcoef(np.argsort(np.argsort(gains)), np.argsort(np.argsort(expected)))[0, 1] > 0.85


def test_without_a_front_the_whole_volume_is_gained():
    gain = expected_gain(np.array([[2.0, 3.0]]), np.zeros((1, 2)), np.zeros((0, 2)), np.zeros(2))
    assert gain == pytest.approx([6.0])


def test_the_normal_distribution_is_that_of_the_standard_library():
    points = np.linspace(-6, 6, 41)
    normal = statistics.NormalDist()
    assert cumulative(points) == pytest.approx([normal.cdf(x) for x in points], rel=1e-6)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_point_that_another_dominates_changes_no_gain(objectives):
    rng = np.random.default_rng(objectives)
    front, means = front_of(rng.random((8, objectives))), rng.random((5, objectives)) + 0.2
    deviations, reference = np.full_like(means, 0.1), np.zeros(objectives)
    more = np.concatenate([front, 0.9 * front])
    plain = expected_gain(means, deviations, front, reference)
    assert expected_gain(means, deviations, more, reference) == pytest.approx(plain)
