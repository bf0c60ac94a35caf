"""The metrics by name."""

from __future__ import annotations

import pytest
from gasearch_workers.messages import DEPLOYED, Measurement

from gasearch.objectives.metrics import METRICS, SCORES, TIMED, measured_metrics, metric_named, usual_direction


@pytest.mark.parametrize(
    ("name", "dimension", "unit"),
    [("disk_bytes", "bytes", "B"), ("decode_ms", "time", "ms"), ("decode_seconds", "time", "s"), ("wer", "number", "")],
)
def test_the_ending_of_an_unknown_name_says_its_unit(name, dimension, unit):
    metric = metric_named(name)
    assert (metric.dimension, metric.unit, metric.is_maximized) == (dimension, unit, None)


def test_scores_are_maximized_costs_are_not_and_of_others_nobody_knows():
    assert usual_direction("accuracy") is True
    assert usual_direction("params") is usual_direction("latency_ms") is usual_direction("rmse") is False
    assert usual_direction("efficiency") is usual_direction("wer") is None


def test_a_task_measures_its_scores_and_what_all_measure():
    assert measured_metrics("regression")[0] == "rmse"
    assert "accuracy" not in measured_metrics("regression")
    every = measured_metrics(None)
    assert len(every) == len(set(every))
    assert {name for names in SCORES.values() for name in names} < set(every) <= set(METRICS)
    assert set(every) > TIMED


def test_every_metric_but_those_that_are_computed_is_one_of_a_measurement():
    assert set(METRICS) - {"efficiency", "flops", *DEPLOYED} <= set(Measurement.__dataclass_fields__)
