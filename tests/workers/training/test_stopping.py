"""Early stopping of trainings that aren't worth their end."""

import pytest
from gasearch_workers.messages import StoppingPoint, StoppingRule
from gasearch_workers.training.stopping import optimistic_end, reason_to_stop, rung_at
from hypothesis import given
from hypothesis import strategies as st

FRONT = ((0.9, -1000.0), (0.7, -200.0))


def rule(*, known=(None, -1500.0), ends=((0.5, 0.4), (1.0, 0.0)), front=FRONT, second=((1.0, 0.1), (1.0, 0.0))):
    return StoppingRule(
        objectives=(("accuracy", True), ("model_bytes", False)),
        known=known,
        points=(StoppingPoint(step=1.0, ends=ends), StoppingPoint(step=3.0, ends=second)),
        front=front,
    )


@pytest.mark.parametrize(
    ("accuracy", "size", "expected"),
    [
        (0.8, 1500.0, True),  # may become 0.8, and 0.9 is there with 1000 bytes
        (0.8, 800.0, False),  # smaller than what is better
        (0.6, 300.0, True),  # may become 0.7, and that is there with 200 bytes
        (0.6, 200.0, False),  # its end has an equal, which isn't better
        (0.61, 201.0, False),  # better in one
        (1.01, 1500.0, False),  # may become more than any
    ],
)
def test_a_training_is_hopeless_where_its_optimistic_end_is_dominated(accuracy, size, expected):
    assert (reason_to_stop(rule(known=(None, -size)), 1, {"accuracy": accuracy}) is not None) is expected


def test_a_metric_that_is_reported_is_taken_where_none_is_known_and_minimized_ones_turn_round():
    judged = rule(known=(None, None))
    assert optimistic_end(judged, 1, {"accuracy": 0.5, "model_bytes": 300.0}) == (0.65, -300.0)


def test_what_is_known_is_not_read_off_a_report():
    assert optimistic_end(rule(), 1, {"accuracy": 0.5, "model_bytes": 3.0}) == (0.65, -1500.0)


@pytest.mark.parametrize(
    ("judged", "step", "metrics"),
    [
        (rule(), 0.5, {"accuracy": 0.0}),
        (rule(), 1, {"loss": 9.0}),
        (rule(known=(None, None)), 1, {"accuracy": 0.0}),
        (rule(ends=()), 1, {"accuracy": 0.0}),
        (rule(front=()), 1, {"accuracy": 0.0}),
        (rule(), 1, {"accuracy": float("nan")}),
    ],
    ids=["before a rung", "not reported", "nor known", "only scored", "no front", "no number"],
)
def test_what_the_rule_cannot_tell_is_not_hopeless(judged, step, metrics):
    assert not reason_to_stop(judged, step, metrics)


def test_between_two_rungs_the_earlier_one_counts():
    assert [optimistic_end(rule(), step, {"accuracy": 0.5})[0] for step in (1, 2.9, 3, 50)] == [0.65, 0.65, 0.6, 0.6]
    assert [rung_at((1.0, 3.0), step) for step in (0.9, 1, 2.9, 3, 50)] == [None, 0, 0, 1, 1]


def test_a_stop_is_explained_in_native_units():
    assert reason_to_stop(rule(), 1, {"accuracy": 0.8}) == (
        "stopped at 1 with accuracy 0.8: it could reach accuracy 0.8, model_bytes 1500 at best, "
        "and a finished network has accuracy 0.9, model_bytes 1000"
    )


WVALUES = st.tuples(st.integers(0, 5), st.integers(0, 5))


@given(st.lists(WVALUES, max_size=8), WVALUES)
def test_only_a_point_that_dominates_makes_a_training_hopeless(front, end):
    ends = ((1.0, 0.0), (1.0, 0.0))
    judged = StoppingRule(
        objectives=(("a", True), ("b", True)),
        known=(None, None),
        points=(StoppingPoint(step=1, ends=ends),),
        front=tuple(front),
    )
    dominating = [p for p in front if p != end and p[0] >= end[0] and p[1] >= end[1]]
    assert bool(reason_to_stop(judged, 1, {"a": end[0], "b": end[1]})) is bool(dominating)
