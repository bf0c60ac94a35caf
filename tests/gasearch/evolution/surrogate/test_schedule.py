"""When models are fitted, and how much of their work a training pays for."""

from __future__ import annotations

import pytest

from gasearch.evolution.surrogate.schedule import FLOOR_S, UNBOUNDED, allowed_seconds, is_due, pace


def test_fits_become_rarer_as_evaluations_grow():
    assert is_due(8, 0)
    assert is_due(41, 40)
    assert not is_due(1010, 1000)
    assert is_due(1031, 1000)


@pytest.mark.parametrize(
    ("training_s", "allowed_s"), [(0.0, FLOOR_S), (0.1, FLOOR_S), (0.13, 4 * FLOOR_S), (0.4, 4 * FLOOR_S)]
)
def test_a_proposal_may_take_a_tenth_of_a_training_in_coarse_steps(training_s, allowed_s):
    assert allowed_seconds(training_s) == pytest.approx(allowed_s)


@pytest.mark.parametrize("training_s", [None, 0.5, 3600.0])
def test_nothing_bounds_a_surrogate_where_trainings_are_long_or_none_was_measured(training_s):
    assert allowed_seconds(training_s) is None
    assert pace(training_s, 3) == UNBOUNDED


def test_the_shorter_a_training_the_smaller_the_brood_and_the_rarer_the_fits():
    short, longer = pace(0.0, 3), pace(0.2, 3)
    assert short.brood < longer.brood
    assert short.between_scales > short.between_fits > longer.between_fits
    assert pace(0.0, 6).between_fits == 2 * short.between_fits
