"""Figures on how searches went: growth, operators, predictions. Plain values, as Plotly reads them.

Plotly reads titles, names and hover texts as a small HTML of its own: every name of a spec or an evaluator is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from gasearch_workers.messages import FailureKind

from gasearch.objectives.units import format_quantity
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.storage.records import EvaluatedNetwork

Figure = dict[str, Any]  #: A Plotly figure as `data` and `layout`.

GREY, BLUE, RED = "#b8bec6", "#1f5fbf", "#b3382c"
COLOURS = (BLUE, RED, "#2e8b57", "#8a5fbf", "#c77f1e", "#2a9db0", "#7a7f87")
MOST_STEPS = 5_000  #: Of a curve; between its ends only the points at which the front changed are needed.

#: What the growth is drawn over: its label, and the field of a point that has it.
AXES = {
    "evaluations": "evaluations",
    "active_seconds": "seconds that the search ran",
    "device_seconds": "seconds that workers were busy",
}


def growth_figures(curves: Mapping[str, Sequence[GrowthPoint]], axes: Sequence[str] = tuple(AXES)) -> list[Figure]:
    """The hypervolume of each search at every outcome: over evaluations, then over time."""
    return [_growth_figure(curves, by) for by in axes] if curves else []


def _growth_figure(curves: Mapping[str, Sequence[GrowthPoint]], by: str) -> Figure:
    traces = []
    for number, (name, curve) in enumerate(curves.items()):
        points = _changing(curve)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": html.escape(name),
                "x": [getattr(point, by) for point in points],
                "y": [point.hypervolume for point in points],
                "text": [f"{point.evaluations} evaluations, front {point.front_size}" for point in points],
                "hovertemplate": "%{text}<br>hypervolume %{y:.4f}<extra></extra>",
                "line": {"color": COLOURS[number % len(COLOURS)], "shape": "hv"},
            }
        )
    layout = {
        "title": {"text": f"Hypervolume over {AXES[by]}"},
        "height": 380,
        "xaxis": {"title": {"text": AXES[by]}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "hypervolume"}},
        "showlegend": len(curves) > 1,
    }
    return {"data": traces, "layout": layout}


def _changing(curve: Sequence[GrowthPoint]) -> list[GrowthPoint]:
    """The points at which the front changed, and the last one; of too many every n-th."""
    kept = [
        point
        for place, point in enumerate(curve)
        if place in (0, len(curve) - 1)
        or (point.hypervolume, point.front_size) != (curve[place - 1].hypervolume, curve[place - 1].front_size)
    ]
    every = -(-len(kept) // MOST_STEPS)
    return kept if every < 2 else [*kept[:-1:every], kept[-1]]


def operators_figure(operators: Sequence[OperatorStats]) -> Figure:
    """The gain of a child of each operator on average, with how many there were."""
    order = sorted(operators, key=lambda one: (-one.gain_per_child, one.operator))
    trace = {
        "type": "bar",
        "x": [html.escape(one.operator) for one in order],
        "y": [one.gain_per_child for one in order],
        "text": [f"{one.children} children" for one in order],
        "customdata": [[one.measured, one.entered, one.gain] for one in order],
        "hovertemplate": (
            "%{x}: %{text}, %{customdata[0]} measured, %{customdata[1]} entered the front"
            "<br>gain %{customdata[2]:.4f} in all, %{y:.5f} a child<extra></extra>"
        ),
        "marker": {"color": BLUE},
    }
    layout = {
        "title": {"text": "Which operators paid: hypervolume gained per child"},
        "height": 380,
        "xaxis": {"type": "category"},
        "yaxis": {"title": {"text": "gain per child"}, "rangemode": "tozero"},
    }
    return {"data": [trace], "layout": layout}


def prediction_figures(networks: Sequence[EvaluatedNetwork]) -> list[Figure]:
    """For each metric that was modelled, what was expected against what was measured; stopped ones at the edge.

    What arithmetic knew (a deviation of 0) is no prediction, and left out.
    """
    expected: dict[str, list[tuple[EvaluatedNetwork, float, float]]] = {}
    for network in networks:
        for one in network.predicted:
            if one.deviation > 0:
                expected.setdefault(one.metric, []).append((network, one.mean, one.deviation))
    figures = [_prediction_figure(metric, rows) for metric, rows in expected.items()]
    return [figure for figure in figures if figure is not None]


def _prediction_figure(metric: str, rows: Sequence[tuple[EvaluatedNetwork, float, float]]) -> Figure | None:
    """One metric's figure; None where nothing of it was measured."""
    measured = [(network, mean, deviation) for network, mean, deviation in rows if metric in network.metrics]
    stopped = [row for row in rows if row[0].failure == FailureKind.STOPPED]
    values = [network.metrics[metric] for network, _, _ in measured]
    if not values:
        return None
    label = html.escape(metric)
    lowest = min([*values, *(mean for _, mean, _ in measured)])
    highest = max([*values, *(mean for _, mean, _ in measured)])
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "as expected",
            "x": [lowest, highest],
            "y": [lowest, highest],
            "line": {"color": GREY, "dash": "dot"},
            "hoverinfo": "skip",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "measured",
            "x": [mean for _, mean, _ in measured],
            "y": values,
            "text": [_prediction_text(*row, metric=metric) for row in measured],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"color": [BLUE if network.is_on_front else GREY for network, _, _ in measured], "size": 7},
        },
    ]
    if stopped:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "stopped early, not measured",
                "x": [mean for _, mean, _ in stopped],
                "y": [lowest] * len(stopped),
                "text": [_prediction_text(*row, metric=metric) for row in stopped],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {"color": RED, "size": 8, "symbol": "x-thin-open"},
            }
        )
    layout = {
        "title": {"text": f"{label}: expected against measured"},
        "height": 460,
        "xaxis": {"title": {"text": f"expected {label}"}},
        "yaxis": {"title": {"text": f"measured {label}"}},
        "legend": {"orientation": "h"},
    }
    return {"data": traces, "layout": layout}


def _prediction_text(network: EvaluatedNetwork, mean: float, deviation: float, *, metric: str) -> str:
    """Key, expectation and outcome, a line each, escaped."""
    value = network.metrics.get(metric)
    lines = [
        network.key,
        f"expected {format_quantity(mean, metric)} (deviation {deviation:.3g})",
        str(network.failure) if value is None else f"measured {format_quantity(value, metric)}",
    ]
    return "<br>".join(html.escape(line) for line in lines)
