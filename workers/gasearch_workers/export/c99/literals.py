"""Numbers as C99 writes them, and weights as the C file holds them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.packed import pack_bits
from gasearch_workers.network.compression import dense_bytes, sparse_bytes

WIDTH = 118  #: Of a line.


def real(value: float) -> str:
    """A float32 that a compiler reads back exactly."""
    return f"{np.float32(value):.8e}f"


def array(kind: str, name: str, values: Iterable[str]) -> str:
    """A constant array.

    Args:
        kind: Type of its elements.
        name: Of the array.
        values: As C writes them.
    """
    listed = list(values)
    return f"static const {kind} {name}[{len(listed)}] = {{\n{_lines(listed)}\n}};\n"


def structure(kind: str, name: str, fields: Sequence[str]) -> str:
    """A constant structure.

    Args:
        kind: Its tag.
        name: Of the constant.
        fields: As C writes them.
    """
    lines = textwrap.fill(", ".join(fields), WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"static const struct {kind} {name} = {{\n{lines}\n}};\n"


def _lines(values: Sequence[str]) -> str:
    """As many on a line as always fit: a table of words has a million."""
    count = max((WIDTH - 4) // (max(map(len, values), default=1) + 2), 1)
    rows = [", ".join(values[start : start + count]) for start in range(0, len(values), count)]
    return ",\n".join(f"    {row}" for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Weights as they lie in the flash."""

    data: bytes
    kept: bytes  #: A bit for each weight that says whether it is there; b"": all are.
    bits: int

    @property
    def are_bytes(self) -> bool:
        """Whether each is an int8 that needs no unpacking."""
        return self.bits == 8 and not self.kept


def store(weight: NDArray[np.int8], bits: int, *, is_table: bool = False) -> StoredWeights:
    """Weights at their bits: dense, or as a bitmap with the kept ones where that is smaller.

    Args:
        weight: Integers of any shape.
        bits: Of each.
        is_table: Whether rows are read one by one; they are dense then.
    """
    flat = weight.ravel()
    nonzeros = int(np.count_nonzero(flat))
    is_sparse = sparse_bytes(flat.size, nonzeros, bits) < dense_bytes(flat.size, bits)
    if not is_table and (is_sparse or (bits == 1 and nonzeros < flat.size)):
        kept = flat != 0
        return StoredWeights(data=pack_bits(flat[kept], bits), kept=np.packbits(kept).tobytes(), bits=bits)
    data = flat.tobytes() if bits == 8 else pack_bits(flat, bits)
    return StoredWeights(data=data, kept=b"", bits=bits)
