"""Figures on how searches went: front, growth, operators, predictions, failures. Plain values, as Plotly reads them.

Plotly reads titles, names and hover texts as a small HTML of its own: every name of a spec or an evaluator is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gasearch_workers.messages import FailureKind

from gasearch.objectives.metrics import metric_named, spread_of
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, SearchSummary, layers_text
from gasearch.query.growth import GrowthPoint
from gasearch.query.lineage import OperatorStats
from gasearch.storage.records import EvaluatedNetwork

Figure = dict[str, Any]  #: A Plotly figure as `data` and `layout`.

GREY, BLUE, RED = "#b8bec6", "#1f5fbf", "#b3382c"
COLOURS = (BLUE, RED, "#2e8b57", "#8a5fbf", "#c77f1e", "#2a9db0", "#7a7f87")
MOST_STEPS = 5_000  #: Of a curve; between its ends only the points at which the front changed are needed.
LOG_SPAN = 50.0  #: An axis whose values span more than this factor is logarithmic.
MOST_TICKS = 8  #: Of a logarithmic axis.
FLAT = {"legend": {"orientation": "h", "y": -0.2, "yanchor": "top"}}

#: What the growth is drawn over: the field of a point that has it, and its label.
AXES = {
    "evaluations": "evaluations",
    "active_seconds": "seconds that the search ran",
    "device_seconds": "seconds that workers were busy",
}


def front_figure(summary: SearchSummary, points: Sequence[FrontPoint], measured: int) -> Figure:
    """Measured networks, the front on top: the first objective over the second, the third as the front's colour.

    A single objective is drawn over the candidates' numbers.

    Args:
        summary: Of the search.
        points: What is drawn, the front among it, in the order of arrival.
        measured: How many networks there are; where that is more, the title says so.
    """
    metrics = list(summary.objectives)[:3]
    points = [point for point in points if all(metric in point.metrics for metric in metrics)]
    front = [point for point in points if point.is_on_front]
    others = [point for point in points if not point.is_on_front]
    marker: dict[str, Any] = {"size": 10, "color": BLUE}
    if len(metrics) == 3:
        scale = {"colorscale": "Viridis", "reversescale": True, "showscale": True}
        marker |= scale | {"color": [point.metrics[metrics[2]] for point in front], "colorbar": _colour_bar(metrics[2])}
    line = {}
    if len(metrics) == 2:
        front.sort(key=lambda point: point.metrics[metrics[1]])
        line = {"mode": "lines+markers", "line": {"color": BLUE, "width": 1, "dash": "dot"}}
    traces = [
        _networks("dominated", others, metrics, {"color": GREY, "size": 5}),
        _networks("Pareto front", front, metrics, marker) | line | _error_bars(front, metrics),
    ]
    axes = [_axis(metric, summary.objectives[metric], points) for metric in metrics[:2]]
    title = f"Pareto front of {html.escape(summary.name)}: {len(front)} of {measured} networks"
    if measured > len(points):
        title += f"; of the others the newest {len(others)}"
    if len(axes) == 1:
        return _figure(traces, title, 620, _titled("evaluation"), axes[0])
    return _figure(traces, title, 620, axes[1], axes[0], **FLAT)


def growth_figures(curves: Mapping[str, Sequence[GrowthPoint]], axes: Iterable[str] = AXES) -> list[Figure]:
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
    across, upward = _titled(AXES[by], rangemode="tozero"), _titled("hypervolume")
    return _figure(traces, f"Hypervolume over {AXES[by]}", 380, across, upward, showlegend=len(curves) > 1)


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
    hover = (
        "%{x}: %{text}, %{customdata[0]} measured, %{customdata[1]} entered the front"
        "<br>gain %{customdata[2]:.4f} in all, %{y:.5f} a child<extra></extra>"
    )
    trace = _bars({one.operator: one.gain_per_child for one in order}, hover, BLUE) | {
        "text": [f"{one.children} children" for one in order],
        "textposition": "none",
        "customdata": [[one.measured, one.entered, one.gain] for one in order],
    }
    across, upward = {"type": "category"}, _titled("gain per child", rangemode="tozero")
    return _figure([trace], "Which operators paid: hypervolume gained per child", 380, across, upward)


def failures_figure(failures: dict[str, int]) -> Figure:
    """How many evaluations failed, by kind."""
    counts = dict(sorted(failures.items(), key=lambda item: -item[1]))
    trace = _bars(counts, "%{x}: %{y}<extra></extra>", RED)
    across, upward = {"type": "category"}, _titled("evaluations", rangemode="tozero")
    return _figure([trace], f"Failures by kind: {sum(failures.values())}", 320, across, upward)


def prediction_figures(networks: Sequence[EvaluatedNetwork]) -> list[Figure]:
    """For each metric that was modelled, what was expected against what was measured; stopped ones at the edge.

    What arithmetic knew (a deviation of 0) is no prediction; a metric of which nothing was measured is left out.
    """
    expected: dict[str, list[tuple[EvaluatedNetwork, float, float]]] = {}
    for network in networks:
        for one in network.predicted:
            if one.deviation > 0:
                expected.setdefault(one.metric, []).append((network, one.mean, one.deviation))
    return [
        _prediction_figure(metric, rows)
        for metric, rows in expected.items()
        if any(metric in network.metrics for network, _, _ in rows)
    ]


def _prediction_figure(metric: str, rows: Sequence[tuple[EvaluatedNetwork, float, float]]) -> Figure:
    measured = [row for row in rows if metric in row[0].metrics]
    stopped = [row for row in rows if row[0].failure == FailureKind.STOPPED]
    values = [network.metrics[metric] for network, _, _ in measured]
    ends = [bound([*values, *(mean for _, mean, _ in measured)]) for bound in (min, max)]
    diagonal = {"type": "scatter", "mode": "lines", "name": "as expected", "x": ends, "y": ends, "hoverinfo": "skip"}

    def markers(
        name: str, shown: Sequence[tuple[EvaluatedNetwork, float, float]], y: list[float], **marker: Any
    ) -> Any:
        texts = [_prediction_text(*row, metric=metric) for row in shown]
        return _markers(name, [mean for _, mean, _ in shown], y, texts, marker)

    colours = [BLUE if network.is_on_front else GREY for network, _, _ in measured]
    traces = [diagonal | {"line": {"color": GREY, "dash": "dot"}}]
    traces.append(markers("measured", measured, values, color=colours, size=7))
    if stopped:
        at_the_edge, cross = ends[:1] * len(stopped), {"color": RED, "size": 8, "symbol": "x-thin-open"}
        traces.append(markers("stopped early, not measured", stopped, at_the_edge, **cross))
    across, upward = _titled(f"expected {metric}"), _titled(f"measured {metric}")
    return _figure(traces, f"{html.escape(metric)}: expected against measured", 460, across, upward, **FLAT)


def _prediction_text(network: EvaluatedNetwork, mean: float, deviation: float, *, metric: str) -> str:
    """Key, expectation and outcome, a line each, escaped."""
    value = network.metrics.get(metric)
    lines = [
        network.key,
        f"expected {format_quantity(mean, metric)} (deviation {deviation:.3g})",
        str(network.failure) if value is None else f"measured {format_quantity(value, metric)}",
    ]
    return "<br>".join(map(html.escape, lines))


def _networks(name: str, points: Sequence[FrontPoint], metrics: Sequence[str], marker: dict[str, Any]) -> Figure:
    """Markers that say key, network and every metric, a line each."""
    texts = []
    for point in points:
        shown = [f"{metric}: {format_quantity(value, metric)}" for metric, value in point.metrics.items()]
        lines = [point.key, *layers_text(point.blueprint).split(" | "), *shown]
        texts.append("<br>".join(map(html.escape, lines)))
    upward = [point.metrics[metrics[0]] for point in points]
    across = [point.metrics[metrics[1]] if len(metrics) > 1 else point.number for point in points]
    return _markers(name, across, upward, texts, marker)


def _error_bars(points: Sequence[FrontPoint], metrics: Sequence[str]) -> Figure:
    """The spreads of what is drawn, where any value has one."""
    bars = {}
    for direction, metric in zip(("error_y", "error_x"), metrics, strict=False):
        widths = [point.metrics.get(spread_of(metric), 0.0) for point in points]
        if any(widths):
            bars[direction] = {"type": "data", "array": widths, "thickness": 1, "width": 2}
    return bars


def _axis(metric: str, better: str, points: Sequence[FrontPoint]) -> dict[str, Any]:
    values = [point.metrics[metric] for point in points]
    is_log = values and min(values) > 0 and max(values) / min(values) > LOG_SPAN
    form = {"type": "log", "nticks": MOST_TICKS} if is_log else {}
    return _titled(f"{metric} ({better})", **form, **_ticks(metric))


def _ticks(metric: str) -> dict[str, Any]:
    """How ticks are written: great numbers as "20k"."""
    return {"tickformat": "~s"} if metric_named(metric).dimension in ("bytes", "count") else {}


def _colour_bar(metric: str) -> Figure:
    """A scale of colours above the figure, where it takes no width from it on a phone."""
    place = {"orientation": "h", "thickness": 10, "x": 0.5, "y": 1, "yanchor": "bottom"}
    title = {"text": html.escape(metric), "side": "top"}
    return {"title": title, "nticks": 5, "tickangle": 0, **place, **_ticks(metric)}


# --- what Plotly reads ------------------------------------------------------------------------------------------


def _figure(traces: Sequence[Figure], title: str, height: int, across: Figure, upward: Figure, **layout: Any) -> Figure:
    axes = {"xaxis": across, "yaxis": upward}
    return {"data": list(traces), "layout": {"title": {"text": title}, "height": height, **axes, **layout}}


def _titled(text: str, **options: Any) -> Figure:
    """An axis with a title of plain text, which keeps clear of the ticks."""
    return {"title": {"text": html.escape(text), "standoff": 12}, "automargin": True, **options}


def _markers(name: str, x: Sequence[float], y: Sequence[float], texts: list[str], marker: Figure) -> Figure:
    plotted = {"type": "scatter", "mode": "markers", "name": name, "x": list(x), "y": list(y), "marker": marker}
    return plotted | {"text": texts, "hovertemplate": "%{text}<extra></extra>"}


def _bars(heights: Mapping[str, float], hover: str, colour: str) -> Figure:
    bars = {"type": "bar", "x": list(map(html.escape, heights)), "y": list(heights.values())}
    return bars | {"marker": {"color": colour}, "hovertemplate": hover}
