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
