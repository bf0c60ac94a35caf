"""Values that an evaluator may give a metric, as Python, NumPy, torch and others make them."""

import datetime
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from gasearch_workers.evaluation.metric_values import EvaluatorError, checked_metrics, range_of
from gasearch_workers.messages import spread_of

from gasearch.objectives.metrics import METRICS

NUMBERS = [
    0.5, 1, np.float64(0.5), np.longdouble(0.5), np.float32(0.5), np.float16(0.5), np.int8(3), np.uint64(3),
    np.array(0.5), np.array(3),
    torch.tensor(0.5), torch.tensor(3), torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(0.5, requires_grad=True),
    Decimal("0.5"), Fraction(1, 2),
]  # fmt: skip
NO_NUMBERS = [
    "0.5", b"0.5", bytearray(b"0.5"), memoryview(b"5"), True, np.True_, np.str_("0.5"), np.bytes_(b"0.5"), 1 + 0j,
    np.complex64(1), np.complex128(1), np.array(True), np.array("0.5"), np.array([0.5]), np.array([[0.5]]),
    [0.5], (0.5,),
    {0.5}, {"a": 0.5}, None, object(), torch.tensor(True), torch.tensor([0.5]), torch.tensor(1 + 0j), Decimal("NaN"),
    Decimal("sNaN"), Decimal("Infinity"), datetime.timedelta(seconds=1),
    np.timedelta64(5, "ns"), np.datetime64(5, "ns"),
    math.nan, np.float32("inf"), torch.tensor(float("nan")), 10**400, lambda: 0.5, np.ma.masked, np.array([]),
]  # fmt: skip


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_real_number_of_any_library_is_one(value):
    found = checked_metrics({"error": value})
    assert type(found["error"]) is float
    assert found["error"] in (0.5, 1.0, 3.0)


@pytest.mark.parametrize(
    "value", NO_NUMBERS, ids=lambda value: f"{type(value).__name__} {value!r:.20}".partition(" at 0x")[0]
)
def test_what_is_no_single_real_number_is_refused_with_what_came(value):
    with pytest.raises(EvaluatorError, match="metric 'error' must be a finite number; got "):
        checked_metrics({"error": value})


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "entity_f1", "auc"])
def test_a_share_lies_from_0_to_1(name):
    assert checked_metrics({name: 1}) == {name: 1.0}
    for value in (90.3, -0.01, 1.0000001):
        with pytest.raises(EvaluatorError, match=rf"'{name}' lies from 0 to 1 \(98 % is 0\.98\); got {value}"):
            checked_metrics({name: value})


@pytest.mark.parametrize("name", ["latency_ms", "model_bytes", "train_seconds", "params", "rmse", "energy_j", "macs"])
def test_an_amount_is_never_below_0(name):
    assert checked_metrics({name: 0})[name] == 0
    with pytest.raises(EvaluatorError, match=rf"'{name}' is never below 0; got -1"):
        checked_metrics({name: -1})


@pytest.mark.parametrize("name", ["error", "latency_ms", "accuracy", "own"])
def test_a_spread_is_never_negative(name):
    assert checked_metrics({name: 0.5, spread_of(name): 0.0})
    with pytest.raises(EvaluatorError, match=r"below 0; got -0\.5|must be at least 0; got -0\.5"):
        checked_metrics({name: 0.5, spread_of(name): -0.5})


def test_a_name_that_is_no_standard_one_says_nothing_about_the_sign():
    assert checked_metrics({"saving_ms": -1}) == {"saving_ms": -1.0}


def test_what_is_called_a_spread_of_nothing_is_a_metric_like_any_other():
    assert checked_metrics({"bid_ask_spread": -0.5}) == {"bid_ask_spread": -0.5}


def test_what_follows_from_other_metrics_does_not_contradict_them():
    assert checked_metrics({"macs": 10, "flops": 20}) == {"macs": 10.0, "flops": 20.0}
    assert checked_metrics({"flops": 21}) == {"flops": 21.0}
    with pytest.raises(EvaluatorError, match="'flops' follows from the others, which give 20; got 21"):
        checked_metrics({"macs": 10, "flops": 21})


def test_the_ranges_are_those_that_limits_are_held_against():
    for metric in METRICS.values():
        assert (metric.lowest, metric.highest) == range_of(metric.name), metric.name
