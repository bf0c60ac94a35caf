"""Few-bit weights and their biases as int8 and int32, such that kernels round sums as the network means it.

A kernel adds products and an int32 bias, and brings the sum to the output's grid: LiteRT's by one rounding, those of
TFLite Micro and CMSIS-NN by two. Where weights have few bits sums are small numbers, so the bias is coarse, and the
second rounding costs up to a quarter of a step: in a network of 2-bit separable convolutions one of twenty predictions
was another. But then sums are rare, too: multiplied by a factor they lie that far apart, and the bias may be chosen in
between. Of all factors within the int8 range, and of the biases near the true one, that pair is taken by which most
boundaries between two integers of the output lie where they belong, for both kinds of kernels.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_stretch import BIAS_LIMIT, stretch
from gasearch_workers.network.integer import Grid

LARGEST: Final = 127  #: Of a weight: kernels for ARM add two products in 16 bits, and -128 x -128 twice is too large.
OFFSETS: Final = np.arange(-2, 2)  #: Of the bias from the nearest integer; the second rounding moves sums by 1 at most.

Reals = NDArray[np.float64]


def round_weights(
    weight: NDArray[Any], scale: Reals, bias_steps: Reals, source: Grid, output: Grid
) -> tuple[NDArray[np.int8], Reals, NDArray[np.int32]]:
    """Integer weights (out, ...), their scales (out,), and biases (out,) in steps of input scale x weight scale.

    Args:
        weight: Integers (out, ...).
        scale: Their scales (out,).
        bias_steps: Biases divided by the input's scale, (out,).
        source: Grid of the input.
        output: Grid of the output.
    """
    weight = limited(weight)
    integers, stretched = stretch(weight, scale, bias_steps, source.bits)
    fine = stretched.astype(np.float64)
    biases = np.rint(bias_steps / fine)
    lows, highs = sum_ranges(weight, source)
    for channel, row in enumerate(weight.astype(np.int64)):
        unit = int(np.gcd.reduce(row, axis=None)) or 1  # sums are multiples of it
        most, coarse = LARGEST // max(int(np.abs(row).max()) // unit, 1), scale[channel] * unit
        if abs(bias_steps[channel] / coarse) * most > BIAS_LIMIT:
            continue  # its normalization has died, and only the bias counts
        sums = lows[channel] // unit, highs[channel] // unit
        ratio, bias = source.scale * coarse / output.scale, bias_steps[channel] / coarse
        factor, biases[channel] = _best(ratio, bias, most, sums, output)
        integers[channel] = row // unit * factor
        fine[channel] = coarse / factor
    return integers, fine, biases.astype(np.int32)


def limited(weight: NDArray[Any]) -> NDArray[Any]:
    """Weights within ±`LARGEST`; only with `recipe.full_range` are any beyond."""
    return np.asarray(np.maximum(weight, -LARGEST))


def sum_ranges(weight: NDArray[Any], source: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the greatest sum of products with any inputs on the grid, for each output: (out, ...) -> (out,)."""
    ends = np.array([-source.zero_point, 2**source.bits - 1 - source.zero_point])
    products = weight.reshape(len(weight), -1, 1).astype(np.int64) * ends  # (out, in, 2)
    return products.min(axis=2).sum(axis=1), products.max(axis=2).sum(axis=1)


def round_once(sums: Reals, ratio: Reals) -> Reals:
    """What LiteRT's kernels make of sums: the nearest integer."""
    return np.asarray(np.rint(sums * ratio))


def round_twice(sums: Reals, ratio: Reals) -> Reals:
    """What TFLite Micro's kernels make of them: first in steps of 1 to 2 sums, then in the output's, halves outward."""
    fraction, exponent = np.frexp(ratio)
    left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
    first = np.floor(sums * 2.0**left * (np.rint(fraction * 2**31) / 2**31) + 0.5)
    return np.asarray(np.sign(first) * np.floor(np.abs(first) / 2.0**right + 0.5))


def _best(ratio: float, bias: float, most: int, sums: tuple[int, int], output: Grid) -> tuple[int, float]:
    """A channel's factor, and its bias times that factor as a whole number.

    Args:
        ratio: Steps of the output in one sum.
        bias: Which is added to sums.
        most: The largest factor.
        sums: The least and the greatest sum.
        output: Grid of the output.
    """
    steps = np.arange(-output.zero_point, 2**output.bits - 1 - output.zero_point)  # each with a boundary above it
    firsts = np.ceil((steps + 0.5) / ratio - bias)  # the first sum that lies beyond the boundary
    is_met = (firsts > sums[0]) & (firsts <= sums[1])
    steps, firsts = steps[is_met], firsts[is_met]
    factors = np.arange((most + 1) // 2, most + 1)  # (K,)
    biases = np.rint(bias * factors)[:, None] + OFFSETS  # (K, O)
    above = factors[:, None, None] * firsts + biases[:, :, None]  # (K, O, T)
    below = above - factors[:, None, None]
    misses = np.abs(biases / factors[:, None] - bias) / (1 + np.abs(OFFSETS).max())  # below 1: decides between equals
    for rounded in (round_once, round_twice):
        each = (ratio / factors)[:, None, None]
        misses += ((rounded(above, each) <= steps) | (rounded(below, each) > steps)).sum(axis=2)
    place, offset = np.unravel_index(misses.argmin(), misses.shape)
    return int(factors[place]), float(biases[place, offset])
