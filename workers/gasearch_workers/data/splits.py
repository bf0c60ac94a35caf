"""Splits: by class where there are classes, each part holding each class in its share of the whole; else plain.

The same seed gives the same parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
MOST_VALIDATION = 10_000  #: Samples; more would cost time and tell little (standard error 0.5 points at worst).


def hold_out(split: Split, count: int, *, seed: int, name: str) -> tuple[Split, Split]:
    """Cut `count` samples off, stratified by label; both parts keep the order of the samples.

    Args:
        split: What to cut, with labels 0 .. classes - 1.
        count: Samples to hold out.
        seed: Of the choice within each class.
        name: Of the dataset, for the error.

    Returns:
        (rest, held out). Each class keeps at least one sample in the rest.

    Raises:
        DataError: if the classes are too small to give that many, or none would be held out.
    """
    sizes = np.bincount(split.y)
    quotas = _quotas(sizes, count)
    if quotas.sum() != count or count < 1:
        raise DataError(
            f"{name}: expected enough samples of each class for training, validation and test; "
            f"to hold out {count} for one of them, got {len(split)} samples in {len(sizes)} classes, "
            f"the smallest with {sizes.min()}"
        )
    rng = np.random.default_rng(seed)
    is_held_out = np.zeros(len(split), dtype=bool)
    for label, quota in enumerate(quotas):
        is_held_out[rng.permutation(np.flatnonzero(split.y == label))[:quota]] = True
    return split.chosen(~is_held_out), split.chosen(is_held_out)


def hold_out_plain(split: Split, count: int, *, seed: int, name: str) -> tuple[Split, Split]:
    """Cut `count` samples off by chance alone; both parts keep the order of the samples.

    Returns:
        (rest, held out).

    Raises:
        DataError: if no sample would be left, or none would be held out.
    """
    if not 1 <= count < len(split):
        raise DataError(
            f"{name}: expected enough samples for training, validation and test; "
            f"to hold out {count} for one of them, got {len(split)} samples"
        )
    is_held_out = np.zeros(len(split), dtype=bool)
    is_held_out[np.random.default_rng(seed).permutation(len(split))[:count]] = True
    return split.chosen(~is_held_out), split.chosen(is_held_out)


def _quotas(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many of each class to hold out: its share rounded by largest remainders, at most all but one."""
    exact = sizes * (count / sizes.sum())
    quotas = np.minimum(np.floor(exact), sizes - 1).astype(np.int64)
    for label in np.argsort(quotas - exact, kind="stable"):
        if quotas.sum() < count and quotas[label] < sizes[label] - 1:
            quotas[label] += 1
    return np.asarray(quotas)
