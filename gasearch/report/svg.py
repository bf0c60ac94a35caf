"""Charts as SVG, without a script; colours are those of the style that stands around them.

All texts are escaped here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from gasearch.report.charts import Axis, Bars, Chart, Dots, Figure, Mark, Marks, Steps
from gasearch.report.scales import Scale
from gasearch.report.style import CHART, PALETTE
from gasearch.report.text import printable

#: Mean width of a letter of a text, of a digit, and of a letter of a word, in pixels: there is no font to measure here.
LETTER, DIGIT, KEY = 6.4, 7.0, 7.3
BOLD = 8.7  #: That of a bold one in a wide font.
LINE, TICK, MARGIN = 18, 5, 12
GAP = 8  #: Between a text and what it belongs to.
RADIUS = 4.5
BAR, BAR_ROW = 10, 38  #: Height of a bar, and of it with its name above.


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The size of a chart in pixels, and how many ticks fit there."""

    width: int
    height: int
    ticks_across: int
    ticks_upward: int
    has_hints: bool  #: On a phone nobody points.


WIDE = Paper(width=960, height=460, ticks_across=9, ticks_upward=7, has_hints=True)
NARROW = Paper(width=380, height=340, ticks_across=5, ticks_upward=6, has_hints=False)


def svg(figure: Figure, name: str, paper: Paper = WIDE) -> str:
    """The figure as an `svg` element, which is well-formed XML and refers to nothing.

    Args:
        figure: What is drawn.
        name: Unlike those of others on the same page.
        paper: How large.
    """
    height, parts = _bars(figure, paper) if isinstance(figure, Bars) else (paper.height, _chart(figure, paper))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {paper.width} {height}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{_escaped(figure.title)}</title>'
            f'<desc id="{name}-desc">{_escaped(figure.description)}</desc>',
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
    title = f'<text class="title" x="0" y="{-LINE}">{_escaped(figure.title)}</text>'
    return f"{start}</desc><style>{PALETTE}{CHART}</style>\n{ground}{title}{rest}\n"


# --- charts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """Where something stands, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: _Box) -> bool:
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


def _chart(chart: Chart, paper: Paper) -> Iterator[str]:
    keys, keys_height = _keys(chart, paper)
    values = list(_values(chart))
    top = keys_height + LINE + GAP  # the upward axis has its title above it, where it is read without turning the head
    bottom = paper.height - 2 * LINE - GAP
    upward = Scale.of(chart.upward, [y for _, y in values], (bottom, top))
    ticks = upward.ticks(paper.ticks_upward)
    left = GAP + DIGIT * max(len(text) for _, text in ticks)
    across = Scale.of(chart.across, [x for x, _ in values], (left + GAP, paper.width - 3 * GAP))
    frame = _Box(left=left, top=top, right=paper.width - GAP, bottom=bottom)
    yield from keys
    yield _words(_short(_axis_title(chart.upward), paper.width), 0, keys_height + LINE - 4, "axis")
    for at, text in ticks:
        yield f'<path class="grid" d="M{left:.1f} {at:.1f}H{frame.right}"/>'
        yield _words(text, left - GAP, at + 4, "tick end")
    yield f'<path class="base" d="M{left:.1f} {bottom}H{frame.right}"/>'
    yield from _ticks_across(across, paper, bottom)
    yield _words(_short(_axis_title(chart.across), paper.width), frame.right, paper.height - 4, "axis end")
    taken: list[_Box] = []
    for layer in chart.layers:
        match layer:
            case Dots():
                yield _dots(layer, across, upward)
            case Steps():
                yield _steps(layer, across, upward)
                taken += _along(layer, across, upward)
            case Marks():
                yield from _marks(layer, across, upward, has_hints=paper.has_hints)
                taken += [box for one in layer.marks for box in _around(one, across, upward)]
    yield from _labels(chart, across, upward, frame, taken)


def _ticks_across(across: Scale, paper: Paper, bottom: float) -> Iterator[str]:
    reached = -float(GAP)
    for at, text in across.ticks(paper.ticks_across):
        half = DIGIT * len(text) / 2
        middle = min(at, paper.width - half)
        yield f'<path class="base" d="M{at:.1f} {bottom}v{TICK}"/>'
        if middle - half > reached + GAP / 2:
            yield _words(text, middle, bottom + LINE, "tick middle")
            reached = middle + half


