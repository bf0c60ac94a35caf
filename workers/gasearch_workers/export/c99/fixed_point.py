"""The arithmetic rule of the C file: from exact sums of integers to the next grid by whole numbers alone.

A sum of products is exact in 32 bits. Its real value is sum x ratio + offset, in steps of the output's grid; ratio and
offset become whole numbers, m = ratio x 2**(first + second) and b = offset x 2**second, and the output is

    zero + floor((floor(sum x m / 2**first) + b) / 2**second + 1/2), kept within low..high

with a product of 64 bits. Halves are rounded up, where the fake-quantized network rounds them to even. A sum of tensors
(`add`, `concat`, `position`) takes 32 bits: zero + floor((x1 m1 + x2 m2) / 2**shift + 1/2). Floats, which the last step
gives, are whole numbers of 32 bits times a power of two. So nothing depends on a compiler's or a CPU's floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.network.integer import Grid, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]

LARGEST: Final = 2**31 - 1  #: Of an int32.
MOST_SHIFT: Final = 62  #: Bits by which a product of 64 bits is shifted right, at most.
MOST_MEAN_SHIFT: Final = 40  #: The same of a mean over tokens, whose number is multiplied by 2**shift in 64 bits.
SUM_BITS: Final = 21  #: Of the multipliers of a sum of two tensors: 2 x 255 x 2**21 and a half stay within 31 bits.
MOST_SUM_SHIFT: Final = 29
REAL_BITS: Final = 30  #: Of the whole numbers that stand for the network's outputs.
MOST_REAL_SHIFT: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaling:
    """How sums become integers of a grid, or whole numbers of `unit`; see the module."""

    multipliers: Whole  #: (channels,) or (1,), within 32 bits.
    biases: Whole  #: Of the same shape, within 32 bits.
    first: int  #: 0 to `MOST_SHIFT`.
    second: int  #: 0 to 30.
    zero: int = 0
    low: int = -LARGEST
    high: int = LARGEST
    unit: float = 1.0  #: A power of two; 1 for integers of a grid.

    def apply(self, sums: Whole) -> Whole:
        """The integers of sums (..., channels)."""
        inner = (sums * self.multipliers >> self.first) + self.biases
        half = 1 << self.second >> 1
        return np.asarray(np.clip((inner + half >> self.second) + self.zero, self.low, self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summation:
    """How tensors are brought to a common grid and added; see the module."""

    multipliers: tuple[int, ...]  #: One per tensor, 0 to 2**`SUM_BITS`.
    shift: int  #: 0 to `MOST_SUM_SHIFT`.
    zero: int
    low: int
    high: int

    def apply(self, *values: Whole) -> Whole:
        """The integers of the sum; `values` are those of the tensors minus their zero points."""
        total = sum(value * multiplier for value, multiplier in zip(values, self.multipliers, strict=True))
        whole = (np.asarray(total) + (1 << self.shift >> 1) >> self.shift) + self.zero
        return np.asarray(np.clip(whole, self.low, self.high))


# --- of each step -----------------------------------------------------------------------------------------------


def rescaling(item: IntegerStep, grids: Mapping[str, Grid | None]) -> Rescaling:
    """What follows the sums of a step that multiplies or averages.

    Args:
        item: Any but a summation, an embedding, or one that passes its grid.
        grids: Of all tensors before it.
    """
    step = item.step
    inputs = [grid_of(grids, name) for name in step.inputs if name != CODES]
    ratios = np.array([math.prod(grid.scale for grid in inputs)])
    biases = np.zeros(1) if item.bias is None else item.bias.astype(np.float64)
    if item.weight_scale is not None:
        ratios = ratios * item.weight_scale.astype(np.float64)
    if step.op == "global_pool":
        ratios = ratios / math.prod(step.input_shape[1:])
    if item.output_grid is None:
        return _to_reals(ratios, biases, largest_sums(item, inputs[0]))
    return to_grid(ratios, biases, item)


def summation(item: IntegerStep, grids: Mapping[str, Grid | None], sources: tuple[str, ...]) -> Summation:
    """How tensors, and the table of a `position`, become the step's output.

    Args:
        item: The step.
        grids: Of all tensors before it.
        sources: Names of the tensors.
    """
    scales = [grid_of(grids, name).scale for name in sources]
    if item.weight_scale is not None:
        scales.append(float(item.weight_scale[0]))
    grid, (low, high) = grid_of({item.step.name: item.output_grid}, item.step.name), clamp(item)
    ratios = [scale / grid.scale for scale in scales]
    shift = _shift(max(ratios), SUM_BITS, MOST_SUM_SHIFT)
    multipliers = tuple(round(min(ratio * 2.0**shift, 2.0**SUM_BITS)) for ratio in ratios)
    return Summation(multipliers=multipliers, shift=shift, zero=grid.zero_point, low=low, high=high)


def clamp(item: IntegerStep) -> tuple[int, int]:
    """Smallest and largest integer of a step's output."""
    grid = grid_of({item.step.name: item.output_grid}, item.step.name)
    return grid.zero_point if item.step.has_relu else 0, 2**grid.bits - 1


