"""The byte layout of the packed file: its structs and their sizes. Standard library only.

Little-endian, without padding:

    HEADER  magic, version, input kind, input bits, number of dimensions, number of steps, length of the whole file
    DIMENSION x rank, then (images have none) COUNT and DIMENSION x columns of codes: the number of codes of each
    mean float32 x numbers, deviation float32 x numbers, GRID of the input (none for a float one)
    per step: STEP, its name, COUNT of the inputs (`concat` only), SOURCE x inputs, GRID (see `may_store_grid`), the
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

import math
import struct
from typing import Final

from gasearch_workers.messages import FULL_PRECISION, InputKind
from gasearch_workers.network.compression import dense_bytes, sparse_bytes
from gasearch_workers.network.steps import OPERATIONS, Op, Plan, Step

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

OPS: Final = tuple(OPERATIONS)  #: An operation's code is its place here; likewise an input kind's.
FIELDS: Final = {op: struct.Struct(f"<{known.form}") for op, known in OPERATIONS.items()}  #: Of an operation's own.
VERSION_1_OPS: Final = 5  #: The first ones.
INPUT_KINDS: Final[tuple[InputKind, ...]] = ("image", "table", "tokens", "ids")
DTYPES: Final = {"image": "uint8", "table": "float32", "tokens": "int32", "ids": "int32"}  #: Of the raw samples.
IS_REGRESSION: Final = 128  #: Flag beside the input kind.
HAS_NORM, HAS_RELU, IS_SIGNED, IS_SPARSE = 1, 2, 4, 8  #: Flags of a step.

_WITHOUT_GRID = {op for op, known in OPERATIONS.items() if known.is_passing} | {"embedding"}
# What the search would read or add up for thousands of networks.
_FRAME_BYTES, _SOURCE_BYTES, _GRID_BYTES = HEADER.size + CHECKSUM.size, SOURCE.size, GRID.size
_STEP_BYTES = {op: STEP.size + FIELDS[op].size + COUNT.size * (OPERATIONS[op].sources == 0) for op in OPS}


def frame_bytes(plan: Plan) -> int:
    """Bytes of all that belongs to no step: header, input transform, checksum."""
    grid = 0 if plan.input_bits == FULL_PRECISION else GRID.size
    columns = 0 if plan.input_kind == "image" else COUNT.size + DIMENSION.size * len(plan.categories)
    return _FRAME_BYTES + DIMENSION.size * len(plan.input_shape) + columns + 8 * plan.numbers + grid


def may_store_grid(op: Op) -> bool:
    """Whether the operation's output can have a grid of its own in the file: neither its input's nor its weights'."""
    return op not in _WITHOUT_GRID


def step_bytes(step: Step) -> int:
    """Bytes of one step, its numbers included."""
    size = _STEP_BYTES[step.op] + len(step.name) + _SOURCE_BYTES * len(step.inputs)
    if step.output_bits != FULL_PRECISION and step.op not in _WITHOUT_GRID:
        size += _GRID_BYTES
    if not step.has_weights:
        return size
    shape, bits, is_table = step.weight_shape, step.weight_bits, OPERATIONS[step.op].weights == "table"
    numbers = (bits != FULL_PRECISION) + (not is_table)  # a scale, a bias
    size += 4 * numbers * (1 if is_table else shape[0])
    count = math.prod(shape)
    if step.nonzeros is None:
        return size + dense_bytes(count, bits)
    return size + DIMENSION.size + sparse_bytes(count, step.nonzeros, bits)
