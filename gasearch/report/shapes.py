"""What charts are drawn of, as SVG: papers, words, marks, and what the marks stand for. All texts are escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gasearch.report.text import printable

#: Mean width of a letter of a text, of a digit, and of a letter of a word, in pixels: there is no font to measure here.
LETTER, DIGIT, KEY = 6.4, 7.0, 7.3
BOLD = 8.7  #: That of a bold one in a wide font.
LINE, TICK, MARGIN = 18, 5, 12
GAP = 8  #: Between a text and what it belongs to.
RADIUS = 4.5


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


def words(text: str, x: float, y: float, kinds: str) -> str:
    """A text; `kinds` are the classes that the style has for it.

    Args:
        text: Plain.
        x: In pixels.
        y: As well, of its base line.
        kinds: Such as "tick end".
    """
    return f'<text class="{kinds}" x="{x:.1f}" y="{y:.1f}">{escaped(text)}</text>'


def escaped(text: str) -> str:
    """Plain text as it stands in SVG."""
    return html.escape(printable(text))


def short(text: str, width: float) -> str:
    """As much of a text as fits."""
    most = int(width / LETTER)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shape(look: str, x: float, y: float) -> str:
    """A mark; its form says as much as its colour, which not everybody sees.

    Args:
        look: What it stands for; "dots" is one of a background's.
        x: In pixels.
        y: As well.
    """
    if look == "dots":
        return f'<path class="dots" d="M{x:.1f} {y:.1f}h0"/>'
    if look == "test":
        return f'<path class="{look}" d="M{x:.1f} {y - 6.5:.1f}l6.5 11.5h-13z"/>'
    if look == "finalist":
        size = RADIUS + 1.5
        return f'<path class="{look}" d="M{x - size:.1f} {y:.1f}l{size} {-size} {size} {size} {-size} {size}z"/>'
    if look == "verified":
        square = f'<rect class="{look}" x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" rx="2"/>'
        return f'{square}<path class="tick-mark" d="M{x - 3:.1f} {y:.1f}l2.2 2.4 4 -4.8"/>'
    return f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'


def keys(named: Sequence[tuple[str, str]], width: float) -> tuple[list[str], int]:
    """What each kind of mark stands for, in rows above a chart, and how high that is; nothing for a single kind.

    Args:
        named: Looks and their names.
        width: In pixels, of a row.
    """
    if len(named) < 2:
        return [], 0
    parts, x, y = [], 0.0, 0
    for look, name in named:
        taken = 20 + KEY * len(name) + GAP
        if x and x + taken > width:
            x, y = 0.0, y + LINE
        parts += [shape(look, x + 6, y + LINE - 8), words(name, x + 18, y + LINE - 4, "key")]
        x += taken
    return parts, y + LINE + GAP


def ticks_across(ticks: Sequence[tuple[float, str]], width: float, bottom: float) -> Iterator[str]:
    """Marks and texts below an axis; a text that would meet the one before it is left out.

    Args:
        ticks: Places in pixels, and their texts.
        width: Of the paper.
        bottom: Where the axis is.
    """
    reached = -float(GAP)
    for at, text in ticks:
        half = DIGIT * len(text) / 2
        middle = min(at, width - half)
        yield f'<path class="base" d="M{at:.1f} {bottom}v{TICK}"/>'
        if middle - half > reached + GAP / 2:
            yield words(text, middle, bottom + LINE, "tick middle")
            reached = middle + half
