"""Texts of others, which may hold anything, and values with their intervals."""

from __future__ import annotations

from gasearch.objectives.units import format_quantity


def printable(text: str) -> str:
    """The text without what XML may not hold: control characters and lone surrogates are spelled out."""
    return "".join(char if char in "\n\t" or char.isprintable() else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return f"\\x{ord(char):02x}" if not char.isspace() else " "


def with_spread(value: float, spread: float | None, metric: str) -> str:
    """A value and half of its interval in the value's unit: "0.0196 ± 0.00078 ms"; the value alone without a spread.

    Args:
        value: In the metric's native unit.
        spread: As well.
        metric: Its name.
    """
    text = format_quantity(value, metric)
    if not spread:
        return text
    number, _, unit = text.partition(" ")
    size = value / float(number) if float(number) else 1.0
    return f"{number} ± {float(f'{spread / size:.2g}'):g} {unit}".rstrip()
