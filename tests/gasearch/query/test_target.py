"""The network that comes nearest to a target."""

from __future__ import annotations

import pytest

from gasearch.errors import BadInput, SpecError
from gasearch.objectives.fitness import Objective
from gasearch.query.asked import parse_limits
from gasearch.query.front import best_points
from gasearch.query.target import Wish, nearest_order, parse_target, wishes_of
from tests.doubles.archived import keys_of, scripted_reader

OBJECTIVES = (Objective(metric="accuracy", is_maximized=True), Objective(metric="model_bytes", is_maximized=False))


def nearest(target, **question):
    return keys_of(best_points(scripted_reader(), "digits", target=parse_target(target), **question))


def test_a_target_has_the_units_of_limits():
    assert parse_target(" accuracy = 98 % , model_bytes=4KB") == [
        Wish(metric="accuracy", value=0.98),
        Wish(metric="model_bytes", value=4000.0),
    ]
    assert parse_target("latency_ms=300 us")[0].value == 0.3
    assert wishes_of({"accuracy": 0.98, "model_bytes": "4 KiB"}) == parse_target("accuracy=0.98,model_bytes=4096")
    assert str(parse_target("model_bytes=4KB")[0]) == "model_bytes=4KB"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("accuracy", BadInput, "a target reads like \"accuracy=0.98,model_bytes=4KB\"; got 'accuracy'"),
        ("accuracy=0.9,", BadInput, "got '' in 'accuracy=0.9,'"),
        ("accuracy>=0.9", BadInput, "a target reads like"),
        ("accuracy=0.9,accuracy=0.8", BadInput, "accuracy stands twice"),
        ("accuracy=98", SpecError, "between 0 and 1; 98 percent is 0.98 or 98 %; got '98'"),
        ("model_byte=4KB", SpecError, "did you mean the metric model_bytes"),
        ("model_bytes=4kb", SpecError, "did you mean KB"),
        ("accuracy=nan", SpecError, "got 'nan'"),
    ],
)
def test_what_is_no_target_is_refused(text, error, message):
    with pytest.raises(error) as caught:
        parse_target(text)
    assert message in str(caught.value)


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(SpecError, match="got 'nan'"):
        wishes_of({"accuracy": float("nan")})
    with pytest.raises(BadInput, match="at least one metric"):
        wishes_of({})


def test_the_nearest_misses_the_target_by_least_in_extents_of_the_front():
    # Front: (0.90, 2.5 KB), (0.97, 9 KB), (0.60, 1 KB), (0.93, 6 KB); extents 0.37, and a factor of 9.
    assert nearest("accuracy=0.98,model_bytes=9KB", count=4) == [2, 6, 1, 3]
    assert nearest("accuracy=0.9,model_bytes=2.5KB") == [1]
    assert nearest("accuracy=0.95,model_bytes=5KB") == [6]
    assert nearest("accuracy=0.62,model_bytes=1 KB") == [3]


def test_what_reaches_the_target_is_nearer_than_what_misses_it_and_the_least_excess_comes_first():
    assert nearest("accuracy=0.7,model_bytes=8KB", count=4) == [6, 1, 2, 3]


def test_any_metric_may_be_a_target_and_one_without_a_better_direction_is_missed_both_ways():
    assert nearest("latency_ms=0.3", count=2) == [1, 3]
    metrics = [{"efficiency": 1.0}, {"efficiency": 5.0}, {"accuracy": 1.0}]
    assert nearest_order(metrics, parse_target("efficiency=4"), OBJECTIVES) == [1, 0]


def test_limits_hold_besides():
    assert nearest("accuracy=0.98", limits=parse_limits(["model_bytes <= 3 KB"])) == [1]


def test_an_unknown_metric_and_two_questions_at_once_are_refused():
    with pytest.raises(BadInput, match="has no metric 'acuracy'; did you mean accuracy"):
        nearest("acuracy=0.9")
    with pytest.raises(BadInput, match="by the knee: leave one of the two out"):
        nearest("accuracy=0.9", knee=True)
    with pytest.raises(BadInput, match="by 'macs': leave one of the two out"):
        nearest("accuracy=0.9", by="macs")
