"""Figures as SVG: what `gasearch.query.figures` draws for Plotly, in a few kilobytes and without a script.

Texts of a figure are escaped already, as Plotly reads them as HTML; line breaks in hover texts are theirs too.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gasearch.query.figures import BLUE, GREY, Figure

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 55
NAMES = 70  #: Further below where an axis has names, which are written aslant.
LONGEST_NAME = 24
TICKS = 6  #: About so many on an axis.
MOST_HINTS = 500  #: Markers of a trace that say more when they are pointed at: each takes some 400 bytes.
SHADES = ("#fde725", "#5ec962", "#21918c", "#3b528b", "#440154")  #: Viridis, from the least to the greatest value.

Place = Callable[[Any], float]  #: From a value to pixels.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    place: Place
    ticks: Sequence[tuple[float, str]]  #: In pixels, with their texts.
    title: str
    has_names: bool = False


def svg(figure: Figure) -> str:
    """The figure as an `svg` element, which is well-formed XML and refers to nothing."""
    traces, layout = figure["data"], figure["layout"]
    across = _axis(layout["xaxis"], [trace["x"] for trace in traces], (LEFT, WIDTH - RIGHT))
    upward = _axis(layout["yaxis"], [trace["y"] for trace in traces], (HEIGHT - BOTTOM, TOP))
    title = layout["title"]["text"]
    height = HEIGHT + NAMES * across.has_names
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif" '
        f'font-size="11"><title>{title}</title>',
        f'<text x="{LEFT}" y="16" font-size="14">{title}</text>',
        *_frame(across, upward),
        *_legend(traces, layout),
    ]
    for trace in traces:
        parts += _bars(trace, across, upward) if trace["type"] == "bar" else _scatter(trace, across, upward)
    return "\n".join([*parts, "</svg>"])


# --- axes -------------------------------------------------------------------------------------------------------


def _axis(layout: dict[str, Any], columns: Sequence[Sequence[Any]], ends: tuple[float, float]) -> _Axis:
    title = layout.get("title", {}).get("text", "")
    values = [value for column in columns for value in column]
    if layout.get("type") == "category":
        names = list(dict.fromkeys(values))
        step = (ends[1] - ends[0]) / max(1, len(names))
        middles = {name: ends[0] + (number + 0.5) * step for number, name in enumerate(names)}
        return _Axis(
            place=middles.__getitem__, ticks=[(at, name) for name, at in middles.items()], title=title, has_names=True
        )
    is_log = layout.get("type") == "log"
    low, high = _range(values, is_log=is_log, from_zero=layout.get("rangemode") == "tozero")

    def place(value: float) -> float:
        share = ((math.log10(value) if is_log else value) - low) / (high - low)
        return ends[0] + share * (ends[1] - ends[0])

    marks = _powers(low, high) if is_log else _steps(low, high)
    return _Axis(place=place, ticks=[(place(mark), _short(mark)) for mark in marks], title=title)


def _range(values: Sequence[float], *, is_log: bool, from_zero: bool) -> tuple[float, float]:
    """The least and the greatest value to show, with some room around; of a logarithmic axis as powers of ten."""
    shown = [math.log10(value) if is_log else float(value) for value in values] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    room = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    low = min(0.0, low) if from_zero else low - room
    return low, high + room


def _steps(low: float, high: float) -> Iterator[float]:
    """Round numbers between two, evenly."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    number = math.ceil(low / step)
    while number * step <= high:
        yield number * step
        number += 1


def _powers(low: float, high: float) -> Iterator[float]:
    """1, 2 and 5 times the powers of ten; the powers alone where they are many."""
    factors = (1,) if high - low > TICKS / 2 else (1, 2, 5)
    for power in range(math.floor(low), math.ceil(high) + 1):
        yield from (factor * 10.0**power for factor in factors if low <= math.log10(factor) + power <= high)


