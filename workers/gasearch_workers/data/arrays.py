"""From the arrays that a file holds to checked samples and labels in the two forms that networks take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source
from gasearch_workers.messages import TaskKind

Array = NDArray[Any]


def make_source(
    name: str,
    where: str,
    parts: Parts[tuple[Array, Array]],
    *,
    kind: TaskKind | None = None,
    labels: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
) -> Source:
    """Check and convert raw arrays.

    Args:
        name: Of the dataset.
        where: The file, for errors.
        parts: Samples and labels of each part.
        kind: Classification or regression; None: a table with floating targets is regression, all else classification.
        labels: Names of the classes, where they have names.
        columns: Names of a table's features, where they have names.

    Raises:
        DataError: saying which array is wrong, what was expected and what came.
    """
    if kind not in (None, "classification", "regression"):
        raise DataError(f"{where}: arrays serve classification or regression; got kind {kind!r}")
    x, y = parts.train
    is_regression = kind == "regression" or (kind is None and x.ndim == 2 and y.dtype.kind == "f")
    train = _split(x, y, f"{where}: x_train", f"{where}: y_train", is_regression=is_regression)
    classes = 1 if is_regression else _count_classes(train.y, f"{where}: y_train")

    def other(what: str, arrays: tuple[Array, Array] | None) -> Split | None:
        if arrays is None:
            return None
        split = _split(*arrays, f"{where}: x_{what}", f"{where}: y_{what}", is_regression=is_regression)
        _check_like(split, train, what, classes=None if is_regression else classes, where=where)
        return split

    return Source(
        name=name,
        kind="regression" if is_regression else "classification",
        input_kind="image" if train.x.ndim == 4 else "table",
        parts=Parts(train, other("validation", parts.validation), other("test", parts.test)),
        outputs=classes,
        labels=labels,
        columns=columns,
    )


def _split(x: Array, y: Array, x_name: str, y_name: str, *, is_regression: bool) -> Split:
    samples = _samples(x, x_name)
    if is_regression and samples.ndim != 2:
        raise DataError(f"{x_name} must hold a table of the shape (count, features) for regression; got {x.shape}")
    labels = _targets(y, y_name) if is_regression else _labels(y, y_name)
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


def _targets(y: Array, name: str) -> NDArray[np.float32]:
    """(count,) or (count, 1) of any number type -> float32."""
    y = _one_each(y, name, "number")
    if y.dtype.kind not in "uif":
        raise DataError(f"{name} must hold numbers for regression; got type {y.dtype}")
    with np.errstate(over="ignore"):
        targets = np.ascontiguousarray(y, dtype=np.float32)
    for sample in np.flatnonzero(~np.isfinite(targets))[:1]:
        raise DataError(f"{name} must hold finite float32 numbers; got {y[sample]} at sample {sample}")
    return targets


def _labels(y: Array, name: str) -> NDArray[np.int64]:
    """(count,) or (count, 1) of any type of whole numbers -> int64."""
    y = _one_each(y, name, "class number")
    if y.dtype.kind not in "ui":
        raise DataError(f"{name} must hold integer labels 0 .. classes - 1; got type {y.dtype}")
    if len(y) and (y.min() < 0 or y.max() >= 2**31):
        wrong = int(y.min()) if y.min() < 0 else int(y.max())
        raise DataError(f"{name} must hold labels 0 .. classes - 1; got {wrong} at sample {int(np.argmax(y == wrong))}")
    return np.ascontiguousarray(y, dtype=np.int64)


def _one_each(y: Array, name: str, noun: str) -> Array:
    """(count,) or (count, 1) -> (count,)."""
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{name} must have the shape (count,), one {noun} per sample; got {y.shape}")
    return y


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


def _check_like(part: Split, train: Split, what: str, *, classes: int | None, where: str) -> None:
    if part.x.shape[1:] != train.x.shape[1:] or part.x.dtype != train.x.dtype:
        raise DataError(
            f"{where}: x_{what} must hold samples like those of x_train, {train.x.shape[1:]} {train.x.dtype}; "
            f"got {part.x.shape[1:]} {part.x.dtype}"
        )
    if classes is not None and part.y.max() >= classes:
        raise DataError(f"{where}: y_{what} must hold labels 0 .. {classes - 1} as y_train does; got {part.y.max()}")
