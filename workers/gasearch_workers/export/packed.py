"""The packed file: an integer network at the size that its bits promise (layout: `network.packed_layout`).

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

from gasearch_workers.export.packed_reader import PackedFormatError, unpack
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.integer import Grid, IntegerNetwork, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, INPUT, OPERATIONS, Shape, Step

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
    plan, transform = network.plan, network.input
    if transform.dtype != (expected := layout.DTYPES[plan.input_kind]):
        raise PackedFormatError(f"raw {plan.input_kind} samples are {expected}; got {transform.dtype}")
    parts = [layout.DIMENSION.pack(size) for size in plan.input_shape]
    if plan.input_kind != "image":
        parts += [layout.COUNT.pack(len(plan.categories)), *map(layout.DIMENSION.pack, plan.categories)]
    parts += [
        _floats(transform.mean, (plan.numbers,), "input mean"),
        _floats(transform.deviation, (plan.numbers,), "input deviation"),
        _grid(transform.grid, plan.input_bits, "input"),
        *_pack_steps(network),
    ]
    body = b"".join(parts)
    header = layout.HEADER.pack(
        layout.MAGIC,
        layout.VERSION,
        layout.INPUT_KINDS.index(plan.input_kind) | layout.IS_REGRESSION * plan.is_regression,
        plan.input_bits,
        len(plan.input_shape),
        len(network.steps),
        layout.HEADER.size + len(body) + layout.CHECKSUM.size,
    )
    content = header + body
    return content + layout.CHECKSUM.pack(zlib.crc32(content))


# --- steps ------------------------------------------------------------------------------------------------------


def _pack_steps(network: IntegerNetwork) -> list[bytes]:
    if tuple(item.step for item in network.steps) != network.plan.steps:
        raise PackedFormatError("the network's steps are not those of its plan")
    numbers = {INPUT: 0, CODES: layout.CODES_SOURCE}
    grids = network.grids
    packed = []
    for number, item in enumerate(network.steps, 1):
        step = item.step
        if step.passes_grid and item.output_grid != grids[step.name]:
            raise PackedFormatError(f"step {step.name!r}: {step.op} must keep the grid of its input")
        packed.append(_pack_step(item, numbers))
        numbers[step.name] = number
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
    if OPERATIONS[step.op].sources == 0:
        parts.append(layout.COUNT.pack(len(step.inputs)))
    parts += [layout.SOURCE.pack(numbers[source]) for source in step.inputs]
    if layout.may_store_grid(step.op) or step.output_bits == FULL_PRECISION:
        parts.append(_grid(item.output_grid, step.output_bits, step.name))
    parts.append(layout.FIELDS[step.op].pack(*(getattr(step, name) for name in OPERATIONS[step.op].fields)))
    if step.nonzeros is not None:
        parts.append(layout.DIMENSION.pack(step.nonzeros))
    if step.has_weights:
        parts.append(_pack_numbers(item))
    return b"".join(parts)


# --- numbers ----------------------------------------------------------------------------------------------------


def _pack_numbers(item: IntegerStep) -> bytes:
    """Weights, scales and biases."""
    step, weight = item.step, item.weight
    what, is_float = f"{step.name} weight", step.weight_bits == FULL_PRECISION
    if item.bias is not None and not step.biases:
        raise PackedFormatError(f"{step.name} is a table of vectors and must have no bias")
    bias = _floats(item.bias, (step.biases,), f"{step.name} bias") if step.biases else b""
    if is_float:
        _floats(weight, step.weight_shape, what)
    elif weight is None or weight.dtype != np.int8 or weight.shape != step.weight_shape:
        raise PackedFormatError(f"{what} must be int8 of shape {step.weight_shape}; got {_describe(weight)}")
    scale = b"" if is_float else _floats(item.weight_scale, (step.scales,), f"{what} scale")
    bitmap, kept = _kept(step, weight)
    if is_float:
        return bitmap + _floats(kept, kept.shape, what) + bias
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


def _grid(grid: Grid | None, bits: int, name: str) -> bytes:
    if bits == FULL_PRECISION:
        if grid is not None:
            raise PackedFormatError(f"{name} is float by its plan and must have no grid; got {grid}")
        return b""
    if grid is None or grid.bits != bits or not 0 <= grid.zero_point < 2**bits or not 0 < grid.scale < math.inf:
        raise PackedFormatError(f"{name} must have a grid of {bits} bits with a scale above 0; got {grid}")
    return layout.GRID.pack(grid.scale, grid.zero_point)
