"""Charts with a row for each thing as SVG, its name above: so no name is turned or cut."""

from __future__ import annotations

from collections.abc import Iterator

from gasearch.report.chart_svg import axis_title
from gasearch.report.charts import Bars, Ranges
from gasearch.report.scales import Scale
from gasearch.report.shapes import BOLD, GAP, LINE, Paper, escaped, keys, shape, short, ticks_across, words

BAR, BAR_ROW = 10, 38  #: Height of a bar, and of it with its name above.
RANGE_ROW, RANGE_TOP, RANGE_STEP = 60, 24, 12  #: Height of a row, to its first value, and from one to the next.


def bar_parts(figure: Bars, paper: Paper) -> tuple[int, list[str]]:
    """The height, and the bars."""
    most = max((value for _, value, _ in figure.bars), default=0.0) or 1.0
    texts = BOLD * max((len(text) for *_, text in figure.bars), default=0) + GAP
    room = max(20.0, paper.width - texts)
    parts = [words(figure.unit, 0, LINE - 4, "axis")]
    top = LINE + GAP
    for name, value, text in figure.bars:
        width = room * value / most
        look = "bar bad" if figure.is_bad else "bar"
        parts.append(words(short(name, paper.width), 0, top + 12, "tick"))
        parts.append(f'<rect class="track" x="0" y="{top + 18}" width="{room:.1f}" height="{BAR}" rx="2"/>')
        parts.append(f'<rect class="{look}" x="0" y="{top + 18}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        parts.append(words(text, paper.width, top + 18 + BAR, "label end"))
        top += BAR_ROW
    return top + GAP, parts


def range_parts(figure: Ranges, paper: Paper) -> tuple[int, list[str]]:
    """The height, and the rows of values with their intervals on a common axis."""
    above, top = keys(figure.kinds, paper.width)
    ends = [
        value
        for _, marks in figure.rows
        for one in marks
        if one
        for value in (one.x, one.x - one.x_spread, one.x + one.x_spread)
        if figure.axis.form != "shortfall" or value <= 1
        if figure.axis.form != "log" or value > 0
    ]
    scale = Scale.of(figure.axis, ends, (2.0 * GAP, paper.width - 2.0 * GAP))
    bottom = top + RANGE_ROW * len(figure.rows) + GAP
    ticks = scale.ticks(paper.ticks_across)
    grid = [f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/>' for at, _ in ticks]
    rows = [
        part
        for number in range(len(figure.rows))
        for part in _range_row(figure, number, scale, top + RANGE_ROW * number)
    ]
    base = f'<path class="base" d="M0 {bottom}H{paper.width}"/>'
    title = words(short(axis_title(figure.axis), paper.width), paper.width, bottom + 2 * LINE, "axis end")
    height = bottom + 2 * LINE + GAP
    return height, [*above, *grid, *rows, base, *ticks_across(ticks, paper.width, bottom), title]


def _range_row(figure: Ranges, number: int, scale: Scale, top: float) -> Iterator[str]:
    """A name, and the values below each other, so that no interval covers another one."""
    name, marks = figure.rows[number]
    yield words(name, 0, top + 14, "label")
    for place, ((look, _), one) in enumerate(zip(figure.kinds, marks, strict=True)):
        if one is None:
            continue
        y = top + RANGE_TOP + RANGE_STEP * place
        left, right = scale.place(one.x - one.x_spread), scale.place(one.x + one.x_spread)
        drawn = f'<path class="interval {look}" d="M{left:.1f} {y}H{right:.1f}"/>' if one.x_spread else ""
        hint = f"<title>{escaped(one.hint)}</title>" if one.hint else ""
        yield f"<g>{hint}{drawn}{shape(look, scale.place(one.x), y)}</g>"
