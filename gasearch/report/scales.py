"""From values to places along an axis, and the round values that are marked there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gasearch.objectives.metrics import metric_named
from gasearch.objectives.units import format_quantity
from gasearch.report.charts import Axis

ROOM = 0.05  #: Of the span, left free at both ends.
FEWEST_TICKS = 3
THOUSANDS = ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "K"))  #: From which value on, what is one, and its letter.
TINY = 1e-12  #: What is left of 0 after rounding.
FACTORS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))  #: Of the powers of ten that a logarithmic axis marks, if they fit.


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis with its range and its place on the paper."""

    axis: Axis
    low: float  #: In values, or as their logarithms.
    high: float
    start: float  #: In pixels, of `low`.
    end: float
    is_whole: bool  #: Whether all values are whole numbers: then ticks are, too.
    least_gap: float  #: Of what is missing to 1: a share of 1 is drawn as if it missed half as much as the best other.

    @classmethod
    def of(cls, axis: Axis, values: Sequence[float], ends: tuple[float, float]) -> Scale:
        """The scale on which all values have a place.

        Args:
            axis: Which kind of scale.
            values: Finite; above 0 if the axis is logarithmic, at most 1 if it shows what is missing to that.
            ends: In pixels, where it begins and ends.
        """
        gap = min((1 - value for value in values if value < 1), default=0.01) / 2
        shown = [_position(value, axis, gap) for value in values] or [0.0, 1.0]
        low, high = min(shown), max(shown)
        room = ROOM * (high - low) or (0.1 * abs(high) or 1.0 if axis.form == "linear" else 0.3)
        low = min(0.0, low) if axis.is_from_zero else low - room
        is_whole = all(float(value).is_integer() for value in values)
        return cls(axis=axis, low=low, high=high + room, start=ends[0], end=ends[1], is_whole=is_whole, least_gap=gap)

    def place(self, value: float) -> float:
        """Where the value lies, in pixels; what lies outside the range is at its end."""
        position = min(max(_position(value, self.axis, self.least_gap), self.low), self.high)
        return self.start + (position - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most so many round values as places and texts, at least 3 where that many fit."""
        match self.axis.form:
            case "log":
                values = _powers(self.low, self.high, most)
                ends = 10**self.low, 10**self.high
            case "shortfall":
                values = _shares(self.low, self.high, most)
                ends = 1 - 10**-self.low, 1 - 10**-self.high
            case "linear":
                values, ends = [], (self.low, self.high)
        if len(values) < FEWEST_TICKS:
            values = list(_round_values(*ends, most, least=1.0 if self.is_whole else 0.0))
        return [(self.place(value), _text(value, self.axis.metric)) for value in values]


def _position(value: float, axis: Axis, least_gap: float) -> float:
    """What is drawn evenly."""
    match axis.form:
        case "log":
            return math.log10(value) if value > 0 else -math.inf
        case "shortfall":
            return -math.log10(max(1 - value, least_gap))
        case "linear":
            return float(value)


def _round_values(low: float, high: float, most: int, *, least: float) -> Iterator[float]:
    """Multiples of 1, 2 or 5 times a power of ten that is at least `least`."""
    rough = max((high - low) / most, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    yield from (number * step for number in range(first, last + 1))


def _powers(low: float, high: float, most: int) -> list[float]:
    """Powers of ten with what lies between them, as many as fit; of very many every n-th."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = [
        [factor * 10.0**power for power in powers for factor in factors if low <= math.log10(factor) + power <= high]
        for factors in FACTORS
    ]
    fitting = next((found for found in every if len(found) <= most), [])
    if len(fitting) >= FEWEST_TICKS:
        return fitting
    dense = min((found for found in every if len(found) > most), key=len, default=fitting)
    return dense[:: -(-len(dense) // most) or 1]


def _shares(low: float, high: float, most: int) -> list[float]:
    """Shares at which 1, 2 or 5 of a power of ten are missing to 1: 0.8, 0.9, 0.95."""
    return [1 - gap for gap in reversed(_powers(-high, -low, most))]


def _text(value: float, metric: str) -> str:
    """A value at a tick, with its unit: "20 KB", "0.95", "1.5 M"."""
    if metric and metric_named(metric).dimension in ("bytes", "time", "energy", "count"):
        return format_quantity(value, metric)
    for least, size, letter in THOUSANDS:
        if abs(value) >= least:
            return f"{value / size:.4g} {letter}"
    return f"{value:.6g}" if abs(value) > TINY else "0"
