"""Reading a packed file: executes nothing, and checks magic, version, length, checksum and whatever decides a shape.

Each step is checked against the tensors that it reads before its numbers are read.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.messages import FULL_PRECISION, InputKind
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.compression import dense_bytes
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, INPUT, OPERATIONS, Plan, Shape, Step, output_shape


class PackedFormatError(ValueError):
    """Bytes that are no packed network, or a network that the format can't hold: the message says which and where."""


def unpack(packed: bytes) -> IntegerNetwork:
    """The network that `pack` wrote: equal plan, integers, scales, biases and grids.

    Raises:
        PackedFormatError: if the bytes are of another format or version, cut short, or damaged.
    """
    _require_whole(packed)
    _, version, kind, input_bits, rank, count, _ = layout.HEADER.unpack_from(packed)
    code = kind & ~layout.IS_REGRESSION
    if code >= len(layout.INPUT_KINDS):
        raise PackedFormatError(f"the input must be one of {', '.join(layout.INPUT_KINDS)}; got code {code}")
    if input_bits not in (8, FULL_PRECISION):
        raise PackedFormatError(f"the input must have 8 or {FULL_PRECISION} bits; got {input_bits}")
    input_kind = layout.INPUT_KINDS[code]
    reader = _Reader(packed, layout.HEADER.size, len(packed) - layout.CHECKSUM.size)
    shape = reader.dimensions(rank)
    has_columns = version > 1 and input_kind != "image"
    categories = reader.dimensions(reader.take(layout.COUNT)[0]) if has_columns else ()
    _require_shape(input_kind, shape, categories)
    plan = Plan(
        input_shape=shape,
        input_bits=input_bits,
        steps=(),
        input_kind=input_kind,
        categories=categories,
        is_regression=bool(kind & layout.IS_REGRESSION),
    )
    transform = InputTransform(
        dtype=layout.DTYPES[input_kind],
        mean=reader.floats(plan.numbers),
        deviation=reader.floats(plan.numbers),
        grid=reader.grid(input_bits) if input_bits != FULL_PRECISION else None,
    )
    tensors: dict[int, _Tensor] = {}
    if plan.numbers:
        tensors[0] = _Tensor(INPUT, plan.numbers_shape, input_bits, transform.grid)
    if categories:
        tensors[layout.CODES_SOURCE] = _Tensor(CODES, plan.codes_shape, FULL_PRECISION, None)
    steps = []
    for number in range(1, count + 1):
        item = _StepReader(reader, tensors, plan, number).read(layout.VERSION_1_OPS if version == 1 else None)
        tensors[number] = _Tensor(item.step.name, item.step.output_shape, item.step.output_bits, item.output_grid)
        steps.append(item)
    if reader.position != reader.end:
        raise PackedFormatError(f"{reader.end - reader.position} bytes follow the last step")
    plan = replace(plan, steps=tuple(item.step for item in steps))
    return IntegerNetwork(plan=plan, input=transform, steps=tuple(steps))


def unpack_bits(packed: bytes, bits: int, count: int) -> NDArray[np.int8]:
    """The first integers that `pack_bits` wrote, shape (count,).

    Args:
        packed: What it wrote.
        bits: Of each integer.
        count: How many integers.
    """
    columns = np.unpackbits(np.frombuffer(packed, np.uint8), count=count * bits).reshape(count, bits)
    if bits == 1:
        return 2 * columns[:, 0].astype(np.int8) - 1
    padded = np.pad(columns, ((0, 0), (8 - bits, 0)))  # (count, 8)
    offset: NDArray[np.uint8] = np.packbits(padded, axis=1)[:, 0]
    integers: NDArray[np.int8] = (offset.astype(np.int16) - 2 ** (bits - 1)).astype(np.int8)
    return integers


def _require_whole(packed: bytes) -> None:
    """Refuse another format, another version, and bytes that are not all there, or not as they were written."""
    if packed[:4] != layout.MAGIC:
        raise PackedFormatError(f"a packed network begins with {layout.MAGIC!r}; got {packed[:4]!r}")
    if len(packed) < layout.HEADER.size + layout.CHECKSUM.size:
        raise PackedFormatError(
            f"the file is cut short: the header alone has {layout.HEADER.size} bytes; got {len(packed)}"
        )
    _, version, *_, length = layout.HEADER.unpack_from(packed)
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


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What a later step needs to know of a tensor."""

    name: str
    shape: Shape
    bits: int
    grid: Grid | None


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

    def dimensions(self, count: int) -> tuple[int, ...]:
        return tuple(self.take(layout.DIMENSION)[0] for _ in range(count))

    def floats(self, count: int) -> NDArray[np.float32]:
        return np.frombuffer(self.bytes(4 * count), "<f4").astype(np.float32)

    def grid(self, bits: int) -> Grid:
        scale, zero_point = self.take(layout.GRID)
        if zero_point >= 2**bits or not 0 < scale < math.inf:
            raise PackedFormatError(f"a grid of {bits} bits can't have scale {scale} and zero point {zero_point}")
        return Grid(scale=scale, zero_point=zero_point, bits=bits)


class _StepReader:
    """Reads one step."""

    def __init__(self, reader: _Reader, tensors: dict[int, _Tensor], inputs: Plan, number: int) -> None:
        self._reader, self._tensors, self._inputs, self._number = reader, tensors, inputs, number
        self._name, self._op = "", layout.OPS[0]

    def read(self, known_ops: int | None) -> IntegerStep:
        """The next step, of the first so many operations that there are."""
        code, flags, output_bits, name_length = self._reader.take(layout.STEP)
        if code >= len(layout.OPS[:known_ops]) or (not 2 <= output_bits <= 8 and output_bits != FULL_PRECISION):
            raise PackedFormatError(
                f"step {self._number - 1} has operation {code} and {output_bits} bits: there are none such"
            )
        op = self._op = layout.OPS[code]
        self._name = self._reader.bytes(name_length).decode("ascii", errors="replace")
        if any(tensor.name == self._name for tensor in self._tensors.values()):
            raise PackedFormatError(f"two tensors are named {self._name!r}")
        sources = self._read_sources()
        source, shapes = sources[0], [tensor.shape for tensor in sources if tensor.name != CODES or op == "embedding"]
        has_grid = output_bits != FULL_PRECISION and layout.may_store_grid(op)
        grid = self._reader.grid(output_bits) if has_grid else None
        fields = {"kernel": 2, "stride": 2} if op == "max_pool" else self._read_fields(source.shape)
        step = Step(
            name=self._name,
            op=op,
            inputs=tuple(tensor.name for tensor in sources),
            input_shape=source.shape,
            output_shape=self._output_shape(shapes, fields),
            input_bits=source.bits,
            output_bits=output_bits,
            is_output_signed=bool(flags & layout.IS_SIGNED),
            has_norm=bool(flags & layout.HAS_NORM),
            has_relu=bool(flags & layout.HAS_RELU),
            nonzeros=self._reader.take(layout.DIMENSION)[0] if flags & layout.IS_SPARSE else None,
            **{name: value for name, value in fields.items() if name != "width"},
        )
        self._require_sound(step)
        return self._read_numbers(step, source.grid if step.passes_grid else grid)

    def _read_sources(self) -> list[_Tensor]:
        known = OPERATIONS[self._op]
        count = known.sources or self._reader.take(layout.COUNT)[0]
        sources = [self._source() for _ in range(count + known.is_masked)]
        expected = [self._op == "embedding"] * count + [True] * known.is_masked
        if not sources or [tensor.name == CODES for tensor in sources] != expected:
            names = ", ".join(tensor.name for tensor in sources)
            raise self._error(f"{self._op} can't read {names or 'nothing'}")
        return sources

    def _source(self) -> _Tensor:
        number: int = self._reader.take(layout.SOURCE)[0]
        if number not in self._tensors:
            raise PackedFormatError(f"step {self._number - 1} reads tensor {number}, which no earlier step gives")
        return self._tensors[number]

    def _read_fields(self, shape: Shape) -> dict[str, int]:
        """The operation's own fields, such as an input of that shape can have."""
        op, names = self._op, OPERATIONS[self._op].fields
        fields: dict[str, int] = dict(zip(names, self._reader.take(layout.FIELDS[op]), strict=True))
        bits, kernel, stride, width, groups, heads = (
            fields.get(name, 1) for name in ("weight_bits", "kernel", "stride", "width", "groups", "heads")
        )
        is_sound = (1 <= bits <= 8 or bits == FULL_PRECISION) and kernel % 2 == 1 and stride >= 1 and width >= 1
        is_sound &= groups >= 1 and width % max(groups, 1) == 0 and shape[0] % max(groups, 1) == 0
        is_sound &= heads >= 1 and (op != "attention" or shape[-1] % (3 * max(heads, 1)) == 0)
        if not (is_sound and (op != "embedding" or self._is_column(fields["column"], fields["rows"]))):
            said = ", ".join(f"{name} {value}" for name, value in fields.items())
            raise self._error(f"{op} can't have {said} on an input of {shape}")
        return fields

    def _is_column(self, column: int, rows: int) -> bool:
        """Whether an embedding's column is one of the codes', and its table no longer than that column's codes."""
        categories = self._inputs.categories
        if self._inputs.input_kind == "tokens" and len(categories) == 1:
            return column == -1 and 1 <= rows <= categories[0]
        return 0 <= column < len(categories) and 1 <= rows <= categories[column]

    def _output_shape(self, shapes: list[Shape], fields: dict[str, int]) -> Shape:
        """Shape of the output of inputs of these shapes, where the operation takes such."""
        op, (shape, *others) = self._op, shapes
        if any(len(other) not in OPERATIONS[op].dimensions for other in shapes):
            raise self._error(f"{op} can't take an input of {', '.join(map(str, shapes))}")
        if op == "concat":
            return (sum(size for (size,) in shapes),)
        if any(other != shape for other in others):
            raise self._error(f"{op} can't take {' and '.join(map(str, shapes))}")
        if op == "embedding":
            return (*shape[:1], fields["width"]) if self._inputs.input_kind == "tokens" else (fields["width"],)
        sizes = {name: fields[name] for name in ("width", "kernel", "stride") if name in fields}
        return output_shape(op, shape, **sizes)

    def _require_sound(self, step: Step) -> None:
        if step.passes_grid and step.output_bits != step.input_bits:
            raise self._error(f"{step.op} can't turn {step.input_bits} bits into {step.output_bits}")
        if step.op == "embedding" and step.output_bits != max(step.weight_bits, 2):
            raise self._error(f"a table of {step.weight_bits} bits can't give {step.output_bits}")
        is_matrix = OPERATIONS[step.op].weights == "matrix"
        if step.nonzeros is not None and not (is_matrix and 1 <= step.nonzeros <= step.weights):
            raise self._error(f"{step.op} with {step.weights} weights can't keep {step.nonzeros} of them")

    def _read_numbers(self, step: Step, grid: Grid | None) -> IntegerStep:
        if not step.has_weights:
            return IntegerStep(step=step, output_grid=grid)
        weight = self._read_weights(step)
        scale = self._reader.floats(step.scales) if step.scales else None
        if step.has_weight_grid:
            assert scale is not None
            grid = weight_grid(step, scale)
            if not 0 < grid.scale < math.inf:
                raise self._error(f"a table's scale must be above 0; got {grid.scale}")
        bias = self._reader.floats(step.biases) if step.biases else None
        return IntegerStep(step=step, weight=weight, weight_scale=scale, bias=bias, output_grid=grid)

    def _read_weights(self, step: Step) -> NDArray[np.int8] | NDArray[np.float32]:
        """The weights, zeros where they are pruned: shape `step.weight_shape`."""
        count, bits = step.weights, step.weight_bits
        if step.nonzeros is None:
            return self._read_values(count, bits).reshape(step.weight_shape)
        bitmap = np.frombuffer(self._reader.bytes(dense_bytes(count, 1)), np.uint8)
        is_kept = np.unpackbits(bitmap, count=count).astype(bool)
        if int(is_kept.sum()) != step.nonzeros:
            raise self._error(f"{step.nonzeros} weights are kept; its bitmap has {is_kept.sum()}")
        values = self._read_values(step.nonzeros, bits)
        weight = np.zeros(count, values.dtype)
        weight[is_kept] = values
        return weight.reshape(step.weight_shape)

    def _read_values(self, count: int, bits: int) -> NDArray[Any]:
        if bits == FULL_PRECISION:
            return self._reader.floats(count)
        return unpack_bits(self._reader.bytes(dense_bytes(count, bits)), bits, count)

    def _error(self, text: str) -> PackedFormatError:
        return PackedFormatError(f"step {self._name!r}: {text}")
