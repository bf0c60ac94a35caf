"""Reading a packed file: executes nothing, and checks magic, version, length, checksum and whatever decides a shape."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from gasearch_workers.export.packed_steps import PackedFormatError, Reader, Tensor, read_steps
from gasearch_workers.messages import FULL_PRECISION, InputKind
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.integer import InputTransform, IntegerNetwork
from gasearch_workers.network.steps import INPUT, Plan, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What the header says."""

    version: int
    input_kind: InputKind
    is_regression: bool
    input_bits: int
    rank: int
    steps: int


def unpack(packed: bytes) -> IntegerNetwork:
    """The network that `pack` wrote: equal plan, integers, scales, biases and grids.

    Raises:
        PackedFormatError: if the bytes are of another format or version, cut short, or damaged.
    """
    frame = _check_frame(packed)
    reader = Reader(packed, layout.HEADER.size, len(packed) - layout.CHECKSUM.size)
    shape = tuple(reader.take(layout.DIMENSION)[0] for _ in range(frame.rank))
    categories = _read_categories(reader, frame)
    _require_shape(frame.input_kind, shape, categories)
    # Numbers and shapes of the input are the plan's own.
    inputs = Plan(input_shape=shape, input_bits=0, steps=(), input_kind=frame.input_kind, categories=categories)
    transform = _read_transform(reader, frame, inputs.numbers)
    source = Tensor(INPUT, inputs.numbers_shape, frame.input_bits, transform.grid)
    steps = read_steps(
        reader,
        frame.steps,
        source=source if inputs.numbers else None,
        inputs=inputs,
        known_ops=layout.VERSION_1_OPS if frame.version == 1 else len(layout.OPS),
    )
    if reader.position != reader.end:
        raise PackedFormatError(f"{reader.end - reader.position} bytes follow the last step")
    plan = Plan(
        input_shape=shape,
        input_bits=frame.input_bits,
        steps=tuple(item.step for item in steps),
        input_kind=frame.input_kind,
        categories=categories,
        is_regression=frame.is_regression,
    )
    return IntegerNetwork(plan=plan, input=transform, steps=tuple(steps))


def _check_frame(packed: bytes) -> _Frame:
    """The header of a file whose frame is sound."""
    if packed[:4] != layout.MAGIC:
        raise PackedFormatError(f"a packed network begins with {layout.MAGIC!r}; got {packed[:4]!r}")
    if len(packed) < layout.HEADER.size + layout.CHECKSUM.size:
        raise PackedFormatError(
            f"the file is cut short: the header alone has {layout.HEADER.size} bytes; got {len(packed)}"
        )
    _, version, kind, input_bits, rank, count, length = layout.HEADER.unpack_from(packed)
    if version not in layout.READABLE:
        readable = " and ".join(map(str, layout.READABLE))
        raise PackedFormatError(f"this program reads versions {readable} of the packed format; got {version}")
    if len(packed) != length:
        fault = "cut short" if len(packed) < length else "too long"
        raise PackedFormatError(f"the file is {fault}: its header promises {length} bytes; got {len(packed)}")
    (expected,) = layout.CHECKSUM.unpack_from(packed, length - layout.CHECKSUM.size)
    actual = zlib.crc32(packed[: -layout.CHECKSUM.size])
    if actual != expected:
        raise PackedFormatError(f"the file is damaged: its checksum is {expected:08x}; its content gives {actual:08x}")
    code = kind & ~layout.IS_REGRESSION
    if code >= len(layout.INPUT_KINDS):
        raise PackedFormatError(f"the input must be one of {', '.join(layout.INPUT_KINDS)}; got code {code}")
    if input_bits not in (8, FULL_PRECISION):
        raise PackedFormatError(f"the input must have 8 or {FULL_PRECISION} bits; got {input_bits}")
    return _Frame(
        version=version,
        input_kind=layout.INPUT_KINDS[code],
        is_regression=bool(kind & layout.IS_REGRESSION),
        input_bits=input_bits,
        rank=rank,
        steps=count,
    )


def _read_categories(reader: Reader, frame: _Frame) -> tuple[int, ...]:
    if frame.version == 1 or frame.input_kind == "image":
        return ()
    (columns,) = reader.take(layout.COUNT)
    return tuple(reader.take(layout.DIMENSION)[0] for _ in range(columns))


def _require_shape(kind: InputKind, shape: Shape, categories: tuple[int, ...]) -> None:
    """Refuse an input shape that no data of the kind has."""
    columns = len(categories)
    match kind:
        case "image":
            is_sound, form = len(shape) == 3, "(channels, height, width)"
        case "table":
            is_sound, form = len(shape) == 1 and shape[0] >= columns, "(features,), columns of codes among them"
        case "tokens":
            is_sound, form = columns >= 1 and shape[1:] == ((columns,) if columns > 1 else ()), "(tokens[, columns])"
        case "ids":
            is_sound, form = shape == (columns,), "(columns,)"
    if not (is_sound and shape and all(shape) and all(categories)):
        raise PackedFormatError(
            f"the input shape of {kind} must be {form}; got {shape} with {columns} columns of codes"
        )


def _read_transform(reader: Reader, frame: _Frame, numbers: int) -> InputTransform:
    return InputTransform(
        dtype=layout.DTYPES[frame.input_kind],
        mean=reader.floats(numbers),
        deviation=reader.floats(numbers),
        grid=reader.grid(frame.input_bits) if frame.input_bits != FULL_PRECISION else None,
    )
