"""CurveFits from a rung to the end, and how daring a judgement by them may be."""

import random

import numpy as np
import pytest

from gasearch.search.curve_fit import CurveFit, fit_curve, optimistic_ends, safe_tail


def fit(*residuals, slope=1.0, offset=0.0):
    return CurveFit(slope=slope, offset=offset, spread_offset=1.0, residuals=np.array(residuals, dtype=float))


def test_a_share_of_the_trainings_exceeds_the_optimistic_end():
    assert fit(*range(99)).optimistic(0.1) == (1.0, 89.0)
    assert fit(*range(99)).optimistic(0.5) == (1.0, 49.0)


def test_beyond_the_best_residual_the_end_goes_on_rising():
    few = fit(*range(9))
    ends = [few.optimistic(tail)[1] for tail in (0.1, 0.05, 0.01)]
    assert ends[0] == pytest.approx(8.0)
    assert ends[0] < ends[1] < ends[2]


def test_the_optimistic_end_is_never_below_the_mean():
    assert fit(-3, -2, -1, 5).optimistic(0.5) == (1.0, 0.0)


def test_what_does_well_at_a_rung_is_given_less_room_where_it_strays_less():
    rng = random.Random(0)
    pairs = [(x / 100, x / 200 + rng.uniform(-1, 1) * (1.1 - x / 100) / 10) for x in range(100)]
    fitted = fit_curve(pairs)
    slope, offset = fitted.optimistic(0.05)
    rooms = [slope * x + offset - fitted.mean(x) for x in (0.0, 1.0)]
    assert rooms[0] > 3 * rooms[1] > 0


def test_from_fewer_than_eight_trainings_there_is_no_line():
    pairs = [(x / 10, x / 20 + x % 3) for x in range(8)]
    assert fit_curve(pairs[:7]) is None
    assert fit_curve(pairs) is not None


def test_the_chances_of_surprise_are_shared_among_the_objectives():
    both = fit(*range(99)), fit(*range(99))
    assert optimistic_ends(both, 0.2) == ((1.0, 89.0), (1.0, 89.0))
    assert optimistic_ends((both[0], None), 0.2) == ((1.0, 79.0), (1.0, 0.0))


def test_where_most_stand_far_below_the_front_a_judgement_may_be_daring():
    fits = (fit(*np.linspace(-1, 1, 999)),)
    front, others = np.array([[10.0]]), np.zeros((50, 1), dtype=bool)
    near, far = np.full((50, 1), 9.3), np.full((50, 1), 0.0)
    assert safe_tail(fits, near, front, others, risk=0.05) == 0.05
    mixed = np.concatenate([far[:45], near[:5]])
    assert safe_tail(fits, mixed, front, others, risk=0.05) > 0.05


def test_a_training_is_not_measured_against_itself():
    fits = (fit(*np.linspace(-1, 1, 999)),)
    reached, front = np.array([[0.0]]), np.array([[5.0]])
    assert safe_tail(fits, reached, front, np.array([[False]]), risk=0.05) == 0.5
    assert safe_tail(fits, reached, front, np.array([[True]]), risk=0.05) == 0.05
