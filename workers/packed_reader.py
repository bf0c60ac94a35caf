"""Reading a packed file: executes nothing, and checks magic, version, length, checksum and whatever decides a shape."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers import packed_layout as layout
from workers.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from workers.messages import FULL_PRECISION
from workers.steps import Op, Plan, Shape, Step


class PackedFormatError(ValueError):
    """Bytes that are no packed network, or a network that the format can't hold: the message says which and where."""


def unpack(packed: bytes) -> IntegerNetwork:
    """The network that `pack` wrote: equal plan, integers, scales, biases and grids.

    Raises:
        PackedFormatError: if the bytes are of another format or version, cut short, or damaged.
    """
    rank, dtype, input_bits, count = _check_frame(packed)
    reader = _Reader(packed, layout.HEADER.size, len(packed) - layout.CHECKSUM.size)
    input_shape = tuple(reader.take(layout.DIMENSION)[0] for _ in range(rank))
    if rank not in (1, 3) or not all(input_shape):
        raise PackedFormatError(f"the input shape must be (features,) or (channels, height, width); got {input_shape}")
    if input_bits not in (8, FULL_PRECISION):
        raise PackedFormatError(f"the input must have 8 or {FULL_PRECISION} bits; got {input_bits}")
    features = input_shape[0] if rank == 1 else 1
    transform = InputTransform(
        dtype=dtype,
        mean=reader.floats(features),
        deviation=reader.floats(features),
        grid=reader.grid(input_bits) if input_bits != FULL_PRECISION else None,
    )
    tensors = [_Tensor("input", input_shape, input_bits, transform.grid)]
    steps = [_read_step(reader, tensors) for _ in range(count)]
    if reader.position != reader.end:
        raise PackedFormatError(f"{reader.end - reader.position} bytes follow the last step")
    plan = Plan(input_shape=input_shape, input_bits=input_bits, steps=tuple(item.step for item in steps))
    return IntegerNetwork(plan=plan, input=transform, steps=tuple(steps))


def unpack_bits(packed: bytes, bits: int, count: int) -> NDArray[np.int8]:
    """The first `count` integers that `pack_bits` wrote, shape (count,)."""
    columns = np.unpackbits(np.frombuffer(packed, np.uint8), count=count * bits).reshape(count, bits)
    padded = np.pad(columns, ((0, 0), (8 - bits, 0)))  # (count, 8)
    offset: NDArray[np.uint8] = np.packbits(padded, axis=1)[:, 0]
    integers: NDArray[np.int8] = (offset.astype(np.int16) - 2 ** (bits - 1)).astype(np.int8)
    return integers


def _check_frame(packed: bytes) -> tuple[int, str, int, int]:
    """(rank of the input, raw dtype, input bits, number of steps) of a file whose frame is sound."""
    if packed[:4] != layout.MAGIC:
        raise PackedFormatError(f"a packed network begins with {layout.MAGIC!r}; got {packed[:4]!r}")
    if len(packed) < layout.HEADER.size + layout.CHECKSUM.size:
        raise PackedFormatError(
            f"the file is cut short: the header alone has {layout.HEADER.size} bytes; got {len(packed)}"
        )
    _, version, dtype, input_bits, rank, count, length = layout.HEADER.unpack_from(packed)
    if version != layout.VERSION:
        raise PackedFormatError(f"this program reads version {layout.VERSION} of the packed format; got {version}")
    if len(packed) != length:
        fault = "cut short" if len(packed) < length else "too long"
        raise PackedFormatError(f"the file is {fault}: its header promises {length} bytes; got {len(packed)}")
    (expected,) = layout.CHECKSUM.unpack_from(packed, length - layout.CHECKSUM.size)
    actual = zlib.crc32(packed[: -layout.CHECKSUM.size])
    if actual != expected:
        raise PackedFormatError(f"the file is damaged: its checksum is {expected:08x}; its content gives {actual:08x}")
    if dtype >= len(layout.DTYPES):
        raise PackedFormatError(f"the raw dtype must be one of {layout.DTYPES}; got code {dtype}")
    return rank, layout.DTYPES[dtype], input_bits, count


class _Tensor:
    """What a later step needs to know of a tensor."""

    def __init__(self, name: str, shape: Shape, bits: int, grid: Grid | None) -> None:
        self.name, self.shape, self.bits, self.grid = name, shape, bits, grid


