"""Normalization of raw samples: fitted on the training split, carried along by the exported graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.messages import FULL_PRECISION, InputKind
from gasearch_workers.network.integer import Grid, InputTransform

CHUNK = 1_000  #: Images counted at a time: NumPy widens each byte to eight to count it.
LEAST = 1e-30  #: Deviation that float32 divides by without loss.
TABLE_RANGE = 4.0  #: Standard deviations that the 8-bit grid of a normalized table covers on both sides.


def fit_input(
    x: NDArray[Any], *, input_bits: int, input_kind: InputKind | None = None, categories: int = 0
) -> InputTransform:
    """Normalization of the samples' kind: one mean and deviation for images, one per numeric column of a table.

    Args:
        x: Training samples, as `gasearch_workers.data.dataset.Split` holds them.
        input_bits: The plan's; 32 leaves the input float.
        input_kind: Of the samples; None: images where they are bytes, else a table.
        categories: Of a table: how many of its last columns are codes.
    """
    match input_kind or ("image" if x.dtype == np.uint8 else "table"):
        case "image":
            return _fit_images(x, input_bits)
        case "table" if x.shape[1] > categories:
            return _fit_table(x[:, : x.shape[1] - categories], input_bits)
        case kind:
            nothing = np.zeros(0, dtype=np.float32)
            dtype = "float32" if kind == "table" else "int32"
            return InputTransform(dtype=dtype, mean=nothing, deviation=nothing, grid=None)


def _fit_images(x: NDArray[Any], input_bits: int) -> InputTransform:
    """From the histogram of the bytes, which is exact and needs no float copy of the images."""
    counts = sum(np.bincount(part.reshape(-1), minlength=256) for part in np.array_split(x, -(-len(x) // CHUNK)))
    levels = np.arange(256)
    mean = float(counts @ levels) / x.size
    deviation = (float(counts @ (levels - mean) ** 2) / x.size) ** 0.5 or 1.0
    zero_point = round(mean)
    scale = float(np.float32(1.0 / deviation))
    is_float = input_bits == FULL_PRECISION
    return InputTransform(
        dtype="uint8",
        mean=np.array([mean if is_float else zero_point], dtype=np.float32),
        deviation=np.array([1.0 / scale], dtype=np.float32),
        grid=None if is_float else Grid(scale=scale, zero_point=zero_point, bits=8),
    )


def _fit_table(x: NDArray[Any], input_bits: int) -> InputTransform:
    mean = x.mean(axis=0, dtype=np.float64)  # (count, features) -> (features,)
    deviation = x.std(axis=0, dtype=np.float64)
    deviation[deviation <= np.maximum(LEAST, 1e-6 * np.abs(mean))] = 1.0  # A constant feature carries nothing.
    scale = float(np.float32(TABLE_RANGE / 127))
    return InputTransform(
        dtype="float32",
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        grid=None if input_bits == FULL_PRECISION else Grid(scale=scale, zero_point=128, bits=8),
    )