def _axis_title(axis: Axis) -> str:
    forms = {"linear": "", "log": ", log scale", "shortfall": ", log scale towards 1"}
    return axis.title + forms[axis.form]


def _values(chart: Chart) -> Iterator[tuple[float, float]]:
    """Every value that needs a place, the ends of intervals among them."""
    for layer in chart.layers:
        match layer:
            case Dots(places=places) | Steps(places=places):
                yield from places
            case Marks(marks=marks):
                for one in marks:
                    yield from ((one.x, one.y), *_ends(one, chart))


def _ends(mark: Mark, chart: Chart) -> Iterator[tuple[float, float]]:
    """The ends of a mark's intervals, but for what its axis can't show."""
    for sign in (-1, 1):
        x, y = mark.x + sign * mark.x_spread, mark.y + sign * mark.y_spread
        yield (x if _is_shown(x, chart.across) else mark.x), (y if _is_shown(y, chart.upward) else mark.y)


def _is_shown(value: float, axis: Axis) -> bool:
    return {"linear": True, "log": value > 0, "shortfall": value <= 1}[axis.form]


def _keys(chart: Chart, paper: Paper) -> tuple[list[str], int]:
    """What each kind of mark stands for, in rows above the chart, and how high that is; nothing for a single kind."""
    named = [layer for layer in chart.layers if isinstance(layer, Dots | Marks) and layer.name]
    if len(named) < 2:
        return [], 0
    parts, x, y = [], 0.0, 0
    for layer in named:
        width = 20 + KEY * len(layer.name) + GAP
        if x and x + width > paper.width:
            x, y = 0.0, y + LINE
        look = "dots" if isinstance(layer, Dots) else layer.look
        at = (x + 6, y + LINE - 8)
        parts.append(f'<path class="dots" d="M{at[0]} {at[1]}h0"/>' if look == "dots" else _shape(look, *at))
        parts.append(_words(layer.name, x + 18, y + LINE - 4, "key"))
        x += width
    return parts, y + LINE + GAP


def _dots(layer: Dots, across: Scale, upward: Scale) -> str:
    """All as one line of points with round ends: a tenth of the bytes of circles."""
    places = dict.fromkeys((round(across.place(x)), round(upward.place(y))) for x, y in layer.places)
    return f'<path class="dots" d="{"".join(f"M{x} {y}h0" for x, y in places)}"/>'


def _steps(layer: Steps, across: Scale, upward: Scale) -> str:
    places = [(across.place(x), upward.place(y)) for x, y in layer.places]
    if not places:
        return ""
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for x, y in places[1:]:
        path += f"H{x:.1f}V{y:.1f}"
    return f'<path class="line {layer.look}" d="{path}"/>'


def _marks(layer: Marks, across: Scale, upward: Scale, *, has_hints: bool) -> Iterator[str]:
    for one in layer.marks:
        x, y = across.place(one.x), upward.place(one.y)
        intervals = _interval(one.x - one.x_spread, one.x + one.x_spread, across, f"{{:.1f}} {y:.1f}H{{:.1f}}")
        intervals += _interval(one.y - one.y_spread, one.y + one.y_spread, upward, f"{x:.1f} {{:.1f}}V{{:.1f}}")
        drawn = f'<path class="interval {layer.look}" d="{intervals}"/>' if intervals else ""
        hint = f"<title>{_escaped(one.hint)}</title>" if has_hints and one.hint else ""
        yield f"<g>{hint}{drawn}{_shape(layer.look, x, y)}</g>"


def _interval(low: float, high: float, scale: Scale, path: str) -> str:
    return "M" + path.format(scale.place(low), scale.place(high)) if high > low else ""


def _shape(look: str, x: float, y: float) -> str:
    """The form says as much as the colour, which not everybody sees."""
    if look == "finalist":
        size = RADIUS + 1.5
        return f'<path class="{look}" d="M{x - size:.1f} {y:.1f}l{size} {-size} {size} {size} {-size} {size}z"/>'
    if look == "verified":
        square = f'<rect class="{look}" x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="2"/>'
        return f'{square}<path class="tick-mark" d="M{x - 3:.1f} {y:.1f}l2.2 2.4 4 -4.8"/>'
    return f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'


