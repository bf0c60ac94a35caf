"""What the charts show: places, forms of axes, labels, and marks of finalists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasearch.objectives.fitness import Objective
from gasearch.query.answers import FrontPoint
from gasearch.query.finals import Finalist
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.report.charts import Dots, Marks, Steps
from gasearch.report.importance import Importance
from gasearch.report.pictures import (
    MOST_DECISIONS,
    MOST_OPERATORS,
    MOST_STEPS,
    failure_bars,
    finals_chart,
    front_charts,
    growth_chart,
    importance_bars,
    operator_bars,
)

ACCURACY, BYTES = (
    Objective(metric="accuracy", is_maximized=True),
    Objective(metric="model_bytes", is_maximized=False),
)
LATENCY = Objective(metric="latency_ms", is_maximized=False)


def point(key, accuracy, size, *, is_on_front=True, **metrics):
    metrics = {"accuracy": accuracy, "model_bytes": size, "latency_ms": 1.0} | metrics
    return FrontPoint(key=key, number=0, metrics=metrics, blueprint={"choices": {"a": 1}}, is_on_front=is_on_front)


def finalist(key, *, is_verified):
    metrics = {"accuracy": 0.9, "accuracy_deviation": 0.02, "model_bytes": 2000.0}
    return Finalist(
        key=key, seeds=2, failed=0, epochs=3, metrics=metrics, is_on_front=True, is_verified=is_verified, blueprint={}
    )


POINTS = (
    point("small0", 0.5, 1000.0),
    point("large0", 0.95, 90_000.0, latency_spread_ms=0.25),
    point("middle", 0.9, 2000.0),
    point("beaten", 0.4, 3000.0, is_on_front=False),
)


def layer(chart, kind, look=None):
    return next(one for one in chart.layers if isinstance(one, kind) and look in (None, getattr(one, "look", None)))


def test_the_first_objective_is_drawn_over_each_other_one():
    charts = front_charts(POINTS, (ACCURACY, BYTES, LATENCY), (), "middle")
    assert [one.title for one in charts] == ["accuracy over model_bytes", "accuracy over latency_ms"]
    assert charts[0].across.title == "model_bytes (less is better)"
    assert [mark.x_spread for mark in layer(charts[1], Marks).marks] == [0.0, 0.25, 0.0]
    [alone] = front_charts(POINTS, (ACCURACY,), (), "middle")
    assert alone.title == "accuracy of each candidate"


def test_the_line_goes_through_the_best_score_at_each_cost():
    [chart] = front_charts((*POINTS, point("equal", 0.45, 1500.0)), (ACCURACY, BYTES), (), "middle")
    assert layer(chart, Steps).places == ((1000.0, 0.5), (2000.0, 0.9), (90_000.0, 0.95))
    assert layer(chart, Dots).places == ((3000.0, 0.4),)
    ends = "0.9500 accuracy at 90 KB model_bytes to 0.5000 accuracy at 1 KB model_bytes"
    assert chart.description == f"5 networks, 4 of them on the front: {ends}."


@pytest.mark.parametrize(
    ("scores", "form"),
    [((0.5, 0.99), "shortfall"), ((0.5, 1.0), "shortfall"), ((0.5, 0.8), "linear"), ((0.97, 0.98), "linear")],
)
def test_scores_near_1_are_drawn_by_what_is_missing_and_costs_by_factors(scores, form):
    points = [point("a", scores[0], 100.0), point("b", scores[1], 9000.0)]
    [chart] = front_charts(points, (ACCURACY, BYTES), (), "a")
    assert (chart.upward.form, chart.across.form) == (form, "log")
    [narrow] = front_charts([point("a", 0.5, 100.0), point("b", 0.6, 200.0)], (ACCURACY, BYTES), (), "a")
    assert narrow.across.form == "linear"


def test_the_knee_and_finalists_have_labels_and_verified_ones_a_mark_of_their_own():
    finals = (finalist("middle", is_verified=True), finalist("large0", is_verified=False))
    [chart] = front_charts(POINTS, (ACCURACY, BYTES), finals, "middle")
    assert [mark.label for mark in layer(chart, Marks, "front").marks] == ["", "", ""]
    [waiting], [verified] = (layer(chart, Marks, look).marks for look in ("finalist", "verified"))
    assert (waiting.label, verified.label, verified.y_spread) == ("large0", "middle (knee)", 0.02)
    [plain] = front_charts(POINTS, (ACCURACY, BYTES), (), "middle")
    assert [mark.label for mark in layer(plain, Marks).marks if mark.label] == ["middle (knee)"]


def test_finalists_are_drawn_with_what_the_search_had_and_what_came():
    one = finalist("large0", is_verified=None)
    whole = replace(one, metrics=one.metrics | {"searched_accuracy": 0.95, "test_accuracy": 0.88})
    figure = finals_chart((whole, replace(one, key="bare00"), replace(one, metrics={})), ACCURACY)
    assert [look for look, _ in figure.kinds] == ["front", "finalist", "test"]
    (_, values), (_, bare) = figure.rows
    assert [mark.x for mark in values] == [0.95, 0.9, 0.88]
    assert values[1].x_spread == 0.02
    assert [mark is None for mark in bare] == [True, False, True]
    assert finals_chart((replace(one, metrics={}),), ACCURACY) is None


def test_growth_ends_with_its_value_and_keeps_both_ends_of_a_long_curve():
    curve = [
        GrowthPoint(evaluations=n, active_seconds=0, device_seconds=0, hypervolume=n / 10_000, front_size=1)
        for n in range(1, 10_001)
    ]
    chart = growth_chart(curve)
    [steps] = chart.layers
    assert (steps.places[0], steps.places[-1], steps.label) == ((1.0, 0.0001), (10_000.0, 1.0), "1.0000")
    assert len(steps.places) <= MOST_STEPS + 1


def test_bars_are_sorted_limited_and_never_negative():
    shares = tuple((f"d{number}", 1.0 - number / 9) for number in range(12))
    bars = importance_bars(Importance(metric="accuracy", networks=50, explained=0.9, decisions=shares)).bars
    assert len(bars) == MOST_DECISIONS
    assert min(value for _, value, _ in bars) == 0.0
    children = [
        OperatorStats(operator=f"o{n}", children=1, measured=1, entered=1, gain=n, gain_per_child=float(n))
        for n in range(20)
    ]
    paid = operator_bars(children)
    assert [name for name, *_ in paid.bars][:2] == ["o19", "o18"]
    assert len(paid.bars) == MOST_OPERATORS
    failed = failure_bars({"diverged": 1, "timed_out": 3})
    assert failed.bars == (("timed_out", 3.0, "3"), ("diverged", 1.0, "1"))
    assert failed.description == "4 evaluations failed, most of them timed_out."
