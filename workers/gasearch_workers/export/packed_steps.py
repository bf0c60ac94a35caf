"""Reading the steps of a packed file: each is checked against the tensors that it reads before its numbers are."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network import packed_layout as layout
from gasearch_workers.network.compression import dense_bytes
from gasearch_workers.network.integer import Grid, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, MASKED, PASSING, Op, Plan, Shape, Step


class PackedFormatError(ValueError):
    """Bytes that are no packed network, or a network that the format can't hold: the message says which and where."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a later step needs to know of a tensor."""

    name: str
    shape: Shape
    bits: int
    grid: Grid | None


class Reader:
    """Reads values in order and never beyond the end."""

    def __init__(self, packed: bytes, position: int, end: int) -> None:
        self._packed, self.position, self.end = packed, position, end

    def bytes(self, count: int) -> bytes:
        """The next bytes."""
        start, self.position = self.position, self.position + count
        if self.position > self.end:
            raise PackedFormatError(
                f"a value of {count} bytes at {start} reaches beyond the content's end at {self.end}"
            )
        return self._packed[start : self.position]

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next struct."""
        return form.unpack(self.bytes(form.size))

    def floats(self, count: int) -> NDArray[np.float32]:
        """The next float32 numbers, (count,)."""
        return np.frombuffer(self.bytes(4 * count), "<f4").astype(np.float32)

    def grid(self, bits: int) -> Grid:
        """The next grid, of a tensor of that many bits."""
        scale, zero_point = self.take(layout.GRID)
        if zero_point >= 2**bits or not 0 < scale < math.inf:
            raise PackedFormatError(f"a grid of {bits} bits can't have scale {scale} and zero point {zero_point}")
        return Grid(scale=scale, zero_point=zero_point, bits=bits)


def read_steps(reader: Reader, count: int, *, source: Tensor | None, inputs: Plan, known_ops: int) -> list[IntegerStep]:
    """The next steps, in order.

    Args:
        reader: Stands at the first one.
        count: How many there are.
        source: The tensor "input"; None where the network reads codes only.
        inputs: A plan without steps: what the codes are.
        known_ops: How many operations the file's version has.
    """
    tensors: dict[int, Tensor] = {} if source is None else {0: source}
    if inputs.categories:
        tensors[layout.CODES_SOURCE] = Tensor(CODES, inputs.codes_shape, FULL_PRECISION, None)
    steps = []
    for number in range(1, count + 1):
        item = _StepReader(reader, tensors, inputs, number).read(known_ops)
        tensors[number] = Tensor(item.step.name, item.step.output_shape, item.step.output_bits, item.output_grid)
        steps.append(item)
    return steps


def unpack_bits(packed: bytes, bits: int, count: int) -> NDArray[np.int8]:
    """The first `count` integers that `pack_bits` wrote, shape (count,)."""
    columns = np.unpackbits(np.frombuffer(packed, np.uint8), count=count * bits).reshape(count, bits)
    if bits == 1:
        return 2 * columns[:, 0].astype(np.int8) - 1
    padded = np.pad(columns, ((0, 0), (8 - bits, 0)))  # (count, 8)
    offset: NDArray[np.uint8] = np.packbits(padded, axis=1)[:, 0]
    integers: NDArray[np.int8] = (offset.astype(np.int16) - 2 ** (bits - 1)).astype(np.int8)
    return integers


#: Dimensions of the first input, where an operation takes one form only.
_DIMENSIONS: dict[Op, int] = {
    "conv": 3,
    "global_pool": 3,
    "max_pool": 3,
    "position": 2,
    "window": 2,
    "gru": 2,
    "attention": 2,
    "mean_tokens": 2,
    "max_tokens": 2,
    "concat": 1,
}
_SPARSE_OPS = ("conv", "linear", "gru")
_PAIR_OPS = ("add", "product")


class _StepReader:
    """Reads one step."""

    def __init__(self, reader: Reader, tensors: dict[int, Tensor], inputs: Plan, number: int) -> None:
        self._reader, self._tensors, self._inputs, self._number = reader, tensors, inputs, number
        self._name, self._op = "", layout.OPS[0]
        self._sources: list[Tensor] = []

    def read(self, known_ops: int) -> IntegerStep:
        code, flags, output_bits, name_length = self._reader.take(layout.STEP)
        if code >= known_ops or (not 2 <= output_bits <= 8 and output_bits != FULL_PRECISION):
            raise PackedFormatError(
                f"step {self._number - 1} has operation {code} and {output_bits} bits: there are none such"
            )
        self._op = layout.OPS[code]
        self._name = self._reader.bytes(name_length).decode("ascii", errors="replace")
        if any(tensor.name == self._name for tensor in self._tensors.values()):
            raise PackedFormatError(f"two tensors are named {self._name!r}")
        self._sources = self._read_sources()
        source = self._sources[0]
        has_grid = output_bits != FULL_PRECISION and self._op not in layout.WITHOUT_GRID
        grid = self._reader.grid(output_bits) if has_grid else None
        fields, width = self._read_fields()
        output_shape = self._output_shape(fields, width)
        step = Step(
            name=self._name,
            op=self._op,
            inputs=tuple(tensor.name for tensor in self._sources),
            input_shape=source.shape,
            output_shape=output_shape,
            input_bits=source.bits,
            output_bits=output_bits,
            is_output_signed=bool(flags & layout.IS_SIGNED),
            has_norm=bool(flags & layout.HAS_NORM),
            has_relu=bool(flags & layout.HAS_RELU),
            nonzeros=self._reader.take(layout.DIMENSION)[0] if flags & layout.IS_SPARSE else None,
            **fields,
        )
        self._require_sound(step)
        return self._read_numbers(step, source.grid if step.passes_grid else grid)

    # --- what it reads ---

    def _read_sources(self) -> list[Tensor]:
        op, count = self._op, 1
        if op == "concat":
            count = self._reader.take(layout.COUNT)[0]
        elif op in _PAIR_OPS or op in MASKED:
            count = 2
        sources = [self._source() for _ in range(count)]
        expected = [op == "embedding" or (op in MASKED and place == 1) for place in range(count)]
        if not sources or [tensor.name == CODES for tensor in sources] != expected:
            names = ", ".join(tensor.name for tensor in sources)
            raise self._error(f"{op} can't read {names or 'nothing'}")
        return sources

    def _source(self) -> Tensor:
        number: int = self._reader.take(layout.SOURCE)[0]
        if number not in self._tensors:
            raise PackedFormatError(f"step {self._number - 1} reads tensor {number}, which no earlier step gives")
        return self._tensors[number]

    def _read_fields(self) -> tuple[dict[str, int], int]:
        """The fields of the step that are the operation's own, and its output width where it has one."""
        op = self._op
        if op == "max_pool":
            return {"kernel": 2, "stride": 2}, 0
        if op not in layout.FIELDS:
            return {}, 0
        values = self._reader.take(layout.FIELDS[op])
        match op:
            case "conv" | "linear":
                bits, kernel, stride, width, groups = values
                fields = {"weight_bits": bits, "kernel": kernel, "stride": stride, "groups": groups}
            case "embedding":
                bits, column, rows, width = values
                fields = {"weight_bits": bits, "column": column, "rows": rows}
            case "gru":
                bits, hidden = values
                fields, width = {"weight_bits": bits}, 2 * hidden
            case _:
                key = {"position": "weight_bits", "window": "kernel"}.get(op, "heads")
                fields, width = {key: values[0]}, 1
        self._require_fields(fields, width)
        return fields, width

    # --- whether it can be ---

    def _require_fields(self, fields: dict[str, int], width: int) -> None:
        op, shape = self._op, self._sources[0].shape
        bits, kernel, stride = (fields.get(name, 1) for name in ("weight_bits", "kernel", "stride"))
        groups, heads = fields.get("groups", 1), fields.get("heads", 1)
        is_sound = (1 <= bits <= 8 or bits == FULL_PRECISION) and kernel % 2 == 1 and stride >= 1 and width >= 1
        is_sound &= groups >= 1 and width % max(groups, 1) == 0 and shape[0] % max(groups, 1) == 0
        is_sound &= heads >= 1 and (op != "attention" or shape[-1] % (3 * max(heads, 1)) == 0)
        if not (is_sound and (op != "embedding" or self._is_column(fields["column"], fields["rows"]))):
            said = ", ".join(f"{name} {value}" for name, value in fields.items())
            raise self._error(f"{op} can't have {said}, width {width} on an input of {shape}")

    def _is_column(self, column: int, rows: int) -> bool:
        """Whether an embedding's column is one of the codes', and its table no longer than that column's codes."""
        categories = self._inputs.categories
        if self._inputs.input_kind == "tokens" and len(categories) == 1:
            return column == -1 and 1 <= rows <= categories[0]
        return 0 <= column < len(categories) and 1 <= rows <= categories[column]

    def _require_sound(self, step: Step) -> None:
        if step.op in PASSING and step.output_bits != step.input_bits:
            raise self._error(f"{step.op} can't turn {step.input_bits} bits into {step.output_bits}")
        if step.op == "embedding" and step.output_bits != max(step.weight_bits, 2):
            raise self._error(f"a table of {step.weight_bits} bits can't give {step.output_bits}")
        count = math.prod(step.weight_shape)
        if step.nonzeros is not None and not (step.op in _SPARSE_OPS and 1 <= step.nonzeros <= count):
            raise self._error(f"{step.op} with {count} weights can't keep {step.nonzeros} of them")

    def _output_shape(self, fields: dict[str, int], width: int) -> Shape:
        op, shape = self._op, self._sources[0].shape
        dimensions = _DIMENSIONS.get(op, len(shape))
        if len(shape) != dimensions or (op in ("linear", "layer_norm") and len(shape) > 2):
            raise self._error(f"{op} can't take an input of {shape}")
        match op:
            case "conv" | "max_pool":
                return (width or shape[0], *(-(-side // fields["stride"]) for side in shape[1:]))
            case "linear" | "gru":
                return (*shape[:-1], width)
            case "embedding":
                return (shape[0], width) if self._inputs.input_kind == "tokens" else (width,)
            case "add" | "product":
                if self._sources[1].shape != shape:
                    raise self._error(f"{op} can't take {shape} and {self._sources[1].shape}")
                return shape
            case "concat":
                others = [tensor.shape for tensor in self._sources]
                if any(len(other) != 1 for other in others):
                    raise self._error(f"concat can't take inputs of {others}")
                return (sum(other[0] for other in others),)
            case "window":
                return (shape[0], shape[1] * fields["kernel"])
            case "attention":
                return (shape[0], shape[1] // 3)
            case "global_pool":
                return shape[:1]
            case "mean_tokens" | "max_tokens":
                return shape[1:]
            case "flatten":
                return (math.prod(shape),)
            case "position" | "layer_norm":
                return shape

    # --- its numbers ---

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
        count, bits = math.prod(step.weight_shape), step.weight_bits
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
