"""Figures as SVG, without a script; colours are those of the style that stands around them."""

from __future__ import annotations

import re

from gasearch.report.chart_svg import chart_parts
from gasearch.report.charts import Bars, Chart, Figure, Ranges
from gasearch.report.rows_svg import bar_parts, range_parts
from gasearch.report.shapes import LINE, MARGIN, NARROW, WIDE, Paper, escaped
from gasearch.report.style import CHART, PALETTE


def svg(figure: Figure, name: str, paper: Paper = WIDE) -> str:
    """The figure as an `svg` element, which is well-formed XML and refers to nothing.

    Args:
        figure: What is drawn.
        name: Unlike those of others on the same page.
        paper: How large.
    """
    match figure:
        case Bars():
            height, parts = bar_parts(figure, paper)
        case Ranges():
            height, parts = range_parts(figure, paper)
        case Chart():
            height, parts = paper.height, list(chart_parts(figure, paper))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {paper.width} {height}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escaped(figure.title)}</title>'
            f'<desc id="{name}-desc">{escaped(figure.description)}</desc>',
            *parts,
            "</svg>",
        ]
    )


def standalone(figure: Figure, name: str) -> str:
    """The figure as a file of its own, with its title, paper and colours."""
    paper = NARROW if isinstance(figure, Bars) else WIDE
    drawn = svg(figure, name, paper)
    start, _, rest = drawn.partition("</desc>")
    height = int(re.findall(r'viewBox="0 0 \d+ (\d+)"', start)[0])
    x, y, width, height = -MARGIN, -MARGIN - 2 * LINE, paper.width + 2 * MARGIN, height + 2 * MARGIN + 2 * LINE
    start = re.sub(
        r'viewBox="[^"]*"', f'viewBox="{x} {y} {width} {height}" width="{width}" height="{height}"', start, count=1
    )
    ground = f'<rect class="paper" x="{x}" y="{y}" width="{width}" height="{height}"/>'
    title = f'<text class="title" x="0" y="{-LINE}">{escaped(figure.title)}</text>'
    return f"{start}</desc><style>{PALETTE}{CHART}</style>\n{ground}{title}{rest}\n"
