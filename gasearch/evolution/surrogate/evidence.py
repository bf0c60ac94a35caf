"""What a surrogate learns from, and which of it a model holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gasearch.objectives import pareto

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BEST, NEWEST = 0.5, 0.25  #: Shares of the best by rank and of the newest; the rest is spread over all others.


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The n outcomes so far, oldest first."""

    #: Of m rows the genes, (m, decisions) with -1 where a decision doesn't express, and the metrics that arithmetic
    #: knows, (m, k): positive; k = 0 for custom spaces. Asked of the few hundred that models hold alone.
    encoded: Callable[[IntArray], tuple[IntArray, Array]]
    wvalues: Array  #: (n, objectives) greater is better; NaN where the evaluation failed.
    violations: Array  #: (n,) 0 where every limit is met; infinity where the evaluation failed.
    is_partial: BoolArray  #: (n,) stopped early, the wvalues only expected: learned from, but no points of the front.

    @property
    def is_known(self) -> BoolArray:
        """(n,) whether all wvalues are there and finite."""
        return np.asarray(np.isfinite(self.wvalues).all(axis=1), dtype=np.bool_)

    @property
    def is_feasible(self) -> BoolArray:
        """(n,) whether all wvalues are known and every limit is met."""
        feasible: BoolArray = self.is_known & (self.violations <= 0.0)
        return feasible


def representative_rows(values: Array, most: int) -> IntArray:
    """At most so many row numbers, ascending: the best ranked, the newest, and an even spread of the rest.

    Args:
        values: (n, objectives) greater is better, oldest first.
        most: Rows to return.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    chosen = np.arange(count) >= count - int(NEWEST * most)
    recent = values[-4 * most :]  # ranking all of 20,000 costs more than it tells
    ranks = np.full(count, count)
    ranks[-len(recent) :] = pareto.rank(recent)
    chosen[np.lexsort((-np.arange(count), ranks))[: int(BEST * most)]] = True
    rest = np.flatnonzero(~chosen)
    chosen[rest[np.linspace(0, len(rest) - 1, most - int(chosen.sum())).round().astype(np.int64)]] = True
    return np.flatnonzero(chosen)
