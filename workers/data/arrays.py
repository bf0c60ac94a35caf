"""From the arrays that a file holds to checked samples and labels in the two forms that networks take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.data.dataset import DataError, Split

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a file holds: a training part, perhaps a test part, checked."""

    name: str
    train: Split
    test: Split | None
    classes: int

    def fingerprint(self) -> str:
        """16 hexadecimal digits over shape, type and bytes of every array; the file format plays no part."""
        digest = hashlib.blake2b(digest_size=8)
        for split in (self.train, self.test):
            for array in () if split is None else (split.x, split.y):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def make_source(name: str, where: str, *, train: tuple[Array, Array], test: tuple[Array, Array] | None) -> Source:
    """Check and convert raw arrays.

    Args:
        name: Of the dataset.
        where: The file, for errors.
        train: Samples and labels.
        test: The same, or None where the file has no test part.

    Raises:
        DataError: saying which array is wrong, what was expected and what came.
    """
    train_split = _split(*train, f"{where}: x_train", f"{where}: y_train")
    test_split = None if test is None else _split(*test, f"{where}: x_test", f"{where}: y_test")
    classes = _count_classes(train_split.y, f"{where}: y_train")
    if test_split is not None:
        _check_like(test_split, train_split, classes, where)
    return Source(name=name, train=train_split, test=test_split, classes=classes)


def _split(x: Array, y: Array, x_name: str, y_name: str) -> Split:
    samples, labels = _samples(x, x_name), _labels(y, y_name)
    if len(samples) != len(labels):
        raise DataError(f"{y_name} must have one label per sample; got {len(labels)} labels for {len(samples)} samples")
    return Split(x=samples, y=labels)


def _samples(x: Array, name: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    if x.dtype.kind not in "uif":
        raise DataError(f"{name} must hold numbers; got type {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{name} must have the shape (count, features), (count, height, width), (count, height, width, channels) "
            f"or (count, channels, height, width); got {x.shape}"
        )
    if x.size == 0:
        raise DataError(f"{name} must hold at least one sample; got the shape {x.shape}")
    return _table(x, name) if x.ndim == 2 else _images(x, name)


def _table(x: Array, name: str) -> NDArray[np.float32]:
    """(count, features) of any number type -> float32."""
    with np.errstate(over="ignore"):
        table = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise DataError(f"{name} must hold finite float32 numbers; got {x[row, column]} in row {row}, column {column}")
    return table


def _images(x: Array, name: str) -> NDArray[np.uint8]:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) -> (N, C, H, W)."""
    if x.dtype != np.uint8:
        raise DataError(
            f"{name} must hold images as uint8 (0..255); got type {x.dtype} with the shape {x.shape} "
            f"and values from {x.min():g} to {x.max():g}"
        )
    if x.ndim == 3:
        x = x[:, np.newaxis]
    elif x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x)


def _labels(y: Array, name: str) -> NDArray[np.int64]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{name} must have the shape (count,), one class number per sample; got {y.shape}")
    if y.dtype.kind not in "ui":
        raise DataError(f"{name} must hold integer labels 0 .. classes - 1; got type {y.dtype}")
    if len(y) and (y.min() < 0 or y.max() >= 2**31):
        wrong = int(y.min()) if y.min() < 0 else int(y.max())
        raise DataError(f"{name} must hold labels 0 .. classes - 1; got {wrong} at sample {int(np.argmax(y == wrong))}")
    return np.ascontiguousarray(y, dtype=np.int64)


def _count_classes(y: NDArray[np.int64], name: str) -> int:
    """Number of classes.

    Raises:
        DataError: if there is only one, or if a number between 0 and the largest label never occurs.
    """
    found = np.unique(y)
    gaps = np.flatnonzero(found != np.arange(len(found)))
    if len(gaps):
        raise DataError(
            f"{name} must hold labels 0 .. classes - 1 without gaps; got {len(found)} different labels "
            f"from {found[0]} to {found[-1]}, but no {gaps[0]}"
        )
    if len(found) < 2:
        raise DataError(f"{name} must hold at least 2 classes; got only label {found[0]}")
    return len(found)


def _check_like(test: Split, train: Split, classes: int, where: str) -> None:
    if test.x.shape[1:] != train.x.shape[1:] or test.x.dtype != train.x.dtype:
        raise DataError(
            f"{where}: x_test must hold samples like those of x_train, {train.x.shape[1:]} {train.x.dtype}; "
            f"got {test.x.shape[1:]} {test.x.dtype}"
        )
    if test.y.max() >= classes:
        raise DataError(f"{where}: y_test must hold labels 0 .. {classes - 1} as y_train does; got {test.y.max()}")
