"""The packed file: an integer network at the size that its bits promise (layout: `deploy.packed_layout`).

Weights are stored at their own bits in offset form (w + 2**(bits - 1), most significant bit first; binary ones -1 and 1
as 0 and 1), scales and biases as float32.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.packed_reader import unpack
from gasearch_workers.export.packed_steps import PackedFormatError
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.integer import Grid, IntegerNetwork, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, INPUT, Plan, Shape, Step

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
    """Signed integers of that many bits, one after the other; the last byte is padded with zeros.

    At 1 bit they are -1 and 1.
    """
    if bits == 1:
        return np.packbits(integers.ravel() > 0).tobytes()
    shifted = (integers.astype(np.int16).ravel() + 2 ** (bits - 1)).astype(np.uint8)
    return np.packbits(np.unpackbits(shifted[:, None], axis=1)[:, 8 - bits :]).tobytes()


def _pack(network: IntegerNetwork) -> bytes:
    body = b"".join([*_pack_shapes(network.plan), *_pack_transform(network), *_pack_steps(network)])
    header = layout.HEADER.pack(
        layout.MAGIC,
        layout.VERSION,
        layout.INPUT_KINDS.index(network.plan.input_kind) | layout.IS_REGRESSION * network.plan.is_regression,
        network.plan.input_bits,
        len(network.plan.input_shape),
        len(network.steps),
        layout.HEADER.size + len(body) + layout.CHECKSUM.size,
    )
    content = header + body
    return content + layout.CHECKSUM.pack(zlib.crc32(content))


def _pack_shapes(plan: Plan) -> list[bytes]:
    parts = [layout.DIMENSION.pack(size) for size in plan.input_shape]
    if plan.input_kind != "image":
        parts += [layout.COUNT.pack(len(plan.categories)), *map(layout.DIMENSION.pack, plan.categories)]
    return parts


def _pack_transform(network: IntegerNetwork) -> list[bytes]:
    transform, bits = network.input, network.plan.input_bits
    expected = layout.DTYPES[network.plan.input_kind]
    if transform.dtype != expected:
        raise PackedFormatError(f"raw {network.plan.input_kind} samples are {expected}; got {transform.dtype}")
    shape = (network.plan.numbers,)
    return [
        _floats(transform.mean, shape, "input mean"),
        _floats(transform.deviation, shape, "input deviation"),
        _grid(transform.grid, bits, "input") if bits != FULL_PRECISION else _no_grid(transform.grid, "input"),
    ]


# --- steps ------------------------------------------------------------------------------------------------------


def _pack_steps(network: IntegerNetwork) -> list[bytes]:
    if tuple(item.step for item in network.steps) != network.plan.steps:
        raise PackedFormatError("the network's steps are not those of its plan")
    numbers = {INPUT: 0, CODES: layout.CODES_SOURCE}
    grids = {INPUT: network.input.grid}
    packed = []
    for number, item in enumerate(network.steps, 1):
        step = item.step
        if step.passes_grid and item.output_grid != grids[step.inputs[0]]:
            raise PackedFormatError(f"step {step.name!r}: {step.op} must keep the grid of its input")
        packed.append(_pack_step(item, numbers))
        numbers[step.name] = number
        grids[step.name] = item.output_grid
    return packed


def _pack_step(item: IntegerStep, numbers: dict[str, int]) -> bytes:
    step = item.step
    name = step.name.encode("ascii")
    flags = (
        layout.HAS_NORM * step.has_norm
        | layout.HAS_RELU * step.has_relu
        | layout.IS_SIGNED * step.is_output_signed
        | layout.IS_SPARSE * (step.nonzeros is not None)
    )
    parts = [layout.STEP.pack(layout.OPS.index(step.op), flags, step.output_bits, len(name)), name]
    if step.op == "concat":
        parts.append(layout.COUNT.pack(len(step.inputs)))
    parts += [layout.SOURCE.pack(numbers[source]) for source in step.inputs]
    if layout.has_stored_grid(step):
        parts.append(_grid(item.output_grid, step.output_bits, step.name))
    elif step.output_bits == FULL_PRECISION:
        parts.append(_no_grid(item.output_grid, step.name))
    if step.op in layout.FIELDS:
        parts.append(layout.FIELDS[step.op].pack(*_fields(step)))
    if step.nonzeros is not None:
        parts.append(layout.DIMENSION.pack(step.nonzeros))
    if step.has_weights:
        parts.append(_pack_numbers(item))
    return b"".join(parts)


def _fields(step: Step) -> tuple[int, ...]:
    """The values of `layout.FIELDS`."""
    match step.op:
        case "conv":
            return (step.weight_bits, step.kernel, step.stride, step.output_shape[0], step.groups)
        case "linear":
            return (step.weight_bits, step.kernel, step.stride, step.output_shape[-1], step.groups)
        case "embedding":
            return (step.weight_bits, step.column, step.rows, step.output_shape[-1])
        case "position":
            return (step.weight_bits,)
        case "window":
            return (step.kernel,)
        case "gru":
            return (step.weight_bits, step.output_shape[-1] // 2)
        case _:
            return (step.heads,)


# --- numbers ----------------------------------------------------------------------------------------------------


def _pack_numbers(item: IntegerStep) -> bytes:
    """Weights, scales and biases."""
    step = item.step
    what = f"{step.name} weight"
    bias = _floats(item.bias, (step.biases,), f"{step.name} bias") if step.biases else _no_bias(item)
    if step.weight_bits == FULL_PRECISION:
        weight = item.weight
        _floats(weight, step.weight_shape, what)
        bitmap, kept = _kept(step, weight)
        return bitmap + _floats(kept, kept.shape, what) + bias
    scale = _floats(item.weight_scale, (step.scales,), f"{step.name} weight scale")
    weight = item.weight
    if weight is None or weight.dtype != np.int8 or weight.shape != step.weight_shape:
        raise PackedFormatError(f"{what} must be int8 of shape {step.weight_shape}; got {_describe(weight)}")
    bitmap, kept = _kept(step, weight)
    _require_range(kept, step)
    if step.has_weight_grid:
        _require_weight_grid(item)
    return bitmap + pack_bits(kept, step.weight_bits) + scale + bias


def _kept(step: Step, weight: Any) -> tuple[bytes, NDArray[Any]]:
    """The bitmap of the kept weights, and these; of dense weights b"" and all of them.

    All that are not 0 are kept, and of the others the first ones, until they are as many as the plan says.
    """
    flat: NDArray[Any] = weight.ravel()
    if step.nonzeros is None:
        return b"", flat
    is_kept = flat != 0
    spare = step.nonzeros - int(is_kept.sum())
    if spare < 0:
        raise PackedFormatError(
            f"{step.name} weight may have {step.nonzeros} that are not 0; got {step.nonzeros - spare}"
        )
    is_kept[np.flatnonzero(~is_kept)[:spare]] = True
    return np.packbits(is_kept).tobytes(), flat[is_kept]


def _require_range(weight: NDArray[np.int8], step: Step) -> None:
    half = 2 ** (step.weight_bits - 1)
    if step.weight_bits == 1 and not (np.abs(weight) == 1).all():
        found = ", ".join(map(str, np.unique(weight)[:5]))
        raise PackedFormatError(f"{step.name} weight must be -1 or 1 at 1 bit; got {found}")
    low, high = int(weight.min()), int(weight.max())
    if step.weight_bits > 1 and (low < -half or high >= half):
        raise PackedFormatError(
            f"{step.name} weight must lie in {-half}..{half - 1} at {step.weight_bits} bits; got {low}..{high}"
        )


def _require_weight_grid(item: IntegerStep) -> None:
    assert item.weight_scale is not None
    expected = weight_grid(item.step, item.weight_scale)
    if item.output_grid != expected or not expected.scale > 0:
        raise PackedFormatError(
            f"{item.step.name} must have the grid of its weights, with a scale above 0: {expected}; "
            f"got {item.output_grid}"
        )


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


def _no_bias(item: IntegerStep) -> bytes:
    if item.bias is not None:
        raise PackedFormatError(f"{item.step.name} is a table of vectors and must have no bias")
    return b""


def _grid(grid: Grid | None, bits: int, name: str) -> bytes:
    if grid is None or grid.bits != bits or not 0 <= grid.zero_point < 2**bits or not 0 < grid.scale < math.inf:
        raise PackedFormatError(f"{name} must have a grid of {bits} bits with a scale above 0; got {grid}")
    return layout.GRID.pack(grid.scale, grid.zero_point)


def _no_grid(grid: Grid | None, name: str) -> bytes:
    if grid is not None:
        raise PackedFormatError(f"{name} is float by its plan and must have no grid; got {grid}")
    return b""
