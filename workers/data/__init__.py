"""Datasets: found by name or path, checked, split, fingerprinted."""

from __future__ import annotations

import difflib
from pathlib import Path

from workers.data.arrays import Source
from workers.data.dataset import DataError as DataError
from workers.data.dataset import Dataset
from workers.data.digits import read_digits
from workers.data.files import read_npz
from workers.data.idx import is_idx, read_idx
from workers.data.splits import MOST_VALIDATION, TEST_SHARE, VALIDATION_SHARE, hold_out

BUILT_IN = {"digits": read_digits}


def load_dataset(source: str, *, seed: int = 0) -> Dataset:
    """Load, check and split a dataset.

    Args:
        source: "digits", the path of a `.npz` file, or the path of IDX training images or of their folder.
        seed: Of the splits that the source doesn't make itself: 20 % of all for the test, 20 % of the training samples
            (at most 10,000) for validation, stratified by label.

    Raises:
        DataError: if the source is unknown or can't be used.
    """
    found = _read(source)
    train, test = found.train, found.test
    if test is None:
        train, test = hold_out(train, round(len(train) * TEST_SHARE), seed=seed, name=found.name)
    count = min(round(len(train) * VALIDATION_SHARE), MOST_VALIDATION)
    train, validation = hold_out(train, count, seed=seed + 1, name=found.name)
    return Dataset(
        name=found.name,
        kind="classification",
        train=train,
        validation=validation,
        test=test,
        classes=found.classes,
        fingerprint=found.fingerprint(),
    )


def _read(source: str) -> Source:
    if source in BUILT_IN:
        return BUILT_IN[source]()
    path = Path(source).expanduser()
    if path.suffix == ".npz":
        return read_npz(path)
    if is_idx(path):
        return read_idx(path)
    if path.exists() or path.suffix or len(path.parts) > 1:
        raise DataError(
            f"{source}: expected a NumPy archive (.npz) or IDX images (train-images-idx3-ubyte[.gz]); "
            + ("the file is named otherwise" if path.exists() else "there is no such file")
        )
    raise DataError(f"unknown dataset {source!r}; {_suggestion(source)}")


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, BUILT_IN, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(BUILT_IN)}, or the path of an .npz or IDX file"
