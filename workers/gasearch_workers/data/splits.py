"""Splits: by class where there are classes, each part holding each class in its share of the whole; else plain.

The same seed gives the same parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.source import Source

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
MOST_VALIDATION = 10_000  #: Samples; more would cost time and tell little (standard error 0.5 points at worst).


def split_source(source: Source, *, seed: int) -> tuple[Split, Split, Split]:
    """Train, validation and test, the latter two as the source gives them or held out of the first.

    Raises:
        DataError: if there are too few samples, or a part leaves a class out.
    """
    is_stratified = source.kind == "classification"
    train, validation, test = source.parts.train, source.parts.validation, source.parts.test
    if test is None:
        count = round(len(train) * TEST_SHARE)
        train, test = hold_out(train, count, seed=seed, name=source.name, is_stratified=is_stratified)
    if validation is None:
        count = min(round(len(train) * VALIDATION_SHARE), MOST_VALIDATION)
        train, validation = hold_out(train, count, seed=seed + 1, name=source.name, is_stratified=is_stratified)
    for part, what in ((validation, "validation"), (test, "test")) if is_stratified else ():
        for left_out in np.flatnonzero(np.bincount(part.y, minlength=source.outputs) == 0)[:1]:
            name = repr(source.labels[left_out]) if source.labels else str(left_out)
            raise DataError(  # its score would say nothing of that class
                f"{source.name}: the {what} part must hold every class; it leaves out {name}, of which the training "
                f"part has {int((source.parts.train.y == left_out).sum())} samples (more samples, or fewer classes, "
                "would do)"
            )
    return train, validation, test


def hold_out(split: Split, count: int, *, seed: int, name: str, is_stratified: bool = True) -> tuple[Split, Split]:
    """Cut `count` samples off; both parts keep the order of the samples.

    Args:
        split: What to cut.
        count: Samples to hold out.
        seed: Of the choice, within each class where there are classes.
        name: Of the dataset, for the error.
        is_stratified: Whether `y` are labels 0 .. classes - 1, each of which keeps at least one sample in the rest.

    Returns:
        (rest, held out).

    Raises:
        DataError: if none would be held out, or nothing would be left, of any class.
    """
    sizes = np.bincount(split.y) if is_stratified else np.array([len(split)])
    quotas = _quotas(sizes, count)
    if quotas.sum() != count or count < 1:
        each, found = (" of each class", f" in {len(sizes)} classes, the smallest with {sizes.min()}")
        raise DataError(
            f"{name}: expected enough samples{each * is_stratified} for training, validation and test; "
            f"to hold out {count} for one of them, got {len(split)} samples{found * is_stratified}"
        )
    rng = np.random.default_rng(seed)
    is_held_out = np.zeros(len(split), dtype=bool)
    for label, quota in enumerate(quotas):
        members = np.flatnonzero(split.y == label) if is_stratified else np.arange(len(split))
        is_held_out[rng.permutation(members)[:quota]] = True
    return split.chosen(~is_held_out), split.chosen(is_held_out)


def _quotas(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The samples of each class to hold out: its share rounded by largest remainders, at most all but one."""
    exact = sizes * (count / sizes.sum())
    quotas = np.minimum(np.floor(exact), sizes - 1).astype(np.int64)
    for label in np.argsort(quotas - exact, kind="stable"):
        if quotas.sum() < count and quotas[label] < sizes[label] - 1:
            quotas[label] += 1
    return np.asarray(quotas)
