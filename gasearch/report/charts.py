"""Charts as values: what is drawn, with plain texts; `gasearch.report.svg` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Look = Literal[
    "front", "finalist", "verified", "test", "curve"
]  #: What a mark stands for; the style has a colour for each.


#: Whether equal distances are equal differences; equal factors, of values above 0; or equal factors of what is missing
#: to 1, of shares: 0.9 is as far from 0.99 as that from 0.999.
Form = Literal["linear", "log", "shortfall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a chart."""

    title: str
    metric: str = ""  #: Whose values they are, for the units of its ticks; "": plain numbers.
    form: Form = "linear"
    is_from_zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value of interest; its spreads are half of its intervals, 0 where it is exact."""

    x: float
    y: float
    x_spread: float = 0.0
    y_spread: float = 0.0
    label: str = ""  #: Written beside it, if there is room.
    hint: str = ""  #: What is told when it is pointed at; lines.


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Many values that are the background of others."""

    name: str
    places: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Values, each drawn for itself."""

    name: str
    look: Look
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A line in steps: a value holds until the next place."""

    places: tuple[tuple[float, float], ...]
    look: Look = "front"
    label: str = ""  #: Written at its end.


Layer = Dots | Marks | Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Layers between two axes, the first one below the others."""

    title: str
    description: str  #: What can be seen in it, in words.
    across: Axis
    upward: Axis
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Horizontal bars from 0 on, each with its name and its value in words."""

    title: str
    description: str
    unit: str  #: What is measured.
    bars: tuple[tuple[str, float, str], ...]  #: Name, value (at least 0), and the value as text.
    is_bad: bool = False  #: Whether they count what nobody wants.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Values of several things along one axis, a row for each thing."""

    title: str
    description: str
    axis: Axis
    kinds: tuple[tuple[Look, str], ...]  #: Of the values of a row, with what they are.
    rows: tuple[tuple[str, tuple[Mark | None, ...]], ...]  #: Name, and a mark's `x` of each kind; None: not known.


Figure = Chart | Bars | Ranges
