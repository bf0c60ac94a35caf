"""Outcomes as fitness."""

from __future__ import annotations

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Fitness, MissingMetric, Objective, fitness_of, spreads_of

ACCURACY = Objective(metric="accuracy", is_maximized=True)
LATENCY = Objective(metric="latency_ms", is_maximized=False)


def test_a_value_of_which_less_is_better_is_negated_and_a_time_has_its_spread():
    outcome = Measurement(accuracy=0.9, latency_ms=2.0, latency_spread_ms=0.5)
    expected = Fitness(values=(0.9, -2.0), spreads=(0.0, 0.5))
    assert fitness_of(outcome, (ACCURACY, LATENCY), ()) == expected


def test_a_limit_on_a_time_holds_for_its_pessimistic_end():
    outcome = Measurement(accuracy=0.9, latency_ms=2.0, latency_spread_ms=0.5)
    assert fitness_of(outcome, (ACCURACY,), (parse_limit("latency_ms <= 2.5"),)).is_feasible
    tight = fitness_of(outcome, (ACCURACY,), (parse_limit("latency_ms <= 2"),))
    assert tight.violation == pytest.approx(0.25)
    assert not tight.is_feasible


def test_a_failure_has_no_fitness():
    assert fitness_of(Failure(kind=FailureKind.DIVERGED, message="nan"), (ACCURACY,), ()) is None


def test_a_metric_that_was_not_measured_is_named():
    with pytest.raises(MissingMetric, match=r"latency_ms was not measured; there are .*accuracy"):
        fitness_of(Measurement(accuracy=0.9), (ACCURACY,), (parse_limit("latency_ms <= 2"),))


def test_values_without_any_spread_are_exact():
    assert spreads_of((ACCURACY, LATENCY), {"accuracy": 0.9, "latency_ms": 1.0}) == ()
