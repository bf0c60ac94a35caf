"""The byte layout of the packed file: its structs and their sizes. Standard library only.

Little-endian, without padding:

    HEADER  magic, version, input kind, input bits, number of dimensions, number of steps, length of the whole file
    DIMENSION x rank, then (images have none) COUNT and DIMENSION x columns of codes: the number of codes of each
    mean float32 x numbers, deviation float32 x numbers, GRID of the input (none for a float one)
    per step: STEP, its name, COUNT of the inputs (`concat` only), SOURCE x inputs, GRID (see `has_stored_grid`), the
              operation's own fields (FIELDS), the number of kept weights (DIMENSION, sparse ones only), and where it
              has weights: them, scale float32 x scales, bias float32 x biases
    CHECKSUM  CRC-32 of all that stands before it

Weights of less than 32 bits are bit-packed, others float32. Sparse ones begin with a bitmap of which are kept; only the
kept ones follow. Shapes, input precisions, the grids of operations that pass or derive theirs follow from the steps
before, so they are not stored. Every size is a function of the plan alone: the search knows what a network will weigh
before it trains it.

Version 1 knew images and numeric tables, and the first five operations; its files have the same form otherwise, without
the columns.
"""

from __future__ import annotations

import struct
from typing import Final

from gasearch_workers.messages import FULL_PRECISION, InputKind
from gasearch_workers.network.compression import dense_bytes, sparse_bytes
from gasearch_workers.network.steps import PASSING, Op, Plan, Step

MAGIC: Final = b"GAPK"
VERSION: Final = 2
READABLE: Final = (1, VERSION)  #: Versions that can be read.

HEADER: Final = struct.Struct("<4sBBBBHI")
DIMENSION: Final = struct.Struct("<I")
COUNT: Final = struct.Struct("<H")
GRID: Final = struct.Struct("<dB")  #: Scale, zero point; the bits are those of the tensor.
STEP: Final = struct.Struct("<BBBB")  #: Operation, flags, output bits, length of the name.
SOURCE: Final = struct.Struct("<H")  #: 0 for "input", CODES_SOURCE, else 1 + the number of the earlier step.
CHECKSUM: Final = struct.Struct("<I")
CODES_SOURCE: Final = 0xFFFF

#: The fields that an operation has of its own.
_MATRIX = struct.Struct("<BBBII")  # weight bits, kernel, stride, output width, groups
FIELDS: Final[dict[Op, struct.Struct]] = {
    "conv": _MATRIX,
    "linear": _MATRIX,
    "embedding": struct.Struct("<BhII"),  # weight bits, column, rows, width
    "position": struct.Struct("<B"),  # weight bits
    "window": struct.Struct("<B"),  # kernel
    "gru": struct.Struct("<BI"),  # weight bits, hidden units per direction
    "attention": struct.Struct("<H"),  # heads
}

#: An operation's code is its place here; likewise an input kind's. Those of version 1 stand first, in its order.
OPS: Final[tuple[Op, ...]] = (
    "conv",
    "linear",
    "add",
    "global_pool",
    "flatten",
    "max_pool",
    "embedding",
    "position",
    "concat",
    "product",
    "window",
    "gru",
    "attention",
    "layer_norm",
    "mean_tokens",
    "max_tokens",
)
VERSION_1_OPS: Final = 5
INPUT_KINDS: Final[tuple[InputKind, ...]] = ("image", "table", "tokens", "ids")
DTYPES: Final = {"image": "uint8", "table": "float32", "tokens": "int32", "ids": "int32"}  #: Of the raw samples.
IS_REGRESSION: Final = 128  #: Flag beside the input kind.
WITHOUT_GRID: Final = PASSING | {"embedding"}  #: Operations whose output never has a grid of its own.
HAS_NORM, HAS_RELU, IS_SIGNED, IS_SPARSE = 1, 2, 4, 8  #: Flags of a step.

# Attribute reads that the search would repeat for thousands of networks.
_FIXED_BYTES = HEADER.size + CHECKSUM.size
_STEP_BYTES, _SOURCE_BYTES, _GRID_BYTES, _COUNT_BYTES = STEP.size, SOURCE.size, GRID.size, COUNT.size
_DIMENSION_BYTES = DIMENSION.size
_FIELD_BYTES = {op: FIELDS[op].size if op in FIELDS else 0 for op in OPS}
_FIELD_BYTES["concat"] = _COUNT_BYTES


def frame_bytes(plan: Plan) -> int:
    """Bytes of all that belongs to no step: header, input transform, checksum."""
    grid = 0 if plan.input_bits == FULL_PRECISION else _GRID_BYTES
    columns = 0 if plan.input_kind == "image" else _COUNT_BYTES + _DIMENSION_BYTES * len(plan.categories)
    return _FIXED_BYTES + _DIMENSION_BYTES * len(plan.input_shape) + columns + 8 * plan.numbers + grid


def has_stored_grid(step: Step) -> bool:
    """Whether the step's output has a grid of its own in the file: neither its input's nor its weights'."""
    return step.output_bits != FULL_PRECISION and step.op not in WITHOUT_GRID


def step_bytes(step: Step) -> int:
    """Bytes of one step, its numbers included."""
    op, bits, shape = step.op, step.weight_bits, step.output_shape
    size = _STEP_BYTES + len(step.name) + _SOURCE_BYTES * len(step.inputs) + _FIELD_BYTES[op]
    if has_stored_grid(step):
        size += _GRID_BYTES
    match op:
        case "conv":
            rows = shape[0]
            count = rows * (step.input_shape[0] // step.groups) * step.kernel * step.kernel
        case "linear":
            rows = shape[-1]
            count = rows * step.input_shape[-1]
        case "gru":
            rows = 3 * shape[-1]
            count = rows * (step.input_shape[-1] + shape[-1] // 2)
        case "layer_norm":
            return size + 8 * shape[-1]
        case "embedding" | "position":
            rows = step.rows if op == "embedding" else shape[0]
            return size + dense_bytes(rows * shape[-1], bits) + (0 if bits == FULL_PRECISION else 4)
        case _:
            return size
    size += rows * (4 if bits == FULL_PRECISION else 8)
    if step.nonzeros is None:
        return size + dense_bytes(count, bits)
    return size + _DIMENSION_BYTES + sparse_bytes(count, step.nonzeros, bits)
