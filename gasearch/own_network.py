"""What gasearch does with its networks, for networks of one's own: pack integers at their bits, time an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from gasearch_workers.messages import Latency

from gasearch.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack(integers: Any, bits: int) -> bytes:
    """Integers packed at their own bits, as the weights of `model.gap` are (`docs/packed-format.md`).

    Args:
        integers: An array of whole numbers from -(2**(bits - 1)) to 2**(bits - 1) - 1, of -1 and 1 at one bit; any
            shape, its last axis runs first.
        bits: 1 to 8.

    Returns:
        ceil(count x bits / 8) bytes.

    Raises:
        BadInput: for other bits, or numbers that these bits can't hold.
    """
    import numpy as np
    from gasearch_workers.export.packed import pack_bits

    low, high = _range(bits)
    try:
        values = np.asarray(integers)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; a tensor of torch that is being trained
        raise BadInput(f"{bits} bits hold an array of whole numbers from {low} to {high}: {error}") from error
    is_whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and bool(np.all(values == np.round(values))))
    if not is_whole or (values.size and (values.min() < low or values.max() > high)):
        raise BadInput(f"{bits} bits hold whole numbers from {low} to {high}; got {_shown(values)}")
    if bits == 1 and not np.all(np.abs(values) == 1):
        raise BadInput(f"one bit holds -1 and 1; got {_shown(values)}")
    return pack_bits(values.astype(np.int8), int(bits))


def unpack(content: bytes, bits: int, shape: Sequence[int]) -> NDArray[Any]:
    """The integers that `pack` has packed, as int8 of that shape.

    Args:
        content: The bytes.
        bits: Of each integer, 1 to 8.
        shape: Of the array.

    Raises:
        BadInput: for other bits, lengths that are no whole numbers from 0, or a content of another length.
    """
    import math

    from gasearch_workers.export.packed_reader import unpack_bits

    _range(bits)
    if not isinstance(shape, Iterable) or not all(isinstance(size, SupportsIndex) and size >= 0 for size in shape):
        raise BadInput(f"a shape is whole numbers from 0, such as (8, 3); got {shape!r}")
    bits, count = int(bits), int(math.prod(shape))
    if len(content) != (needed := -(-count * bits // 8)):
        raise BadInput(f"{count:,} integers of {bits} bits take {needed:,} bytes; got {len(content):,}")
    return unpack_bits(content, bits, count).reshape(tuple(shape))


def measure_latency(path: Path | str, *, shapes: Mapping[str, Sequence[int]] | None = None) -> Latency:
    """The latency of an ONNX file of one's own at these shapes, as a search measures it (`docs/measures.md`).

    In turns with the reference network, on one thread of this machine's CPU, by ONNX Runtime; 1 to 10 s.

    Args:
        path: Of the file.
        shapes: By name the shapes of inputs that the file leaves open; a first open axis alone is taken as 1.

    Returns:
        `latency_ms`, `spread_ms` (95 of 100 repeats lie within latency -+ spread) and the `device`'s name.

    Raises:
        BadInput: if the file can't be read or run, or a shape is open or not the input's.
    """
    from gasearch_workers.measure.own_model import ModelError, measure_model

    try:
        return measure_model(path, shapes=shapes)
    except ModelError as error:
        raise BadInput(str(error)) from error


def _range(bits: int) -> tuple[int, int]:
    if isinstance(bits, bool) or not isinstance(bits, SupportsIndex) or not 1 <= bits <= 8:
        raise BadInput(f"bits must be a whole number from 1 to 8; got {bits!r}")
    return (-1, 1) if bits == 1 else (-(1 << (int(bits) - 1)), (1 << (int(bits) - 1)) - 1)


def _shown(values: Any) -> str:
    if values.dtype.kind not in "iuf" or not values.size:
        return f"an array of {values.dtype}"
    return f"{values.dtype} from {values.min()} to {values.max()}"
