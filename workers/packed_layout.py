"""The byte layout of the packed file: its structs and their sizes. Standard library only.

Little-endian, without padding:

    HEADER  magic, version, raw dtype, input bits, number of dimensions, number of steps, length of the whole file
    DIMENSION x rank, then mean float32 x features, deviation float32 x features, GRID (none for a float input)
    per step: STEP, its name, SOURCE x inputs, GRID (quantized outputs), and where it has weights:
              WEIGHTED, weights bit-packed (float32 at 32 bits), scale float32 x out (none at 32 bits),
              bias float32 x out
    CHECKSUM  CRC-32 of all that stands before it

Shapes and input precisions follow from the steps before, so they are not stored. Every size is a function of
the plan alone: the search knows what a network will weigh before it trains it.
"""

from __future__ import annotations

import struct
from typing import Final

from workers.messages import FULL_PRECISION
from workers.steps import Op, Plan, Step

MAGIC: Final = b"GAPK"
VERSION: Final = 1

HEADER: Final = struct.Struct("<4sBBBBHI")
DIMENSION: Final = struct.Struct("<I")
GRID: Final = struct.Struct("<dB")  #: Scale, zero point; the bits are those of the tensor.
STEP: Final = struct.Struct("<BBBB")  #: Operation, flags, output bits, length of the name.
SOURCE: Final = struct.Struct("<H")  #: 0 for the network's input, else 1 + the number of the earlier step.
WEIGHTED: Final = struct.Struct("<BBBII")  #: Weight bits, kernel, stride, output width, groups.
CHECKSUM: Final = struct.Struct("<I")

#: An operation's code is its place here; likewise a raw dtype's.
OPS: Final[tuple[Op, ...]] = ("conv", "linear", "add", "global_pool", "flatten")
DTYPES: Final = ("uint8", "float32")
HAS_NORM, HAS_RELU, IS_SIGNED = 1, 2, 4  #: Flags of a step.

# Attribute reads that the search would repeat for thousands of networks.
_FIXED_BYTES = HEADER.size + CHECKSUM.size
_STEP_BYTES, _SOURCE_BYTES, _WEIGHTED_BYTES, _GRID_BYTES = STEP.size, SOURCE.size, WEIGHTED.size, GRID.size


def transform_features(plan: Plan) -> int:
    """Length of the input transform's mean: one number for images, one per feature for tables."""
    return plan.input_shape[0] if len(plan.input_shape) == 1 else 1


def frame_bytes(plan: Plan) -> int:
    """Bytes of all that belongs to no step: header, input transform, checksum."""
    grid = 0 if plan.input_bits == FULL_PRECISION else _GRID_BYTES
    return _FIXED_BYTES + DIMENSION.size * len(plan.input_shape) + 8 * transform_features(plan) + grid


def has_stored_grid(step: Step) -> bool:
    """Whether the step's output has a grid of its own in the file; `flatten` passes on that of its input."""
    return step.output_bits != FULL_PRECISION and step.op != "flatten"


def step_bytes(step: Step, weights: int) -> int:
    """Bytes of one step that has that many weights (0 for a step without parameters)."""
    size = _STEP_BYTES + len(step.name) + _SOURCE_BYTES * len(step.inputs)
    if has_stored_grid(step):
        size += _GRID_BYTES
    if weights:
        per_channel = 4 if step.weight_bits == FULL_PRECISION else 8
        size += _WEIGHTED_BYTES + packed_bytes(weights, step.weight_bits) + per_channel * step.output_shape[0]
    return size


def packed_bytes(count: int, bits: int) -> int:
    """Bytes of that many integers at that many bits each; only the end of a step's weights is padded."""
    return (count * bits + 7) // 8
