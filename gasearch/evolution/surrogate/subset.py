"""Which evaluations a process holds, where there are more than it can."""

from __future__ import annotations

import numpy as np

from gasearch.evolution.surrogate.evidence import Array, IntArray
from gasearch.objectives import pareto

BEST, NEWEST = 0.5, 0.25  #: Shares of the best by rank and of the newest; the rest is spread over all others.


def representative_rows(values: Array, most: int) -> IntArray:
    """At most so many row numbers, ascending: the best ranked, the newest, and an even spread of the rest.

    Args:
        values: (n, objectives) greater is better, oldest first.
        most: rows to return.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    newest = np.arange(count) >= count - int(NEWEST * most)
    recent = values[-4 * most :]  # ranking all of 20,000 costs more than it tells
    ranks = np.full(count, count)
    ranks[-len(recent) :] = pareto.rank(recent)
    order = np.lexsort((-np.arange(count), ranks))
    chosen = newest.copy()
    chosen[order[: int(BEST * most)]] = True
    rest = np.flatnonzero(~chosen)
    missing = most - int(chosen.sum())
    chosen[rest[np.linspace(0, len(rest) - 1, missing).round().astype(np.int64)]] = True
    return np.flatnonzero(chosen)