def grid_of(grids: Mapping[str, Grid | None], name: str) -> Grid:
    """The grid of a tensor.

    Raises:
        ValueError: if it is float.
    """
    grid = grids[name]
    if grid is None:
        raise ValueError(f"the C file computes in integers; {name!r} is float")
    return grid


def table_zero(item: IntegerStep) -> int:
    """What is added to the integers of an embedding's table to give those of its output."""
    assert item.weight_scale is not None
    return weight_grid(item.step, item.weight_scale).zero_point


def largest_sums(item: IntegerStep, source: Grid) -> Reals:
    """The largest magnitude that the sum of each output can reach: (out,)."""
    weight: NDArray[Any] | None = item.weight
    assert weight is not None
    reach = max(source.zero_point, 2**source.bits - 1 - source.zero_point)
    magnitudes: Reals = np.abs(weight.astype(np.float64)).reshape(len(weight), -1).sum(axis=1) * reach
    return magnitudes


# --- whole numbers of ratios --------------------------------------------------------------------------------------


def to_grid(ratios: Reals, biases: Reals, item: IntegerStep) -> Rescaling:
    """From multiples of ratios to a step's output.

    Args:
        ratios: (channels,) or (1,).
        biases: In real values, likewise.
        item: The step.
    """
    grid, (low, high) = grid_of({item.step.name: item.output_grid}, item.step.name), clamp(item)
    ratios, offsets = ratios / grid.scale, biases / grid.scale
    most = MOST_MEAN_SHIFT if item.step.op == "mean_tokens" else MOST_SHIFT
    shift = _shift(float(np.abs(ratios).max()), 31, most)
    second = min(shift, _shift(float(np.abs(offsets).max()), 31, 30))
    return Rescaling(
        multipliers=_whole(ratios, shift),
        biases=_whole(offsets, second),
        first=shift - second,
        second=second,
        zero=grid.zero_point,
        low=low,
        high=high,
    )


def to_steps(ratios: Reals, biases: Reals) -> Rescaling:
    """From multiples of ratios to whole numbers: floor(sum x ratio) + bias."""
    shift = _shift(float(np.abs(ratios).max()), 31, MOST_SHIFT)
    return Rescaling(multipliers=_whole(ratios, shift), biases=_whole(biases, 0), first=shift, second=0)


def _to_reals(ratios: Reals, biases: Reals, sums: Reals) -> Rescaling:
    bound = float((ratios * sums + np.abs(biases)).max())
    # One bit less: multipliers and biases are rounded.
    unit = 2.0 ** -min(REAL_BITS - 1 - math.frexp(bound)[1], MOST_REAL_SHIFT)
    shift = _shift(float(ratios.max()) / unit, 31, MOST_SHIFT)
    multipliers, offsets = _whole(ratios / unit, shift), _whole(biases / unit, 0)
    return Rescaling(multipliers=multipliers, biases=offsets, first=shift, second=0, unit=unit)


def _shift(largest: float, bits: int, most: int) -> int:
    """The largest n, 0 to `most`, for which `largest` x 2**n is below 2**bits."""
    return most if largest == 0 else min(max(bits - math.frexp(largest)[1], 0), most)


def _whole(values: Reals, shift: int) -> Whole:
    """`values` x 2**shift as whole numbers of 32 bits; beyond these, which only dead channels reach, their ends."""
    whole: Whole = np.clip(np.rint(values * 2.0**shift), -LARGEST, LARGEST).astype(np.int64)
    return whole
