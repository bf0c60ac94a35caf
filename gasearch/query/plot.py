"""A search as one self-contained HTML file: its front, how it grew, what paid, what was foreseen, what failed.

plotly.js lies inside the file, which asks nothing of the network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gasearch.errors import BadInput
from gasearch.query.answers import SearchSummary
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.comparison import Comparison
from gasearch.query.figures import (
    Figure,
    failures_figure,
    front_figure,
    growth_figures,
    operators_figure,
    prediction_figures,
)
from gasearch.query.front import point_of
from gasearch.query.growth import completed_outcomes, growth, scaling_of
from gasearch.query.lineage import operators
from gasearch.query.summary import search_summary
from gasearch.query.whole_file import write_whole
from gasearch.storage.archive import ArchiveReader

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
STYLE = f"""
body{{font-family:{FONT};line-height:1.5;color:#1a2029;background:#fff;color-scheme:light}}
body{{max-width:72rem;margin:0 auto;padding:1.5rem 1rem}} p{{margin:0;color:#55606d}}
h1{{font-size:2rem;line-height:1.2;margin:0 0 .5rem;overflow-wrap:anywhere}}
section{{margin-top:2.5rem}} h2{{font-size:1.125rem;line-height:1.3;margin:0;overflow-wrap:anywhere}}
"""
#: plotly.js is part of the file, and may run; nobody is asked for anything, or sent anything.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
MARGIN = {"l": 56, "r": 16, "t": 32, "b": 48}
#: Without the button that uploads a figure to Plotly's cloud.
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d"],
}
MOST_POINTS = 5_000  #: Beside the front, the newest ones; more would make a browser crawl.


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
    write_whole(path, page(summary.name, facts, figures_of(reader, summary)))


def figures_of(reader: ArchiveReader, summary: SearchSummary) -> list[Figure]:
    """All figures of a search, that of its front first.

    Raises:
        BadInput: for a search without any outcome.
    """
    if summary.told == 0:
        raise BadInput(f"search {summary.name!r} has no outcome to draw yet; see: gasearch status {summary.name}")
    record = reader.search(summary.name)
    completed = completed_outcomes(reader, record, objectives_of(record), constraints_of(record))
    drawn = {one.number: one for one in (*reader.newest(record.id, count=MOST_POINTS), *reader.front(record.id))}
    networks = sorted(drawn.values(), key=lambda network: network.arrival)
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
    from plotly.graph_objects import Figure as PlotlyFigure

    figure = figures_of(reader, search_summary(reader, name))[0]
    return PlotlyFigure({"data": figure["data"], "layout": figure["layout"] | {"template": "plotly_white"}})


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Draw the growth of compared searches into a file, replacing it.

    Raises:
        BadInput: for another ending than .html, or a file that can't be written.
    """
    require_html(path)
    axes = list(dict.fromkeys(mark.by for mark in comparison.marks))
    facts = ", ".join(f"{metric} ({better})" for metric, better in comparison.objectives.items())
    title = " and ".join(one.name for one in comparison.searches)
    write_whole(path, page(title, f"hypervolume over {facts}", growth_figures(comparison.curves, axes)))


def require_html(path: Path) -> None:
    """Refuse another ending.

    Raises:
        BadInput: if the name ends otherwise.
    """
    if path.suffix.lower() != ".html":
        raise BadInput(f"expected a name that ends in .html; got {str(path)!r}")


def page(title: str, facts: str, figures: Sequence[Figure]) -> str:
    """The whole HTML document, plotly.js in it once; title and facts are plain text.

    Args:
        title: Of the document.
        facts: A line below the title.
        figures: Drawn one below the other.
    """
    from plotly.io import templates, to_html

    template = templates["plotly_white"].to_plotly_json()
    parts = []
    for number, figure in enumerate(figures):
        # A title stands above its figure, where it wraps on a phone.
        layout = {name: value for name, value in figure["layout"].items() if name != "title"}
        # What is drawn is made here, and no reader's: to check each of its thousands of texts takes half a second.
        drawn = to_html(
            {
                "data": figure["data"],
                "layout": layout | {"template": template, "margin": MARGIN, "font": {"family": FONT}},
            },
            validate=False,
            full_html=False,
            include_plotlyjs=number == 0,
            include_mathjax=False,
            config=CONFIG,
            div_id=f"figure{number}",
        )
        parts.append(f"<section>\n<h2>{figure['layout']['title']['text']}</h2>\n{drawn}\n</section>")
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>gasearch: {name}</title>\n<style>{STYLE}</style>\n"
        f"</head>\n<body>\n<main>\n<h1>{name}</h1>\n<p>{html.escape(facts)}</p>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )
