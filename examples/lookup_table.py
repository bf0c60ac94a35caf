"""A custom evaluator: the sigmoid function on [-8, 8] as a lookup table of integers, in the standard library alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

LIMIT = 8.0  #: Beyond it the sigmoid is flat to within 0.0004.
PROBES = 801  #: Points at which the error is measured.


def evaluate(
    choices: dict[str, Any], budget: object, report: Callable[[int, Mapping[str, float]], None]
) -> dict[str, float]:
    """The greatest error of the table, its size, and the integer operations of one lookup."""
    error = max(abs(approximate(x, choices) - sigmoid(x)) for x in probes())
    is_linear = choices["lookup"] == "linear"
    bits = choices["entries"] * (choices["value_bits"] + (choices["slope_bits"] if is_linear else 0))
    return {
        "error": error,
        "table_bytes": math.ceil(bits / 8),
        "operations": 2 + (2 if is_linear else 0) + (2 if choices["uses_symmetry"] else 0),
    }


def approximate(x: float, choices: dict[str, Any]) -> float:
    """The table's value at x: the entry of the cell that x lies in, on its slope where there is one."""
    if choices["uses_symmetry"] and x < 0:
        return 1.0 - approximate(-x, choices)
    start = 0.0 if choices["uses_symmetry"] else -LIMIT
    step: float = (LIMIT - start) / choices["entries"]
    cell = min(int((x - start) / step), choices["entries"] - 1)
    left, right = start + cell * step, start + (cell + 1) * step
    if choices["lookup"] == "nearest":
        return rounded((sigmoid(left) + sigmoid(right)) / 2, choices["value_bits"])
    rise = rounded(sigmoid(right) - sigmoid(left), choices["slope_bits"])
    return rounded(sigmoid(left), choices["value_bits"]) + rise * (x - left) / step


def rounded(value: float, bits: int) -> float:
    """A value of 0..1 on a grid of that many bits."""
    steps = (1 << bits) - 1
    return round(value * steps) / steps


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x))


def probes() -> list[float]:
    """Points that fill [-8, 8] evenly."""
    return [-LIMIT + 2 * LIMIT * number / (PROBES - 1) for number in range(PROBES)]
