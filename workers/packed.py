"""The packed file: an integer network at the size that its bits promise (layout: `workers.packed_layout`).

Weights are stored at their own bits in offset form (w + 2**(bits - 1), most significant bit first), scales and biases
as float32.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers import packed_layout as layout
from workers.integer import Grid, IntegerNetwork, IntegerStep
from workers.messages import FULL_PRECISION
from workers.packed_reader import PackedFormatError, unpack
from workers.steps import Shape

__all__ = ["PackedFormatError", "pack", "pack_bits", "unpack"]


def pack(network: IntegerNetwork) -> bytes:
    """The network as bytes; their number is `costs(network.plan).model_bytes`.

    Raises:
        PackedFormatError: if the numbers don't fit the plan (a shape, a range, a grid), or no blueprint gives the plan.
    """
    try:
        packed = _pack(network)
    except struct.error as error:
        raise PackedFormatError(f"a width, kernel or name is too large for the format: {error}") from error
    if unpack(packed).plan != network.plan:
        raise PackedFormatError("the plan's shapes or precisions don't follow from its steps")
    return packed


def pack_bits(integers: NDArray[np.int8], bits: int) -> bytes:
    """Signed integers of that many bits, one after the other; the last byte is padded with zeros."""
    shifted = (integers.astype(np.int16).ravel() + 2 ** (bits - 1)).astype(np.uint8)
    return np.packbits(np.unpackbits(shifted[:, None], axis=1)[:, 8 - bits :]).tobytes()


def _pack(network: IntegerNetwork) -> bytes:
    body = b"".join([_pack_transform(network), *_pack_steps(network)])
    dimensions = network.plan.input_shape
    length = layout.HEADER.size + layout.DIMENSION.size * len(dimensions) + len(body) + layout.CHECKSUM.size
    header = layout.HEADER.pack(
        layout.MAGIC,
        layout.VERSION,
        layout.DTYPES.index(network.input.dtype),
        network.plan.input_bits,
        len(dimensions),
        len(network.steps),
        length,
    )
    content = header + b"".join(map(layout.DIMENSION.pack, dimensions)) + body
    return content + layout.CHECKSUM.pack(zlib.crc32(content))


def _pack_transform(network: IntegerNetwork) -> bytes:
    transform, bits = network.input, network.plan.input_bits
    shape = (layout.transform_features(network.plan),)
    return b"".join(
        [
            _floats(transform.mean, shape, "input mean"),
            _floats(transform.deviation, shape, "input deviation"),
            _grid(transform.grid, bits, "input") if bits != FULL_PRECISION else _no_grid(transform.grid, "input"),
        ]
    )


def _pack_steps(network: IntegerNetwork) -> list[bytes]:
    if tuple(item.step for item in network.steps) != network.plan.steps:
        raise PackedFormatError("the network's steps are not those of its plan")
    numbers = {"input": 0}
    grids = {"input": network.input.grid}
    packed = []
    for item in network.steps:
        step = item.step
        if step.op == "flatten" and item.output_grid != grids[step.inputs[0]]:
            raise PackedFormatError(f"step {step.name!r}: flatten must keep the grid of its input")
        packed.append(_pack_step(item, numbers))
        numbers[step.name] = len(numbers)
        grids[step.name] = item.output_grid
    return packed


def _pack_step(item: IntegerStep, numbers: dict[str, int]) -> bytes:
    step = item.step
    name = step.name.encode("ascii")
    flags = layout.HAS_NORM * step.has_norm | layout.HAS_RELU * step.has_relu | layout.IS_SIGNED * step.is_output_signed
    parts = [layout.STEP.pack(layout.OPS.index(step.op), flags, step.output_bits, len(name)), name]
    parts += [layout.SOURCE.pack(numbers[source]) for source in step.inputs]
    if layout.has_stored_grid(step):
        parts.append(_grid(item.output_grid, step.output_bits, step.name))
    elif step.output_bits == FULL_PRECISION:
        parts.append(_no_grid(item.output_grid, step.name))
    if step.has_weights:
        parts.append(
            layout.WEIGHTED.pack(step.weight_bits, step.kernel, step.stride, step.output_shape[0], step.groups)
        )
        parts.append(_pack_weights(item))
    return b"".join(parts)


def _pack_weights(item: IntegerStep) -> bytes:
    step, out = item.step, (item.step.output_shape[0],)
    bias = _floats(item.bias, out, f"{step.name} bias")
    if step.weight_bits == FULL_PRECISION:
        return _floats(item.weight, step.weight_shape, f"{step.name} weight") + bias
    scale = _floats(item.weight_scale, out, f"{step.name} weight scale")
    weight = item.weight
    if weight is None or weight.dtype != np.int8 or weight.shape != step.weight_shape:
        raise PackedFormatError(
            f"{step.name} weight must be int8 of shape {step.weight_shape}; got {_describe(weight)}"
        )
    half = 2 ** (step.weight_bits - 1)
    low, high = int(weight.min()), int(weight.max())
    if low < -half or high >= half:
        raise PackedFormatError(
            f"{step.name} weight must lie in {-half}..{half - 1} at {step.weight_bits} bits; got {low}..{high}"
        )
    return pack_bits(weight.astype(np.int8, copy=False), step.weight_bits) + scale + bias


def _floats(values: NDArray[Any] | None, shape: Shape, what: str) -> bytes:
    if values is None or values.dtype != np.float32 or values.shape != shape:
        raise PackedFormatError(f"{what} must be float32 of shape {shape}; got {_describe(values)}")
    if not np.isfinite(values).all():
        raise PackedFormatError(
            f"{what} must be finite; {np.count_nonzero(~np.isfinite(values))} of its values are not"
        )
    return values.astype("<f4").tobytes()


def _describe(values: NDArray[Any] | None) -> str:
    return "none" if values is None else f"{values.dtype} of shape {values.shape}"


def _grid(grid: Grid | None, bits: int, name: str) -> bytes:
    if grid is None or grid.bits != bits or not 0 <= grid.zero_point < 2**bits or not 0 < grid.scale < math.inf:
        raise PackedFormatError(f"{name} must have a grid of {bits} bits with a scale above 0; got {grid}")
    return layout.GRID.pack(grid.scale, grid.zero_point)


def _no_grid(grid: Grid | None, name: str) -> bytes:
    if grid is not None:
        raise PackedFormatError(f"{name} is float by its plan and must have no grid; got {grid}")
    return b""