class _Reader:
    """Reads values in order and never beyond the end."""

    def __init__(self, packed: bytes, position: int, end: int) -> None:
        self._packed, self.position, self.end = packed, position, end

    def bytes(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > self.end:
            raise PackedFormatError(
                f"a value of {count} bytes at {start} reaches beyond the content's end at {self.end}"
            )
        return self._packed[start : self.position]

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack(self.bytes(form.size))

    def floats(self, count: int) -> NDArray[np.float32]:
        return np.frombuffer(self.bytes(4 * count), "<f4").astype(np.float32)

    def grid(self, bits: int) -> Grid:
        scale, zero_point = self.take(layout.GRID)
        if zero_point >= 2**bits or not 0 < scale < math.inf:
            raise PackedFormatError(f"a grid of {bits} bits can't have scale {scale} and zero point {zero_point}")
        return Grid(scale=scale, zero_point=zero_point, bits=bits)


def _read_step(reader: _Reader, tensors: list[_Tensor]) -> IntegerStep:
    """The next step; appends its output to `tensors`."""
    code, flags, output_bits, name_length = reader.take(layout.STEP)
    if code >= len(layout.OPS) or not _is_precision(output_bits):
        raise PackedFormatError(
            f"step {len(tensors) - 1} has operation {code} and {output_bits} bits: there are none such"
        )
    op = layout.OPS[code]
    name = reader.bytes(name_length).decode("ascii", errors="replace")
    if any(tensor.name == name for tensor in tensors):
        raise PackedFormatError(f"two tensors are named {name!r}")
    sources = [_source(reader, tensors) for _ in range(2 if op == "add" else 1)]
    grid = sources[0].grid
    if op != "flatten":
        grid = None if output_bits == FULL_PRECISION else reader.grid(output_bits)
    kind = {"weight_bits": FULL_PRECISION, "kernel": 1, "stride": 1, "width": 0, "groups": 1}
    if op in ("conv", "linear"):
        kind = dict(zip(kind, _weighted(reader, name, sources[0].shape, op), strict=True))
    step = Step(
        name=name,
        op=op,
        inputs=tuple(source.name for source in sources),
        input_shape=sources[0].shape,
        output_shape=_output_shape(name, op, sources, kind["width"], kind["stride"]),
        input_bits=sources[0].bits,
        output_bits=output_bits,
        is_output_signed=bool(flags & layout.IS_SIGNED),
        weight_bits=kind["weight_bits"],
        kernel=kind["kernel"],
        stride=kind["stride"],
        groups=kind["groups"],
        has_norm=bool(flags & layout.HAS_NORM),
        has_relu=bool(flags & layout.HAS_RELU),
    )
    tensors.append(_Tensor(name, step.output_shape, output_bits, grid))
    return _read_numbers(reader, step, grid)


def _source(reader: _Reader, tensors: list[_Tensor]) -> _Tensor:
    number: int = reader.take(layout.SOURCE)[0]
    if number >= len(tensors):
        raise PackedFormatError(f"step {len(tensors) - 1} reads tensor {number}, which no earlier step gives")
    return tensors[number]


def _weighted(reader: _Reader, name: str, input_shape: Shape, op: Op) -> tuple[int, int, int, int, int]:
    """(weight bits, kernel, stride, output width, groups), checked against the input."""
    bits, kernel, stride, width, groups = reader.take(layout.WEIGHTED)
    is_grouped_well = groups >= 1 and width % groups == 0 and input_shape[0] % groups == 0
    if not (_is_precision(bits) and kernel % 2 == 1 and stride >= 1 and width >= 1 and is_grouped_well):
        raise PackedFormatError(
            f"step {name!r} can't have {bits} bits, kernel {kernel}, stride {stride}, width {width}, groups {groups} "
            f"on an input of {input_shape}"
        )
    if len(input_shape) != (3 if op == "conv" else 1):
        raise PackedFormatError(f"step {name!r}: {op} can't take an input of {input_shape}")
    return bits, kernel, stride, width, groups


def _output_shape(name: str, op: Op, sources: list[_Tensor], width: int, stride: int) -> Shape:
    shape = sources[0].shape
    match op:
        case "conv":
            return (width, *(-(-side // stride) for side in shape[1:]))
        case "linear":
            return (width,)
        case "add":
            if sources[1].shape != shape:
                raise PackedFormatError(f"step {name!r} adds {shape} and {sources[1].shape}")
            return shape
        case "global_pool":
            if len(shape) != 3:
                raise PackedFormatError(f"step {name!r}: a pool can't take an input of {shape}")
            return (shape[0],)
        case "flatten":
            return (math.prod(shape),)


def _read_numbers(reader: _Reader, step: Step, grid: Grid | None) -> IntegerStep:
    if not step.has_weights:
        return IntegerStep(step=step, output_grid=grid)
    count, out = math.prod(step.weight_shape), step.output_shape[0]
    if step.weight_bits == FULL_PRECISION:
        real = reader.floats(count).reshape(step.weight_shape)
        return IntegerStep(step=step, weight=real, bias=reader.floats(out), output_grid=grid)
    packed = reader.bytes(layout.packed_bytes(count, step.weight_bits))
    weight = unpack_bits(packed, step.weight_bits, count).reshape(step.weight_shape)
    scale, bias = reader.floats(out), reader.floats(out)
    return IntegerStep(step=step, weight=weight, weight_scale=scale, bias=bias, output_grid=grid)


def _is_precision(bits: int) -> bool:
    return 2 <= bits <= 8 or bits == FULL_PRECISION
