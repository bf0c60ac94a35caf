"""Genomes as numbers whose distances say how alike two networks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gasearch.evolution.surrogate.evidence import Array, IntArray
from gasearch.space.decisions import Space

MOST_SCALES = 32  #: Decisions that get a length scale of their own; where there are more, alike ones share one.
MOST_COLUMNS = 2048  #: Columns of the embedding; genes of larger spaces are hashed into so many.
MOST_OPTIONS = 32  #: Options of a decision that are kept apart; more are folded.
MOST_COUNTED = 8  #: Options of alike decisions that are counted each.
MOST_SUMS = 48  #: Columns of counts and costs.


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Rows of one set of genomes; squared distances in both parts mean dissimilarity."""

    choices: Array  #: (m, columns) which option each decision has.
    sums: Array  #: (m, sums) how often each option occurs among alike decisions, and logarithms of the costs.


class Encoder:
    """Turns genes and costs of one space into features; depends on the space and the number of costs alone."""

    def __init__(self, space: Space, costs: int) -> None:
        """An encoder for this space and so many exact costs per genome."""
        self._sizes = np.array(space.sizes, dtype=np.int64)
        self._ordinal = np.array(space.ordinal) & (self._sizes > 2)
        keys = [
            (name if layer else "", d.options)
            for (layer, name), d in zip(space.name_parts, space.decisions, strict=True)
        ]
        groups: dict[object, list[int]] = {}
        for index, key in enumerate(keys):
            if self._sizes[index] > 1:
                groups.setdefault(key, []).append(index)
        self._alike = [members for members in groups.values() if len(members) > 1]
        self._plan_choices(list(groups.values()))
        self._plan_sums(costs)

    def encode(self, genes: IntArray, costs: Array) -> Features:
        """The features of genomes.

        Args:
            genes: (m, decisions), -1 where a decision doesn't express.
            costs: (m, k) exact costs.
        """
        return Features(choices=self._choices(genes), sums=self._sums(genes, costs))

    # --- choices ------------------------------------------------------------------------------------------------

    def _plan_choices(self, groups: Sequence[Sequence[int]]) -> None:
        """Fix the columns: per decision a flag for each option (and for none), for ordinal ones a thermometer too."""
        self._varying = np.flatnonzero(self._sizes > 1)
        if len(self._varying) <= MOST_SCALES:
            scale_of = {int(index): number for number, index in enumerate(self._varying)}
        else:
            scale_of = {index: number % MOST_SCALES for number, members in enumerate(groups) for index in members}
        sizes, is_ordinal = self._sizes[self._varying], self._ordinal[self._varying]
        self._folded = np.minimum(sizes, MOST_OPTIONS)
        self._is_hashed = int(np.where(is_ordinal, 2 * self._folded, self._folded + 1).sum()) > MOST_COLUMNS
        if self._is_hashed:
            self.scale_of_column = np.zeros(MOST_COLUMNS, dtype=np.int64)
            return
        levels = zip(self._folded.tolist(), is_ordinal.tolist(), strict=True)
        self._rows_of_level = [_rows_of_level(*one) for one in levels]
        scales = [
            np.full(rows.shape[1], scale_of[int(index)])
            for index, rows in zip(self._varying, self._rows_of_level, strict=True)
        ]
        self.scale_of_column = np.concatenate([np.zeros(0, dtype=np.int64), *scales])

    def _choices(self, genes: IntArray) -> Array:
        if self._is_hashed:
            return np.asarray(self._hashed(genes) * 0.5**0.5)
        genes = genes[:, self._varying]
        sizes, folded = self._sizes[self._varying], self._folded
        levels = np.where(self._ordinal[self._varying], genes * folded // sizes, genes % folded)
        levels = np.where(genes < 0, folded, levels)
        blocks = [rows[level] for rows, level in zip(self._rows_of_level, levels.T, strict=True)]
        return np.concatenate([np.zeros((len(genes), 0)), *blocks], axis=1)

    def _hashed(self, genes: IntArray) -> Array:
        """Flags of (decision, option) pairs, folded into `MOST_COLUMNS` columns."""
        columns = (np.arange(genes.shape[1]) * 7919 + (genes + 1) * 104_729) % MOST_COLUMNS
        rows = np.arange(len(genes))[:, None] * MOST_COLUMNS
        flat = np.bincount((rows + columns).ravel(), minlength=len(genes) * MOST_COLUMNS)
        return flat.reshape(len(genes), MOST_COLUMNS).astype(np.float64)

    # --- sums ---------------------------------------------------------------------------------------------------

    def _plan_sums(self, costs: int) -> None:
        """Fix what is counted: (members, option) pairs, or (members, None) for the sum of an ordinal option."""
        self._counted: list[tuple[IntArray, int | None]] = []
        scales: list[int] = []
        for number, members in enumerate(self._alike):
            size = int(self._sizes[members[0]])
            columns: list[int | None] = [None] if self._ordinal[members[0]] else list(range(min(size, MOST_COUNTED)))
            if len(scales) + len(columns) + costs > MOST_SUMS:
                break
            self._counted += [(np.array(members, dtype=np.int64), option) for option in columns]
            scales += [number] * len(columns)
        first = scales[-1] + 1 if scales else 0
        kept = min(costs, MOST_SUMS)
        self._costs_kept = kept
        self.scale_of_sum = np.array([*scales, *range(first, first + kept)], dtype=np.int64)

    def _sums(self, genes: IntArray, costs: Array) -> Array:
        columns = [
            (genes[:, members] == option).sum(axis=1) if option is not None else (genes[:, members] + 1).sum(axis=1)
            for members, option in self._counted
        ]
        logs = np.log(np.clip(np.nan_to_num(costs[:, : self._costs_kept]), 1e-12, 1e150))
        return np.concatenate([np.array(columns, dtype=np.float64).reshape(len(columns), len(genes)).T, logs], axis=1)


def _rows_of_level(folded: int, is_ordinal: bool) -> Array:
    """(folded + 1, columns) how a decision's options are embedded, the last row of one that doesn't express.

    A flag for each; for an ordinal one, each option that it reaches beyond, too.
    """
    rows = np.eye(folded + 1) * 0.5**0.5
    if is_ordinal:
        reached = np.arange(folded + 1)[:, None] > np.arange(folded - 1)
        reached[-1] = False
        rows = np.concatenate([rows * 0.5**0.5, reached * (0.5 / (folded - 1)) ** 0.5], axis=1)
    left, sizes, _ = np.linalg.svd(rows - rows[0], full_matrices=False)  # the same distances in half the columns
    return np.asarray((left * sizes)[:, sizes > 1e-9])


def squared_norms(rows: Array) -> Array:
    """(m,) squared Euclidean norms of rows."""
    norms: Array = np.einsum("ij,ij->i", rows, rows)
    return norms


def squared_distances(left: Array, right: Array, right_norms: Array | None = None) -> Array:
    """(m, n) squared Euclidean distances between rows, never negative.

    Args:
        left: (m, columns).
        right: (n, columns).
        right_norms: (n,) squared, where they are known.
    """
    distances = left @ right.T
    distances *= -2.0
    distances += squared_norms(left)[:, None]
    distances += squared_norms(right) if right_norms is None else right_norms
    positive: Array = np.maximum(distances, 0.0, out=distances)
    return positive