def _short(value: float) -> str:
    """A number on an axis: "20k", "0.005"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def _frame(across: _Axis, upward: _Axis) -> Iterator[str]:
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    for at, text in upward.ticks:
        yield f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#e5e8ec"/>'
        yield f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
    for at, text in across.ticks:
        yield f'<path d="M{at:.1f} {bottom}v4" stroke="{GREY}"/>'
        yield _name(text, at, bottom + 12) if across.has_names else _centred(text, at, bottom + 16)
    yield f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="{GREY}"/>'
    yield _centred(across.title, (LEFT + WIDTH - RIGHT) / 2, bottom + 32)
    turned = f'transform="rotate(-90 14 {middle})"'
    yield f'<text x="14" y="{middle}" text-anchor="middle" {turned}>{upward.title}</text>'


def _centred(text: str, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'


def _name(text: str, x: float, y: float) -> str:
    """A name below an axis, aslant; a long one is cut."""
    name = html.unescape(text)
    shown = html.escape(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="end" transform="rotate(-35 {x:.1f} {y:.1f})">{shown}</text>'


def _legend(traces: Sequence[Figure], layout: Figure) -> Iterator[str]:
    named = [trace for trace in traces if trace.get("name") and trace["x"]]
    if len(named) < 2 or layout.get("showlegend") is False:
        return
    x, y = LEFT, HEIGHT - 8
    for trace in named:
        text = trace["name"]
        marker = trace.get("marker", {})
        colour = marker.get("color", trace.get("line", {}).get("color", GREY))
        if "colorbar" in marker and marker["color"]:
            text += f", the darker the more {marker['colorbar']['title']['text']}"
        yield f'<circle cx="{x + 4}" cy="{y - 4}" r="4" fill="{colour if isinstance(colour, str) else SHADES[2]}"/>'
        yield f'<text x="{x + 12}" y="{y}">{text}</text>'
        x += 30 + 6 * len(text)


# --- traces -----------------------------------------------------------------------------------------------------


def _bars(trace: Figure, across: _Axis, upward: _Axis) -> Iterator[str]:
    width = min(60.0, 0.7 * (WIDTH - LEFT - RIGHT) / max(1, len(trace["x"])))
    zero = upward.place(0.0)
    for name, value in zip(trace["x"], trace["y"], strict=True):
        at, top = across.place(name), upward.place(value)
        yield (
            f'<rect x="{at - width / 2:.1f}" y="{min(top, zero):.1f}" width="{width:.1f}" '
            f'height="{abs(zero - top):.1f}" fill="{trace["marker"]["color"]}">'
            f"<title>{name}: {value:.4g}</title></rect>"
        )


def _scatter(trace: Figure, across: _Axis, upward: _Axis) -> Iterator[str]:
    points = [(across.place(x), upward.place(y)) for x, y in zip(trace["x"], trace["y"], strict=True)]
    if "lines" in trace["mode"] and points:
        yield _line(points, trace.get("line", {}))
    if "markers" not in trace["mode"]:
        return
    yield from _error_bars(trace, across, upward)
    marker = trace.get("marker", {})
    colours, radius = _colours(marker, len(points)), marker.get("size", 6) / 2
    texts = trace.get("text") or []
    for number, ((x, y), colour) in enumerate(zip(points, colours, strict=True)):
        hint = texts[number].replace("<br>", "\n") if number < min(len(texts), MOST_HINTS) else ""
        if "x" in marker.get("symbol", ""):
            yield f'<path d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6" stroke="{colour}"><title>{hint}</title></path>'
        else:
            title = f"<title>{hint}</title>" if hint else ""
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}">{title}</circle>'


def _line(points: Sequence[tuple[float, float]], line: dict[str, Any]) -> str:
    is_stepped = line.get("shape") == "hv"
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for x, y in points[1:]:
        path += f"H{x:.1f}V{y:.1f}" if is_stepped else f"L{x:.1f} {y:.1f}"
    dashed = ' stroke-dasharray="3 3"' if line.get("dash") else ""
    return f'<path d="{path}" fill="none" stroke="{line.get("color", BLUE)}"{dashed}/>'


def _error_bars(trace: Figure, across: _Axis, upward: _Axis) -> Iterator[str]:
    none = {"array": [0.0] * len(trace["x"])}
    widths = zip(trace.get("error_x", none)["array"], trace.get("error_y", none)["array"], strict=True)
    for x, y, (wide, high) in zip(trace["x"], trace["y"], widths, strict=True):
        if wide and x > wide:
            yield _segment(across.place(x - wide), upward.place(y), across.place(x + wide), upward.place(y))
        if high:
            yield _segment(across.place(x), upward.place(y - high), across.place(x), upward.place(y + high))


def _segment(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="{BLUE}"/>'


def _colours(marker: dict[str, Any], count: int) -> list[str]:
    """A colour for each marker: a name, one for all, or a shade for a number."""
    colour = marker.get("color", BLUE)
    if isinstance(colour, str):
        return [colour] * count
    if any(isinstance(one, str) for one in colour):
        return [html.escape(one) for one in colour]
    low, high = min(colour, default=0.0), max(colour, default=1.0)
    return [SHADES[round((len(SHADES) - 1) * (one - low) / ((high - low) or 1.0))] for one in colour]
