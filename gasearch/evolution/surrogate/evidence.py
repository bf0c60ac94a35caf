"""What a surrogate learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class IntRows(Protocol):
    """A matrix of whole numbers of which some rows are asked for; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""

    def __getitem__(self, rows: IntArray, /) -> IntArray:
        """(len(rows), columns) these rows."""


class Rows(Protocol):
    """The same of any numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""

    def __getitem__(self, rows: IntArray, /) -> Array:
        """(len(rows), columns) these rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was told so far, oldest first; n evaluations.

    Models hold a few hundred evaluations, and of those alone genes and costs are asked for.
    """

    genes: IntRows  #: (n, decisions) option indices, -1 where a decision doesn't express: `Space.marked`.
    costs: Rows  #: (n, k) metrics that arithmetic knows (parameters, MACs, bytes): positive; k = 0 for custom spaces.
    wvalues: Array  #: (n, objectives) greater is better; NaN where the evaluation failed.
    violations: Array  #: (n,) 0 where every limit is met; infinity where the evaluation failed.
    is_partial: (
        BoolArray  #: (n,) stopped early, the wvalues only expected: they teach the models but are no front points.
    )

    def __post_init__(self) -> None:
        """Refuse arrays that don't belong together.

        Raises:
            ValueError: if a shape doesn't fit the genes'.
        """
        if len(self.genes.shape) != 2:
            raise ValueError(f"genes must have shape (n, decisions); got {self.genes.shape}")
        for name, dimensions in (("costs", 2), ("wvalues", 2), ("violations", 1), ("is_partial", 1)):
            shape = getattr(self, name).shape
            if len(shape) != dimensions or shape[0] != len(self):
                raise ValueError(
                    f"{name} must have {dimensions} dimensions and a row per genome, of which there are "
                    f"{len(self)}; got shape {shape}"
                )

    def __len__(self) -> int:
        """Number of evaluations."""
        return self.genes.shape[0]

    @property
    def is_known(self) -> BoolArray:
        """(n,) whether all wvalues are there and finite."""
        return np.asarray(np.isfinite(self.wvalues).all(axis=1), dtype=np.bool_)

    @property
    def is_feasible(self) -> BoolArray:
        """(n,) whether all wvalues are known and every limit is met."""
        feasible: BoolArray = self.is_known & (self.violations <= 0.0)
        return feasible