def _around(mark: Mark, across: Scale, upward: Scale) -> Iterator[_Box]:
    """What the mark and its intervals cover."""
    x, y = across.place(mark.x), upward.place(mark.y)
    yield _Box(left=x - RADIUS, top=y - RADIUS, right=x + RADIUS, bottom=y + RADIUS)
    left, right = across.place(mark.x - mark.x_spread), across.place(mark.x + mark.x_spread)
    top, bottom = upward.place(mark.y + mark.y_spread), upward.place(mark.y - mark.y_spread)
    yield _Box(left=left - TICK, top=y - 1, right=right + TICK, bottom=y + 1)
    yield _Box(left=x - 1, top=top, right=x + 1, bottom=bottom)


def _along(steps: Steps, across: Scale, upward: Scale) -> Iterator[_Box]:
    """What the level parts of a line cover."""
    for (x, y), (next_x, _) in pairwise(steps.places):
        left, right = sorted((across.place(x), across.place(next_x)))
        yield _Box(left=left, top=upward.place(y) - 1, right=right, bottom=upward.place(y) + 1)


def _labels(chart: Chart, across: Scale, upward: Scale, frame: _Box, taken: list[_Box]) -> Iterator[str]:
    """The labels of marks, each where it covers nothing else; one for which there is no room is left out."""
    wanted = [(one.x, one.y, one.label) for layer in chart.layers if isinstance(layer, Marks) for one in layer.marks]
    wanted += [(*layer.places[-1], layer.label) for layer in chart.layers if isinstance(layer, Steps) and layer.places]
    for x, y, text in reversed(wanted):  # the last layers matter most
        if not text:
            continue
        for box in _places_beside(across.place(x), upward.place(y), text):
            if frame.holds(box) and not any(map(box.meets, taken)):
                taken.append(box)
                yield _words(text, box.left, box.bottom - 4, "label")
                break


def _places_beside(x: float, y: float, text: str) -> Iterator[_Box]:
    width, height = BOLD * len(text), 16
    right, left = RADIUS + GAP, -width - RADIUS - GAP
    beside = [(right, -8.0), (left, -8.0), (-width / 2, -26.0), (-width / 2, 10.0)]
    further = [(dx, dy) for dy in (-26.0, 10.0, -44.0, 28.0) for dx in (right, left)]
    for dx, dy in [*beside, *further]:
        yield _Box(left=x + dx, top=y + dy, right=x + dx + width, bottom=y + dy + height)


# --- bars -------------------------------------------------------------------------------------------------------


def _bars(figure: Bars, paper: Paper) -> tuple[int, list[str]]:
    """The height, and the bars with their names above them, so that no name is turned or cut."""
    most = max((value for _, value, _ in figure.bars), default=0.0) or 1.0
    texts = BOLD * max((len(text) for *_, text in figure.bars), default=0) + GAP
    room = max(20.0, paper.width - texts)
    parts = [_words(figure.unit, 0, LINE - 4, "axis")]
    top = LINE + GAP
    for name, value, text in figure.bars:
        width = room * value / most
        look = "bar bad" if figure.is_bad else "bar"
        parts.append(_words(_short(name, paper.width), 0, top + 12, "tick"))
        parts.append(f'<rect class="track" x="0" y="{top + 18}" width="{room:.1f}" height="{BAR}" rx="2"/>')
        parts.append(f'<rect class="{look}" x="0" y="{top + 18}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        parts.append(_words(text, paper.width, top + 18 + BAR, "label end"))
        top += BAR_ROW
    return top + GAP, parts


def _short(name: str, width: float) -> str:
    most = int(width / LETTER)
    return name if len(name) <= most else f"{name[: most - 1]}…"


# --- texts ------------------------------------------------------------------------------------------------------


def _words(text: str, x: float, y: float, kinds: str) -> str:
    return f'<text class="{kinds}" x="{x:.1f}" y="{y:.1f}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    return html.escape(printable(text))
