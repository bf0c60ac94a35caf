"""Charts with two axes as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from gasearch.report.charts import Axis, Chart, Dots, Look, Mark, Marks, Steps
from gasearch.report.labels import Box, placed
from gasearch.report.scales import Scale
from gasearch.report.shapes import (
    DIGIT,
    GAP,
    LINE,
    RADIUS,
    TICK,
    Paper,
    escaped,
    keys,
    shape,
    short,
    ticks_across,
    words,
)

MOST_SINGLE = 300  #: Marks that are drawn each for itself.


def chart_parts(chart: Chart, paper: Paper) -> Iterator[str]:
    """Axes, layers and labels; it fills the paper."""
    named = [(_look(layer), layer.name) for layer in chart.layers if isinstance(layer, Dots | Marks) and layer.name]
    above, height = keys(named, paper.width)
    values = list(_values(chart))
    top = height + LINE + GAP  # the upward axis has its title above it, where it is read without turning the head
    bottom = paper.height - 2 * LINE - GAP
    upward = Scale.of(chart.upward, [y for _, y in values], (bottom, top))
    ticks = upward.ticks(paper.ticks_upward)
    left = GAP + DIGIT * max(len(text) for _, text in ticks)
    across = Scale.of(chart.across, [x for x, _ in values], (left + GAP, paper.width - 3 * GAP))
    frame = Box(left=left, top=top, right=paper.width - GAP, bottom=bottom)
    yield from above
    yield words(short(axis_title(chart.upward), paper.width), 0, height + LINE - 4, "axis")
    for at, text in ticks:
        yield f'<path class="grid" d="M{left:.1f} {at:.1f}H{frame.right}"/>'
        yield words(text, left - GAP, at + 4, "tick end")
    yield f'<path class="base" d="M{left:.1f} {bottom}H{frame.right}"/>'
    yield from ticks_across(across.ticks(paper.ticks_across), paper.width, bottom)
    yield words(short(axis_title(chart.across), paper.width), frame.right, paper.height - 4, "axis end")
    taken: list[Box] = []
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
    for text, box in placed(_wanted(chart, across, upward), frame, taken):
        yield words(text, box.left, box.bottom - 4, "label")


def axis_title(axis: Axis) -> str:
    """What it is, and how it is drawn."""
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
    """The first ones each for itself; of very many the others as one line, which takes a tenth of the bytes."""
    for one in layer.marks[:MOST_SINGLE]:
        drawn = _intervals([one], layer.look, across, upward)
        hint = f"<title>{escaped(one.hint)}</title>" if has_hints and one.hint else ""
        yield f"<g>{hint}{drawn}{shape(layer.look, across.place(one.x), upward.place(one.y))}</g>"
    others = layer.marks[MOST_SINGLE:]
    if others:
        yield _intervals(others, layer.look, across, upward)
        places = dict.fromkeys((round(across.place(one.x)), round(upward.place(one.y))) for one in others)
        yield f'<path class="many" d="{"".join(f"M{x} {y}h0" for x, y in places)}"/>'


def _intervals(marks: Sequence[Mark], look: Look, across: Scale, upward: Scale) -> str:
    path = ""
    for one in marks:
        x, y = across.place(one.x), upward.place(one.y)
        path += _interval(one.x - one.x_spread, one.x + one.x_spread, across, f"{{:.1f}} {y:.1f}H{{:.1f}}")
        path += _interval(one.y - one.y_spread, one.y + one.y_spread, upward, f"{x:.1f} {{:.1f}}V{{:.1f}}")
    return f'<path class="interval {look}" d="{path}"/>' if path else ""


def _interval(low: float, high: float, scale: Scale, path: str) -> str:
    return "M" + path.format(scale.place(low), scale.place(high)) if high > low else ""


def _around(mark: Mark, across: Scale, upward: Scale) -> Iterator[Box]:
    """What the mark and its intervals cover."""
    x, y = across.place(mark.x), upward.place(mark.y)
    yield Box(left=x - RADIUS, top=y - RADIUS, right=x + RADIUS, bottom=y + RADIUS)
    left, right = across.place(mark.x - mark.x_spread), across.place(mark.x + mark.x_spread)
    top, bottom = upward.place(mark.y + mark.y_spread), upward.place(mark.y - mark.y_spread)
    yield Box(left=left - TICK, top=y - 1, right=right + TICK, bottom=y + 1)
    yield Box(left=x - 1, top=top, right=x + 1, bottom=bottom)


def _along(steps: Steps, across: Scale, upward: Scale) -> Iterator[Box]:
    """What the level parts of a line cover."""
    for (x, y), (next_x, _) in pairwise(steps.places):
        left, right = sorted((across.place(x), across.place(next_x)))
        yield Box(left=left, top=upward.place(y) - 1, right=right, bottom=upward.place(y) + 1)


def _wanted(chart: Chart, across: Scale, upward: Scale) -> Iterator[tuple[float, float, str]]:
    """The labels with their places, those of the last layers first, which matter most."""
    for layer in reversed(chart.layers):
        match layer:
            case Marks(marks=marks):
                yield from ((across.place(one.x), upward.place(one.y), one.label) for one in marks if one.label)
            case Steps(places=places, label=label) if places and label:
                yield across.place(places[-1][0]), upward.place(places[-1][1]), label


def _look(layer: Dots | Marks) -> str:
    return "dots" if isinstance(layer, Dots) else layer.look
