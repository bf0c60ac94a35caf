"""Bringing few-bit weights into the int8 range: by integers that bring the biases close to their grid."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.network.steps import PAIR_LIMIT, largest_weight

#: Configuration of an ONNX Runtime session, by which x86 CPUs without VNNI add products in 32 bits, and are slower.
EXACT_KERNELS: Final = {"session.x64quantprecision": "1"}
BIAS_LIMIT: Final = 2**30  #: Largest magnitude of an integer bias: leaves as much room again for the products.


def most_stretch(weight: NDArray[Any], input_bits: int) -> NDArray[np.int64]:
    """Per output channel the largest integer by which its weights may be multiplied: (out,), at least 1.

    They may fill as much of the int8 range as keeps two products with activations of `input_bits` within 16 bits (see
    `steps.largest_weight`). Weights that are larger already are left alone.
    """
    room = largest_weight(input_bits)
    largest = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).max(axis=1)  # (out, ...) -> (out,)
    factor: NDArray[np.int64] = np.maximum(room // np.maximum(largest, 1), 1)
    return factor


def may_saturate(weight: NDArray[Any], input_bits: int) -> bool:
    """Whether products of two weights (out, ...) of an output with activations of `input_bits` can pass 16 bits."""
    rows = weight.reshape(len(weight), -1).astype(np.int64)  # (out, ...) -> (out, in)
    rows = np.pad(rows, ((0, 0), (0, 2)))  # a product may stand alone
    highest = 2**input_bits - 1
    up, down = -np.partition(-rows, 1)[:, :2], np.partition(rows, 1)[:, :2]
    return bool((up.sum(axis=1) * highest > PAIR_LIMIT).any() or (down.sum(axis=1) * highest < -PAIR_LIMIT - 1).any())


def stretch(
    weight: NDArray[Any], scale: NDArray[np.float64], bias_steps: NDArray[np.float64], input_bits: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Stretched integer weights and their scales (out,), coarser where the bias would not fit int32 otherwise.

    That happens in channels whose normalization has (nearly) died: there the bias is all that counts.

    Args:
        weight: Integers (out, ...).
        scale: Their scales (out,).
        bias_steps: Biases divided by the input's scale, (out,).
        input_bits: Precision of the input.
    """
    factor = _best_factors(bias_steps / scale, most_stretch(weight, input_bits))
    fine = np.maximum(scale / factor, np.abs(bias_steps) / BIAS_LIMIT)
    ratio = (scale / fine).reshape(-1, *[1] * (weight.ndim - 1))  # whole numbers, save in coarsened channels
    return np.rint(weight * ratio).astype(np.int8), fine.astype(np.float32)


def _best_factors(biases: NDArray[np.float64], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per channel the factor k, 1..most, for which bias x k lies nearest to an integer, relative to k: (out,).

    The best rational approximation of the bias: about a hundredth of the error that the largest factor leaves.
    """
    factors = np.arange(1, most.max() + 1)  # (K,)
    error = np.abs(biases[:, None] - np.rint(biases[:, None] * factors) / factors)  # (out, K)
    error[factors > most[:, None]] = np.inf
    best: NDArray[np.int64] = error.argmin(axis=1) + 1
    return best
