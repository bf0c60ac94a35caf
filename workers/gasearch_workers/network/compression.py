"""What pruning and factoring leave of a layer, by arithmetic: counts that follow from shapes alone.

Standard library only: plan, costs and the search space share these rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from gasearch_workers.messages import Scalar

Effect = tuple[Any, ...]  #: Equal for choices that make the same layer.


class LayerShape(NamedTuple):
    """All that decides what compression does to a layer, but the compression itself."""

    kind: str
    width: int
    kernel: int
    heads: int
    weight_bits: int
    has_sides: bool  #: Whether the image it gives has the sides of the one it takes.
    full: int  #: Channels of the input before pruning.
    kept: int  #: Channels of it after that.
    extras: tuple[tuple[str, Scalar], ...] = ()  #: See `gasearch_workers.messages.Layer`.


@dataclass(frozen=True, slots=True)
class Compression:
    """How a layer is compressed; see `gasearch_workers.messages.Layer`."""

    sparsity: float
    is_structured: bool
    rank: float

    def units(self, width: int) -> int:
        """Channels, heads or units that are left."""
        return kept_units(width, self.sparsity) if self.is_structured else width

    def left(self, bits: int, weights: int) -> int | None:
        """Weights that are left where they are pruned one by one."""
        return None if self.is_structured else kept_weights(weights, self.sparsity, bits)

    def matrix(self, bits: int, width: int, units: int, full: int, kept: int) -> Effect:
        """What a matrix becomes.

        Args:
            bits: Of its weights.
            width: Outputs before structured pruning.
            units: Outputs after it.
            full: Inputs before structured pruning.
            kept: Inputs after it.
        """
        rank = factored_rank(units, kept, self.rank)
        if rank is None:
            return units, self.left(bits, units * kept)
        first = max(rank, int(self.rank * min(width, full) + 0.5))
        return units, rank, first, self.left(bits, rank * kept), self.left(bits, units * rank)


def kept_units(width: int, sparsity: float) -> int:
    """Channels, heads or units that structured pruning keeps, at least 1: the share rounded half up."""
    return max(1, int(width * (1 - sparsity) + 0.5))


def kept_weights(count: int, sparsity: float, bits: int) -> int | None:
    """Weights of a matrix that unstructured pruning keeps, at least 1; None where that saves no byte.

    A sparse matrix is stored as one bit per weight that says which are kept, and the kept ones at their bits.

    Args:
        count: Of the weights.
        sparsity: Share of them to be pruned.
        bits: Of each.
    """
    kept = max(1, int(count * (1 - sparsity) + 0.5))
    if kept >= count or sparse_bytes(count, kept, bits) >= dense_bytes(count, bits):
        return None
    return kept


def factored_rank(rows: int, columns: int, share: float) -> int | None:
    """Rank r of the factors (rows, r) and (r, columns) of a matrix; None where they would not be smaller than it.

    Args:
        rows: Outputs of the layer.
        columns: What each of them sums over.
        share: Of the full rank, above 0 to 1; 1 means not factored.
    """
    if share >= 1:
        return None
    rank = max(1, int(share * min(rows, columns) + 0.5))
    return rank if rank * (rows + columns) < rows * columns else None


def dense_bytes(count: int, bits: int) -> int:
    """Bytes of that many integers at that many bits each; only the end is padded."""
    return (count * bits + 7) // 8


def sparse_bytes(count: int, kept: int, bits: int) -> int:
    """Bytes of a sparse matrix: the bitmap, then the kept weights.

    Args:
        count: Weights of the matrix.
        kept: How many of them are kept.
        bits: Of each.
    """
    return dense_bytes(count, 1) + dense_bytes(kept, bits)
