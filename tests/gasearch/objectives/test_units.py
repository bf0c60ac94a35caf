"""Quantities with units: what is read, what is refused, what people are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.objectives.metrics import METRICS, measured_metrics, metric_named, usual_direction
from gasearch.objectives.units import format_quantity, parse_quantity
from gasearch.space.costs import COST_METRICS


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("64 KB", "model_bytes", 64_000),
        ("64KiB", "model_bytes", 65_536),
        ("1.5 MiB", "peak_memory_bytes", 1_572_864),
        ("412", "model_bytes", 412),
        ("2", "latency_ms", 2),
        ("3 us", "latency_ms", 0.003),
        ("2s", "latency_ms", 2000),
        ("1.5 min", "train_seconds", 90),
        ("1 h", "train_seconds", 3600),
        ("5M", "macs", 5e6),
        ("1e3 K", "flops", 1e6),
        ("2 mJ", "energy_j", 0.002),
        ("98 %", "accuracy", 0.98),
        (".975", "accuracy", 0.975),
        ("-0.1", "generalization_gap", -0.1),
        ("5 %", "error", 0.05),
        ("-2.5", "my_score", -2.5),
        ("1 KB", "table_bytes", 1000),
        ("250 us", "lookup_ms", 0.25),
    ],
)
def test_a_quantity_is_read_in_the_native_unit_of_its_metric(text, metric, value):
    assert parse_quantity(text, metric=metric) == value


@pytest.mark.parametrize(
    ("text", "metric", "sentence"),
    [
        ("64 KB", "latency_ms", r"latency_ms is a time \(units: us, ms, .*\); got '64 KB'"),
        ("5 s", "macs", r"macs is a count \(units: K, M, G, T, or none\); got '5 s'"),
        ("2 M", "accuracy", r"accuracy is a share from 0 to 1 .*; got '2 M'"),
        ("64 kb", "model_bytes", r"unknown unit 'kb' in '64 kb'; did you mean KB\?"),
        ("98", "accuracy", r"lies between 0 and 1; 98 percent is 0.98 or 98 %; got '98'"),
        ("-1", "macs", r"macs is a finite number, at least 0; got '-1'"),
        ("1e400", "macs", r"is a finite number, at least 0; got '1e400'"),
        ("nan", "accuracy", r"accuracy is a share .*; got 'nan'"),
        ("", "params", r"params is a count .*; got ''"),
        ("1e999999999", "bops", r"bops is a count .*; got '1e999999999'"),
        ("1" * 5000, "bops", r"bops is a count .*; got '1{60}'"),
        ("2 apples", "error", r"error is a number .*; got '2 apples'$"),
        ("8 KB", "model_byte", r"model_byte is a number .*; got '8 KB'; did you mean the metric model_bytes\?"),
    ],
)
def test_what_is_no_quantity_of_the_metric_is_refused_in_a_sentence(text, metric, sentence):
    with pytest.raises(SpecError, match=sentence):
        parse_quantity(text, metric=metric)


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (412, "model_bytes", "412 B"),
        (12_345, "model_bytes", "12.3 KB"),
        (999.6, "model_bytes", "1 KB"),
        (999_600, "model_bytes", "1 MB"),
        (0.41, "latency_ms", "0.41 ms"),
        (0.00951, "latency_ms", "0.00951 ms"),
        (0.0004, "latency_ms", "0.4 us"),
        (0.001, "latency_ms", "0.001 ms"),
        (0.0000612, "latency_ms", "0.0612 us"),
        (0.000004, "latency_ms", "0.004 us"),
        (1234.5, "latency_ms", "1.23 s"),
        (0, "latency_ms", "0 ms"),
        (1.2e6, "macs", "1.2 M"),
        (9999, "params", "9999"),
        (5e12, "bops", "5 T"),
        (90, "train_seconds", "1.5 min"),
        (0.97123, "accuracy", "0.9712"),
        (-0.02, "generalization_gap", "-0.02"),
        (0.333333, "error", "0.3333"),
    ],
)
def test_people_are_shown_three_digits_and_the_unit_that_fits(value, metric, text):
    assert format_quantity(value, metric) == text


@given(st.sampled_from(sorted(METRICS)), st.floats(0, 1e15))
def test_what_is_shown_with_many_digits_is_read_back_nearly_the_same(metric, value):
    value = min(value, metric_named(metric).highest)
    shown = format_quantity(value, metric, digits=15)
    tolerance = 1e-4 if metric_named(metric).dimension == "share" else 1e-9 * value
    assert parse_quantity(shown, metric=metric) == pytest.approx(value, abs=max(tolerance, 1e-12))


@given(
    st.sampled_from([*measured_metrics(None), "error", "table_bytes"]),
    st.sampled_from(["<=", ">=", "<", ">"]),
    st.floats(0, 1),
    st.sampled_from([1, 1e3, 1e6]),
)
def test_a_limit_as_text_is_read_back_as_the_same_limit(metric, operator, share, scale):
    bound = share if metric_named(metric).highest == 1 else share * scale
    limit = Limit(metric=metric, operator=operator, bound=bound)
    assert parse_limit(str(limit)) == limit


def test_a_limit_prints_as_people_write_it():
    assert str(parse_limit("model_bytes<=64000")) == "model_bytes <= 64 KB"


def test_a_text_that_is_no_limit_is_refused_with_examples():
    with pytest.raises(SpecError, match=r'a limit reads like "latency_ms <= 2" or .*; got \'64 KB >= model_bytes\''):
        parse_limit("64 KB >= model_bytes")


def test_metrics_have_the_direction_that_everybody_wants_and_own_ones_have_none():
    assert [usual_direction(name) for name in ("accuracy", "latency_ms", "my_score")] == [True, False, None]


def test_every_metric_that_a_task_measures_is_registered():
    assert set(measured_metrics(None)) == set(METRICS)
    assert {m.name for m in METRICS.values() if m.is_arithmetic} == set(COST_METRICS)


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        ("classification", ["accuracy", "macro_f1", "auc"]),
        ("tagging", ["accuracy", "entity_f1", "macro_f1"]),
        ("regression", ["rmse"]),
        ("rating", ["rmse"]),
    ],
)
def test_a_task_measures_the_scores_of_its_kind_and_what_all_measure(kind, scores):
    assert [*measured_metrics(kind)][: len(scores) + 1] == [*scores, "params"]
