import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement
from hypothesis import given
from hypothesis import strategies as st

from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.objectives.fitness import MissingMetric, fitness_of


@pytest.mark.parametrize(
    ("text", "spread_ms", "is_kept"),
    [
        ("latency_ms <= 2", 0.25, True),
        ("latency_ms <= 2", 0.5, True),
        ("latency_ms < 2", 0.5, False),
        ("latency_ms <= 2", 0.75, False),
        ("latency_ms >= 1", 0.5, True),
        ("latency_ms > 1", 0.5, False),
        ("latency_ms >= 1", 0.75, False),
        ("latency_ms <= 1.5", None, True),
        ("latency_spread_ms <= 0.5", 0.5, True),
        ("macs <= 5", 0.5, False),
    ],
)
def test_a_limit_on_a_time_is_judged_at_the_pessimistic_end(text, spread_ms, is_kept):
    metrics = {"latency_ms": 1.5} | ({} if spread_ms is None else {"latency_spread_ms": spread_ms})
    assert parse_limit(text).is_kept_by(metrics) is is_kept


def test_the_fitness_counts_the_spread_against_a_limit_and_not_in_the_objective():
    from gasearch.objectives.fitness import Objective

    measured = Measurement(latency_ms=1.5, latency_spread_ms=0.75)
    objectives = [Objective(metric="latency_ms", is_maximized=False)]
    found = fitness_of(measured, objectives, [parse_limit("latency_ms <= 2")])
    assert found.values == (-1.5,)
    assert found.violation == pytest.approx(0.125)
    assert fitness_of(measured, objectives, [parse_limit("latency_ms <= 2.25")]).is_feasible


def test_a_measurement_without_a_limits_metric_has_no_fitness_to_speak_of():
    with pytest.raises(MissingMetric, match=r"latency_ms was not measured; there are accuracy"):
        fitness_of(Measurement(accuracy=0.5), [], [parse_limit("latency_ms <= 2")])
    assert fitness_of(Failure(kind=FailureKind.DIVERGED, message=""), [], [parse_limit("latency_ms <= 2")]) is None


values = st.floats(0, 1e6)


@given(values, values, values, st.sampled_from(["<=", "<", ">=", ">"]))
def test_a_network_that_keeps_a_limit_keeps_it_with_less_spread_and_violates_it_by_nothing(value, spread, bound, sign):
    limit = Limit(metric="latency_ms", operator=sign, bound=bound)
    metrics = {"latency_ms": value, "latency_spread_ms": spread}
    is_kept = limit.is_kept_by(metrics)
    assert is_kept is (limit.violation(limit.value_in(metrics)) == 0)
    if is_kept:
        assert limit.is_kept_by(metrics | {"latency_spread_ms": spread / 2})
