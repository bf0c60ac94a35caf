"""Spaces and evidence that the tests of the surrogate share."""

from __future__ import annotations

import numpy as np

from gasearch.evolution.surrogate.evidence import Evidence
from gasearch.space.decisions import Decision, Space


def plain_space(decisions: int = 6, options: int = 4) -> Space:
    names = tuple("abcdefgh"[:options])
    return Space(family="custom", decisions=tuple(Decision(name=f"d{i}", options=names) for i in range(decisions)))


def random_genes(space: Space, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, count) for size in space.sizes], axis=1)


def two_wvalues(genes: np.ndarray) -> np.ndarray:
    """A gain with an interaction, and a price: (n, 2)."""
    gain = (genes[:, :-1] * (1 + genes[:, 1:] % 2)).sum(axis=1)
    return np.stack([np.sqrt(gain), -np.exp(genes.sum(axis=1) / 4.0)], axis=1)


def evidence_of(genes, wvalues, *, costs=None, violations=None, is_partial=None) -> Evidence:
    count, genes = len(genes), np.asarray(genes)
    costs = np.zeros((count, 0)) if costs is None else costs
    return Evidence(
        encoded=lambda rows: (genes[rows], costs[rows]),
        wvalues=wvalues,
        violations=np.zeros(count) if violations is None else violations,
        is_partial=np.zeros(count, dtype=bool) if is_partial is None else is_partial,
    )
