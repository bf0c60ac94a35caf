"""A search as one self-contained HTML file: its front, how it grew, what paid, what was foreseen, what failed.

plotly.js lies inside the file, which asks nothing of the network. Every name that comes from a spec or an evaluator is
escaped: Plotly reads titles and hover texts as a small HTML of its own.
"""

from __future__ import annotations

import html
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gasearch.errors import BadInput
from gasearch.objectives.units import format_quantity
from gasearch.query.answers import FrontPoint, SearchSummary, layers_text
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.comparison import Comparison
from gasearch.query.figures import BLUE, GREY, RED, Figure, growth_figures, operators_figure, prediction_figures
from gasearch.query.front import point_of
from gasearch.query.growth import completed_outcomes, growth, scaling_of
from gasearch.query.lineage import operators
from gasearch.query.summary import search_summary
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork

MOST_POINTS = 5_000  #: Beside the front, the newest ones; more would make a browser crawl.
LOG_SPAN = 50.0  #: An axis whose values span more than this factor is logarithmic.


def plot(reader: ArchiveReader, name: str, path: Path) -> None:
    """Draw a search into a file, replacing it.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        path: The file.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: for another ending than .html, a file that can't be written, or a search without any outcome.
    """
    require_html(path)
    summary = search_summary(reader, name)
    facts = (
        f"{summary.told} evaluations, {sum(summary.failures.values())} failed, {summary.stopped} stopped early, "
        f"front of {summary.front_size}"
    )
    _write(path, page(summary.name, facts, figures_of(reader, summary)))


def figures_of(reader: ArchiveReader, summary: SearchSummary) -> list[Figure]:
    """All figures of a search, that of its front first.

    Raises:
        BadInput: for a search without any outcome.
    """
    if summary.told == 0:
        raise BadInput(f"search {summary.name!r} has no outcome to draw yet; see: gasearch status {summary.name}")
    record = reader.search(summary.name)
    completed = completed_outcomes(reader, record, objectives_of(record), constraints_of(record))
    networks = _drawn(reader, record.id)
    figures = [front_figure(summary, [point_of(one) for one in networks if one.metrics], completed.networks)]
    scaling = scaling_of(record)
    if scaling is not None:
        figures += growth_figures({summary.name: growth(completed, scaling)})
    if children := operators(reader, summary.name):
        figures.append(operators_figure(children))
    figures += prediction_figures(networks)
    if summary.failures:
        figures.append(failures_figure(summary.failures))
    return figures


def plotly_front(reader: ArchiveReader, name: str) -> Any:
    """The first of the figures, as a `plotly.graph_objects.Figure`.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: for a search without any outcome.
    """
    return _plotly(figures_of(reader, search_summary(reader, name))[0])


def _plotly(figure: Figure) -> Any:
    from plotly.graph_objects import Figure as PlotlyFigure

    return PlotlyFigure({"data": figure["data"], "layout": figure["layout"] | {"template": "plotly_white"}})


