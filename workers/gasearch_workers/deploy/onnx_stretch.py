"""Bringing few-bit weights into the int8 range: by integers that bring the biases close to their grid."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Largest sum of two products of activation and weight that x86 CPUs without VNNI don't saturate (vpmaddubsw).
PAIR_LIMIT: Final = 2**15 - 1
BIAS_LIMIT: Final = 2**30  #: Largest magnitude of an integer bias: leaves as much room again for the products.


def most_stretch(weight: NDArray[Any], input_bits: int) -> NDArray[np.int64]:
    """Per output channel the largest integer by which its weights may be multiplied: (out,), at least 1.

    They may fill the int8 range, or as much of it as keeps two products with activations of `input_bits` within 16
    bits: ONNX Runtime's kernels saturate there on x86 CPUs without VNNI. Weights of 8 bits on activations of 8 bits are
    left alone; for them `open_session` asks for the slower exact kernels.
    """
    room = min(127, PAIR_LIMIT // (2 * (2**input_bits - 1)))
    largest = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).max(axis=1)  # (out, ...) -> (out,)
    factor: NDArray[np.int64] = np.maximum(room // np.maximum(largest, 1), 1)
    return factor


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
