"""From the arrays that a file holds to checked samples and labels in the two forms that networks take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import MOST_INTEGER_CLASSES
from gasearch_workers.data.offsets import READ_TINY, Centred, centre, offsets_of
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.messages import TaskKind

Array = NDArray[Any]
MOST_CHANNELS = 4  #: Of an image, as far as its axes are told by their sizes.


def make_source(
    where: str,
    parts: Parts[tuple[Array, Array]],
    *,
    kind: TaskKind | None = None,
    channels: str | None = None,
    labels: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
) -> Source:
    """Check and convert raw arrays.

    Args:
        where: The file, for errors.
        parts: Samples and labels of each part.
        kind: Classification or regression; None: a table with floating targets is regression, all else classification.
        channels: Which axis of images of four axes holds the channels, "first" (behind the samples) or "last"; None: it
            is told from the sizes.
        labels: Names of the classes, where they have names.
        columns: Names of a table's features, where they have names.

    Raises:
        DataError: saying which array is wrong, what was expected and what came.
    """
    if kind not in (None, "classification", "regression"):
        raise DataError(f"{where}: arrays serve classification or regression; got kind {kind!r}")
    x, y = parts.train
    is_regression = kind == "regression" or (kind is None and x.ndim == 2 and y.dtype.kind == "f")
    if kind is None and is_regression and (y == np.rint(y)).all() and len(np.unique(y)) <= MOST_INTEGER_CLASSES:
        raise DataError(
            f"{where}: expected classes as an array of integers, or targets that aren't all whole; y_train holds "
            f"{len(np.unique(y))} different whole numbers as {y.dtype} (task.kind: classification, or regression)"
        )
    samples, targets = [], []
    for what, (x, y) in parts.named:
        samples.append(_samples(x, f"{where}: x_{what}", channels))
        if is_regression and samples[-1].ndim != 2:
            raise DataError(
                f"{where}: x_{what} must hold a table of the shape (count, features) for regression; got {x.shape}"
            )
        targets.append(_targets(y, f"{where}: y_{what}", len(samples[-1]), is_regression=is_regression))
    classes = None if is_regression else _count_classes(targets[0], f"{where}: y_train")
    for (what, _), like, told in zip(parts.named[1:], samples[1:], targets[1:], strict=True):
        _check_like(like, samples[0], told, what, classes=classes, where=where)
    is_image = samples[0].ndim == 4
    is_small = all(one.dtype.itemsize <= 2 for one in samples)  # float32 holds whatever 16 bits do
    tables = [] if is_image or is_small else _centred_columns(samples, where, columns)
    if any(column.offset for column in tables):
        samples = [np.stack([column.parts[part] for column in tables], axis=1) for part in range(len(samples))]
    elif not is_image:
        samples = [np.ascontiguousarray(one, dtype=np.float32) for one in samples]
    target = centre(targets, "the target", where, "take them minus an offset") if is_regression else None
    return Source(
        name=parts.name,
        kind="regression" if is_regression else "classification",
        input_kind="image" if is_image else "table",
        parts=parts.refilled(
            Split(x=x, y=y) for x, y in zip(samples, target.parts if target else targets, strict=True)
        ),
        outputs=classes or 1,
        labels=labels,
        columns=columns,
        offsets=offsets_of(tables),
        target_offset=target.offset if target else 0.0,
        notes=tuple(note for column in (*tables, *((target,) if target else ())) for note in column.notes),
        reading=READ_TINY if any(column.is_tiny for column in tables) else (),
    )


def _centred_columns(tables: list[Array], where: str, columns: tuple[str, ...]) -> list[Centred]:
    """The columns of tables (count, features)."""
    names = tuple(map(repr, columns)) or tuple(f"number {place}" for place in range(tables[0].shape[1]))
    advice = "take them minus an offset, or leave the column out"
    return [
        centre([table[:, place] for table in tables], f"the column {name}", where, advice)
        for place, name in enumerate(names)
    ]


def _samples(x: Array, name: str, channels: str | None) -> Array:
    """Images (N, C, H, W) uint8, or a table (N, features) of any number type whose values float32 can hold."""
    if x.dtype.kind not in "uif":
        raise DataError(f"{name} must hold numbers; got type {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{name} must have the shape (count, features), (count, height, width), (count, height, width, channels) "
            f"or (count, channels, height, width); got {x.shape}"
        )
    if x.size == 0:
        raise DataError(f"{name} must hold at least one sample; got the shape {x.shape}")
    if x.ndim == 2:
        return _finite(x, name)
    if x.dtype != np.uint8:
        raise DataError(
            f"{name} must hold images as uint8 (0..255); got type {x.dtype} with the shape {x.shape} "
            f"and values from {x.min():g} to {x.max():g}"
        )
    if x.ndim == 3:
        x = x[:, np.newaxis]  # (N, H, W) -> (N, 1, H, W)
    elif (channels or _channels(x.shape, name)) == "last":
        x = x.transpose(0, 3, 1, 2)  # (N, H, W, C) -> (N, C, H, W)
    return np.ascontiguousarray(x)


def _finite(x: Array, name: str) -> Array:
    """The numbers, (count,) or (count, features), which are finite as float32 too."""
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(x.astype(np.float32, copy=False))
    for place in map(tuple, np.argwhere(~is_finite)[:1]):
        at = f"at sample {place[0]}" if x.ndim == 1 else f"in row {place[0]}, column {place[1]}"
        raise DataError(f"{name} must hold finite float32 numbers; got {x[place]} {at}")
    return x


def _channels(shape: tuple[int, ...], name: str) -> str:
    """The axis of images that holds the channels: the only one of 1 to 4, or that beside two equal sides."""
    _, first, middle, last = shape
    few = {"first": first <= MOST_CHANNELS < last, "last": last <= MOST_CHANNELS < first}
    square = {"first": middle == last != first, "last": first == middle != last}
    votes = {side for side in ("first", "last") if few[side] or square[side]}
    if len(votes) == 1:
        return votes.pop()
    raise DataError(
        f"{name} must hold images whose axis of channels can be told: of the shape {shape} it may be (count, channels, "
        "height, width) or (count, height, width, channels) (task.channels: first, or last)"
    )


def _targets(y: Array, name: str, count: int, *, is_regression: bool) -> Array:
    """(count,) or (count, 1) -> (count,): numbers of any type that float32 can hold, or classes as int64."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        noun = "number" if is_regression else "class number"
        raise DataError(f"{name} must have the shape (count,), one {noun} per sample; got {y.shape}")
    if not is_regression:
        y = _labels(y, name)
    elif y.dtype.kind not in "uif":
        raise DataError(f"{name} must hold numbers for regression; got type {y.dtype}")
    else:
        y = _finite(y, name)
    if len(y) != count:
        raise DataError(f"{name} must have one label per sample; got {len(y)} labels for {count} samples")
    return y


def _labels(y: Array, name: str) -> NDArray[np.int64]:
    """Classes (count,) of any type of whole numbers -> int64."""
    if y.dtype.kind == "f" and (y == np.rint(y)).all() and (np.abs(y) < 2**31).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "ui":
        raise DataError(f"{name} must hold integer labels 0 .. classes - 1; got type {y.dtype}")
    for sample in np.flatnonzero((y < 0) | (y >= 2**31))[:1]:
        raise DataError(f"{name} must hold labels 0 .. classes - 1; got {y[sample]} at sample {sample}")
    return np.ascontiguousarray(y, dtype=np.int64)


def _count_classes(y: NDArray[np.int64], name: str) -> int:
    """Number of classes, each number up to the largest label being one."""
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


def _check_like(part: Array, train: Array, targets: Array, what: str, *, classes: int | None, where: str) -> None:
    if part.shape[1:] != train.shape[1:]:
        raise DataError(
            f"{where}: x_{what} must hold samples like those of x_train, {train.shape[1:]}; got {part.shape[1:]}"
        )
    if classes is not None and targets.max() >= classes:
        raise DataError(f"{where}: y_{what} must hold labels 0 .. {classes - 1} as y_train does; got {targets.max()}")