def _drawn(reader: ArchiveReader, search_id: int) -> list[EvaluatedNetwork]:
    """The front and the newest other networks, in the order of arrival."""
    found = {network.number: network for network in reader.newest(search_id, count=MOST_POINTS)}
    found |= {network.number: network for network in reader.front(search_id)}
    return sorted(found.values(), key=lambda network: network.arrival)


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Draw the growth of compared searches into a file, replacing it.

    Raises:
        BadInput: for another ending than .html, or a file that can't be written.
    """
    require_html(path)
    axes = list(dict.fromkeys(mark.by for mark in comparison.marks))
    facts = ", ".join(f"{metric} ({better})" for metric, better in comparison.objectives.items())
    title = " and ".join(one.name for one in comparison.searches)
    _write(path, page(title, f"hypervolume over {facts}", growth_figures(comparison.curves, axes)))


def require_html(path: Path) -> None:
    """Refuse another ending.

    Raises:
        BadInput: if the name ends otherwise.
    """
    if path.suffix.lower() != ".html":
        raise BadInput(f"expected a name that ends in .html; got {str(path)!r}")


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
    if len(metrics) == 2:
        front.sort(key=lambda point: point.metrics[metrics[1]])
    traces = [
        _scatter("dominated", others, metrics, {"color": GREY, "size": 5}),
        _scatter("Pareto front", front, metrics, _front_marker(front, metrics)),
    ]
    if len(metrics) == 2:
        traces[1] |= {"mode": "lines+markers", "line": {"color": BLUE, "width": 1, "dash": "dot"}}
    axes = [
        _axis(metric, summary.objectives[metric], [point.metrics[metric] for point in points]) for metric in metrics
    ]
    title = {"text": f"Pareto front of {html.escape(summary.name)}: {len(front)} of {measured} networks"}
    if measured > len(points):
        title["text"] += f"; of the others the newest {len(others)}"
    match axes:
        case [only]:
            layout = {"xaxis": {"title": {"text": "evaluation"}}, "yaxis": only}
        case [upward, across, *_]:
            layout = {"xaxis": across, "yaxis": upward, "legend": {"orientation": "h"}}
    return {"data": traces, "layout": {"title": title, "height": 620, **layout}}


def failures_figure(failures: dict[str, int]) -> Figure:
    """How many evaluations failed, by kind."""
    kinds = sorted(failures, key=lambda kind: -failures[kind])
    trace = {
        "type": "bar",
        "x": [html.escape(kind) for kind in kinds],
        "y": [failures[kind] for kind in kinds],
        "marker": {"color": RED},
        "hovertemplate": "%{x}: %{y}<extra></extra>",
    }
    total = sum(failures.values())
    title = f"Failures by kind: {total}"
    axes = {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": "evaluations"}, "rangemode": "tozero"}}
    return {"data": [trace], "layout": {"title": {"text": title}, "height": 320, **axes}}


def page(title: str, facts: str, figures: Sequence[Figure]) -> str:
    """The whole HTML document, plotly.js in it once; title and facts are plain text.

    Args:
        title: Of the document.
        facts: A line below the title.
        figures: Drawn one below the other.
    """
    from plotly.io import templates, to_html

    template = templates["plotly_white"].to_plotly_json()
    # What is drawn is made here, and no reader's: to check each of its thousands of texts takes half a second.
    parts = [
        to_html(
            {"data": figure["data"], "layout": figure["layout"] | {"template": template}},
            validate=False,
            full_html=False,
            include_plotlyjs=number == 0,
            include_mathjax=False,
            config={"displaylogo": False, "responsive": True},
            div_id=f"figure{number}",
        )
        for number, figure in enumerate(figures)
    ]
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>gasearch: {name}</title>\n"
        "<style>body{font-family:sans-serif;max-width:72rem;margin:1rem auto;padding:0 1rem}</style>\n"
        f"</head>\n<body>\n<h1>{name}</h1>\n<p>{html.escape(facts)}</p>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _scatter(label: str, points: Sequence[FrontPoint], metrics: Sequence[str], marker: dict[str, Any]) -> Figure:
    trace: Figure = {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "marker": marker,
        "text": [_hover_text(point) for point in points],
        "hovertemplate": "%{text}<extra></extra>",
    }
    columns = [[point.metrics[metric] for point in points] for metric in metrics[:2]]
    if len(metrics) == 1:
        columns.append([point.number for point in points])
    return trace | dict(zip("yx", columns, strict=True))


def _front_marker(front: Sequence[FrontPoint], metrics: Sequence[str]) -> dict[str, Any]:
    marker: dict[str, Any] = {"size": 10, "color": BLUE}
    if len(metrics) == 3:
        colours = [point.metrics[metrics[2]] for point in front]
        scale = {"color": colours, "colorscale": "Viridis", "reversescale": True, "showscale": True}
        marker |= scale | {"colorbar": {"title": {"text": html.escape(metrics[2])}}}
    return marker


def _hover_text(point: FrontPoint) -> str:
    """Key, network and every metric, a line each, escaped."""
    network = layers_text(point.blueprint).split(" | ")
    metrics = [f"{name}: {format_quantity(value, name)}" for name, value in point.metrics.items()]
    return "<br>".join(html.escape(line) for line in [point.key, *network, *metrics])


def _axis(metric: str, better: str, values: Sequence[float]) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": f"{html.escape(metric)} ({better})"}}
    if values and min(values) > 0 and max(values) / min(values) > LOG_SPAN:
        axis["type"] = "log"
    return axis


def _write(path: Path, text: str) -> None:
    """Write beside the file and rename: an old plot stays whole if the disk is full."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise BadInput(f"can't write {path}: {error.strerror or error}") from error
