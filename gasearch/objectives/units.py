"""Quantities with units, as people write them ("64 KB", "2 ms", "5M") and as they read them."""

from __future__ import annotations

import difflib
import math
import re
from fractions import Fraction
from functools import cache
from typing import Final

from gasearch.errors import SpecError
from gasearch.objectives.metrics import METRICS, Dimension, Metric, metric_named

_PERCENT: Final = {"%": Fraction(1, 100)}
_COUNTS: Final = {name: Fraction(10**power) for name, power in (("K", 3), ("M", 6), ("G", 9), ("T", 12))}

#: Units per dimension in plain numbers, bytes, seconds and joules; exact, so that 3 us is 0.003 ms to the last bit.
_UNITS: Final[dict[Dimension, dict[str, Fraction]]] = {
    "share": _PERCENT,
    "number": _PERCENT | _COUNTS,
    "count": _COUNTS,
    "bytes": {
        "B": Fraction(1),
        **{f"{name}B": size for name, size in _COUNTS.items()},
        **{f"{name}iB": Fraction(1024**power) for name, power in (("K", 1), ("M", 2), ("G", 3))},
    },
    "time": {
        "us": Fraction(1, 10**6),
        "ms": Fraction(1, 1000),
        "s": Fraction(1),
        "min": Fraction(60),
        "h": Fraction(3600),
    },
    "energy": {
        "nJ": Fraction(1, 10**9),
        "uJ": Fraction(1, 10**6),
        "mJ": Fraction(1, 1000),
        "J": Fraction(1),
        "kJ": Fraction(1000),
        "Wh": Fraction(3600),
    },
}

#: The units that people are shown, ascending; no unit at all is that of small counts.
_SHOWN: Final[dict[Dimension, tuple[str, ...]]] = {
    "count": ("", "K", "M", "G", "T"),
    "bytes": ("B", "KB", "MB", "GB", "TB"),
    "time": ("us", "ms", "s", "min", "h"),
    "energy": ("nJ", "uJ", "mJ", "J", "kJ"),
}

_NOUNS: Final[dict[Dimension, str]] = {
    "share": "a share from 0 to 1",
    "number": "a number",
    "count": "a count",
    "bytes": "a size in bytes",
    "time": "a time",
    "energy": "an energy",
}

_QUANTITY: Final = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*([A-Za-z%]*)")
_MAX_LENGTH: Final = 60  #: Characters of a quantity; keeps the exact arithmetic cheap.
_SMALL: Final = 1e-3  #: Below this share of its native unit a value is shown in a smaller one.


def parse_quantity(text: str, *, metric: str) -> float:
    """Read a quantity of a metric: a number in its native unit, or a number with a unit of its dimension.

    KB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024; case matters.

    Returns:
        The value in the metric's native unit (bytes; ms for `latency_ms`, s for `train_seconds`; 0..1 for shares).

    Raises:
        SpecError: for what is no number, a unit of another dimension, or a value that the metric can't have.
    """
    known = metric_named(metric)
    text = text.strip()
    found = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        raise SpecError(f"{metric} is {_expected(known)}; got {text[:_MAX_LENGTH]!r}")
    number, unit = found.groups()
    exact = Fraction(number) * _factor(unit, known, text)
    value = float(exact) if abs(exact) < 10**300 else math.inf
    if not known.lowest <= value <= known.highest or math.isinf(value):
        raise SpecError(f"{metric} {_range_of(known)}; got {text!r}")
    return value


def format_quantity(value: float, metric: str, *, digits: int = 3) -> str:
    """A metric's value for people: "12.3 KB", "0.41 ms", "1.2 M"; shares always as "0.9712".

    Args:
        value: In the metric's native unit, finite.
        metric: Its name.
        digits: Significant digits, at least 3.
    """
    known = metric_named(metric)
    match known.dimension:
        case "share":
            return f"{value:.4f}"
        case "number":
            return f"{value:.{max(digits, 4)}g}"
        case "count" if abs(value) < 10_000 and value == int(value):
            return f"{value:.0f}"
        case _:
            return _scaled(value, known, digits)


def _scaled(value: float, metric: Metric, digits: int) -> str:
    """The value in the greatest unit of which it holds at least one."""
    units = _shown_units(metric.dimension, metric.unit, value == 0 or abs(value) >= _SMALL)
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # lest 999.6 B become "1000 B"
    chosen, size = units[0]
    for name, larger in units[1:]:
        if rounded >= larger:
            chosen, size = name, larger
    amount = value / size
    text = f"{amount:.{digits}g}"
    return f"{f'{amount:.0f}' if 'e+' in text else text} {chosen}".rstrip()


@cache
def _shown_units(dimension: Dimension, native: str, is_native_least: bool) -> list[tuple[str, float]]:
    """The units that people are shown, ascending, with their sizes in the native one."""
    names = _SHOWN[dimension]
    shown = names[names.index(native) :] if is_native_least else names
    return [(name, float(_size(name, dimension) / _size(native, dimension))) for name in shown]


def _factor(unit: str, metric: Metric, text: str) -> Fraction:
    """What a number with that unit is multiplied by to be in the metric's native unit."""
    if not unit:
        return Fraction(1)
    units = _UNITS[metric.dimension]
    if unit in units:
        return units[unit] / _native(metric)
    alike = [name for name in units if name.lower() == unit.lower()]
    if alike:
        raise SpecError(f"{metric.name}: unknown unit {unit!r} in {text!r}; did you mean {alike[0]}?")
    meant = [] if metric.name in METRICS else difflib.get_close_matches(metric.name, METRICS, n=1)
    hint = f"; did you mean the metric {meant[0]}?" if meant else ""  # else one of an evaluator's own
    raise SpecError(f"{metric.name} is {_expected(metric)}; got {text!r}{hint}")


def _native(metric: Metric) -> Fraction:
    return _size(metric.unit, metric.dimension)


def _size(unit: str, dimension: Dimension) -> Fraction:
    return _UNITS[dimension][unit] if unit else Fraction(1)


def _expected(metric: Metric) -> str:
    units = ", ".join(_UNITS[metric.dimension])
    plain = f"; {metric.unit} where no unit is given" if metric.unit else ", or none"
    return f"{_NOUNS[metric.dimension]} (units: {units}{plain})"


def _range_of(metric: Metric) -> str:
    if math.isfinite(metric.highest):
        hint = "; 98 percent is 0.98 or 98 %" if metric.lowest == 0 else ""
        return f"lies between {metric.lowest:g} and {metric.highest:g}{hint}"
    return "is a finite number, at least 0" if metric.lowest == 0 else "is a finite number"
