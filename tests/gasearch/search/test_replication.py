"""Which networks are trained again, and what several trainings say together."""

import math

import numpy as np
import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.objectives.fitness import Objective, fitness_of
from gasearch.search.problem import Aims
from gasearch.search.replication import MOST_TRAININGS, Replication, Trained, doubtful, is_noisy, pooled

ERROR = Objective(metric="error", is_maximized=False)
COST = Objective(metric="cost", is_maximized=False)
OBJECTIVES, NOISY = (ERROR, COST), ("error",)


def measured(error, cost=1.0, **others):
    return Measurement(others=tuple(sorted({"error": error, "cost": cost, **others}.items())))


def trained(*measurements, trainings=1, objectives=OBJECTIVES):
    return {
        number: Trained(measurement, fitness_of(measurement, objectives, ()), trainings=trainings)
        for number, measurement in enumerate(measurements)
    }


def pooled_all(values):
    first, *rest = (measured(value) for value in values)
    for new in rest:
        first = pooled(first, new, noisy=NOISY)
    return first.metrics()


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_the_pooled_mean_and_its_standard_error_are_those_of_all_values(values):
    found = pooled_all(values)
    scale = max(1.0, *map(abs, values))
    assert found["trainings"] == len(values)
    assert found["error"] == pytest.approx(np.mean(values), abs=1e-12 * scale)
    expected = np.std(values, ddof=1) / math.sqrt(len(values))
    assert found["error_spread"] == pytest.approx(expected, rel=1e-6, abs=1e-9 * scale)


def test_equal_values_have_no_spread():
    assert pooled_all([0.3, 0.3, 0.3])["error_spread"] == 0.0


def test_the_largest_metrics_can_be_pooled():
    found = pooled_all([1e150, -1e150, 1e150])
    assert math.isfinite(found["error"])
    assert math.isfinite(found["error_spread"])


def test_counts_stay_whole_and_what_only_one_training_measured_is_the_newest():
    before = Measurement(accuracy=0.5, images_seen=100, params=7, auc=None)
    new = Measurement(accuracy=0.6, images_seen=103, params=7, auc=0.9, latency_device="new")
    found = pooled(before, new, noisy=("accuracy",))
    assert (found.accuracy, found.images_seen, found.params, found.auc) == (0.55, 102, 7, 0.9)
    assert found.latency_device == "new"
    assert dict(found.others) == {"accuracy_spread": pytest.approx(0.05), "trainings": 2}


def test_a_metric_of_one_training_alone_is_no_mean_and_left_out():
    found = pooled(measured(1.0, odd=3.0), measured(2.0, even=4.0), noisy=NOISY).metrics()
    assert "odd" not in found
    assert "even" not in found


def test_scores_and_whatever_a_custom_evaluator_measures_are_noisy():
    assert is_noisy("accuracy", is_custom=False)
    assert is_noisy("rmse", is_custom=False)
    assert not is_noisy("model_bytes", is_custom=False)
    assert not is_noisy("latency_ms", is_custom=False)
    assert is_noisy("model_bytes", is_custom=True)


# --- doubt ------------------------------------------------------------------------------------------------------


def test_before_anything_was_trained_twice_every_margin_is_in_doubt_the_smallest_first():
    # 0 is 5 better than 2, 1 is 0.5 better than 2, and nothing is as cheap as 2.
    known = trained(measured(1.0, 1.0), measured(5.5, 1.0), measured(6.0, 1.0), measured(9.0, 0.1))
    assert doubtful({0: known[0], 2: known[2]}, [0], OBJECTIVES, NOISY) == [0]
    assert doubtful(known, [3], OBJECTIVES, NOISY) == []


def test_a_margin_of_many_standard_errors_is_not_in_doubt():
    steady = measured(1.0, 1.0, error_spread=0.01, trainings=2.0)
    known = trained(steady, measured(1.5, 1.0)) | trained(steady, trainings=2)
    assert doubtful(known, [0], OBJECTIVES, NOISY) == []
    known = trained(steady, measured(1.01, 1.0)) | trained(steady, trainings=2)
    assert doubtful(known, [0], OBJECTIVES, NOISY) == [0]


def test_a_deterministic_evaluator_is_found_out_by_one_round():
    again = measured(1.0, 1.0, error_spread=0.0, trainings=2.0)
    known = trained(again, measured(1.0 + 1e-9, 1.0), measured(0.5, 2.0)) | trained(again, trainings=2)
    assert doubtful(known, [0, 2], OBJECTIVES, NOISY) == []


def test_nobody_is_trained_more_often_than_the_most():
    known = trained(measured(1.0), measured(1.0), trainings=MOST_TRAININGS)
    assert doubtful(known, [0], OBJECTIVES, NOISY) == []


def test_an_objective_that_no_seed_changes_is_never_in_doubt():
    known = trained(measured(1.0, 1.0), measured(1.0, 2.0))
    assert doubtful(known, [0], OBJECTIVES, ("latency_ms",)) == []


def test_each_member_is_named_once_though_in_doubt_in_two_objectives():
    known = trained(measured(1.0, 1.0), measured(1.1, 1.0), measured(1.0, 1.1))
    assert doubtful(known, [0], OBJECTIVES, ("error", "cost")) == [0]


def test_with_one_objective_the_best_is_weighed_against_all_others():
    known = trained(measured(1.0), measured(1.2), objectives=(ERROR,))
    assert doubtful(known, [0], (ERROR,), NOISY) == [0]
    assert doubtful({0: known[0]}, [0], (ERROR,), NOISY) == []


# --- the budget of it -------------------------------------------------------------------------------------------


def replication(*measurements):
    """Of a search of 40 evaluations, a quarter of them for further trainings, after some candidates' first ones."""
    found = Replication(Aims(objectives=OBJECTIVES, limits=(), replicates=0.25, noisy=NOISY), 40)
    for number, measurement in enumerate(measurements):
        found.note(number, measurement, fitness_of(measurement, OBJECTIVES, ()), replicate=0)
    return found


def test_a_share_is_kept_until_nothing_is_in_doubt():
    kept = replication(measured(1.0))
    assert (kept.is_kept, kept.most_candidates) == (True, 30)
    assert kept.next_round((0,), 30) == []
    assert (kept.is_kept, kept.most_candidates) == (False, 40)


def test_a_round_is_no_longer_than_the_budget():
    rivals = replication(measured(1.0, 1.0), measured(1.1, 1.0), measured(1.2, 1.0), measured(9.0, 1.0))
    records = rivals.next_round((0, 1, 2), 38)
    assert [(one.candidate, one.replicate, one.completed) for one in records] == [(2, 1, 38), (1, 1, 38)]


def test_more_candidates_than_there_is_room_for_show_that_it_was_freed():
    later = replication()
    later.proposed = 31
    assert later.is_free


def test_a_further_training_that_failed_counts_and_leaves_the_mean_as_it_was():
    found = replication(measured(1.0))
    found.note(0, Failure(kind=FailureKind.DIVERGED, message=""), None, replicate=1)
    assert (found.count(0), found.fitness_of(0).values) == (2, (-1.0, -1.0))
    assert found.fitness_of(1) is None
