"""Genomes as numbers whose distances say how alike two networks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gasearch.evolution.surrogate.evidence import Array, IntArray
from gasearch.space.decisions import Space

MOST_SCALES = 32  #: Decisions that get a length scale of their own; where there are more, alike ones share one.
MOST_COLUMNS = 2048  #: Columns of the embedding; genes of larger spaces are hashed into so many.
MOST_OPTIONS = 32  #: Options of a decision that are told apart; more are folded.
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
        """Fix the columns: per decision a flag for each option (and a hole), for ordinal ones a thermometer too."""
        self._varying = np.flatnonzero(self._sizes > 1)
        if len(self._varying) <= MOST_SCALES:
            scale_of = {int(index): number for number, index in enumerate(self._varying)}
        else:
            scale_of = {index: number % MOST_SCALES for number, members in enumerate(groups) for index in members}
        folded = np.minimum(self._sizes, MOST_OPTIONS)
        wide = [2 * int(folded[i]) if self._ordinal[i] else int(folded[i]) + 1 for i in self._varying]
        self._is_hashed = sum(wide) > MOST_COLUMNS
        if self._is_hashed:
            self.scale_of_column = np.zeros(MOST_COLUMNS, dtype=np.int64)
            self._column_weights = np.full(MOST_COLUMNS, 0.5)
        else:
            scales: list[int] = []
            weights: list[float] = []
            for index in self._varying:
                flags = int(folded[index]) + 1
                share = 0.25 if self._ordinal[index] else 0.5
                weights += [share] * flags
                if self._ordinal[index]:
                    weights += [0.5 / (folded[index] - 1)] * (int(folded[index]) - 1)
                scales += [scale_of[int(index)]] * (len(weights) - len(scales))
            self.scale_of_column = np.array(scales, dtype=np.int64)
            self._column_weights = np.array(weights)
        self.scales = int(self.scale_of_column.max(initial=-1)) + 1  # length scales of the choices

    def _choices(self, genes: IntArray) -> Array:
        if self._is_hashed:
            return np.asarray(self._hashed(genes) * np.sqrt(self._column_weights))
        blocks: list[Array] = []
        for index in self._varying:
            gene, size = genes[:, index], int(self._sizes[index])
            folded = min(size, MOST_OPTIONS)
            is_ordinal = bool(self._ordinal[index])
            level = gene * folded // size if is_ordinal else gene % folded
            level = np.where(gene < 0, folded, level)
            blocks.append((level[:, None] == np.arange(folded + 1)).astype(np.float64))
            if is_ordinal:
                reached = (level[:, None] > np.arange(folded - 1)) & (gene >= 0)[:, None]
                blocks.append(reached.astype(np.float64))
        if not blocks:
            return np.zeros((len(genes), 0))
        embedded: Array = np.concatenate(blocks, axis=1) * np.sqrt(self._column_weights)
        return embedded

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
        self.sum_scales = int(self.scale_of_sum.max(initial=-1)) + 1

    def _sums(self, genes: IntArray, costs: Array) -> Array:
        columns = [
            (genes[:, members] == option).sum(axis=1) if option is not None else (genes[:, members] + 1).sum(axis=1)
            for members, option in self._counted
        ]
        logs = np.log(np.clip(np.nan_to_num(costs[:, : self._costs_kept]), 1e-12, 1e150))
        return np.concatenate([np.array(columns, dtype=np.float64).reshape(len(columns), len(genes)).T, logs], axis=1)


def squared_distances(left: Array, right: Array) -> Array:
    """(m, n) squared Euclidean distances between rows, never negative."""
    cross = left @ right.T
    distances = (left * left).sum(axis=1)[:, None] + (right * right).sum(axis=1)[None, :] - 2.0 * cross
    positive: Array = np.maximum(distances, 0.0)
    return positive
