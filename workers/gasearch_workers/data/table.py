"""Tables: columns of numbers and of categories, a target that is a class or a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import in_one_case, is_boolean, name_classes, number_classes, shown, sort_names
from gasearch_workers.data.number_format import PLAIN, NumberFormat
from gasearch_workers.data.numbers import (
    MOST,
    label_marks,
    missing_marks,
    number_format,
    read_numbers,
    require_one_decimal_mark,
)
from gasearch_workers.data.offsets import READ_TINY, Centred, centre
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.rows import Rows, find_known
from gasearch_workers.data.source import Source
from gasearch_workers.messages import TaskKind

MOST_INTEGER_CLASSES = 20  #: Different whole numbers that a target of unnamed kind may hold to be taken as classes.
MOST_CATEGORIES = 1_000  #: Different words in a column that isn't named as categorical; more are names or texts.
FEWEST_NAMES = 10  #: Cells of a column of words that may all be different.


def make_table_source(name: str, parts: Parts[Rows], options: DataOptions) -> Source:
    """Tell which columns are numbers and which categories, and turn all into numbers.

    Args:
        name: Of the dataset.
        parts: With the same columns; the training part decides about their types.
        options: Which columns are what, as far as it is said; its columns exist.

    Raises:
        DataError: with file and line, if a cell or the choice of columns can't be used.
    """
    train = parts.train
    target = _target(train, options)
    kind, target_format = _kind(parts, target, options)
    features = options.features or tuple(column for column in train.names if column != target)
    if target in features:
        raise DataError(f"{train.file}: the target {target!r} can't be one of the features")
    found = {
        column: None if column in options.categorical else number_format(parts, column, options) for column in features
    }
    formats = {column: form for column, form in found.items() if form is not None}
    require_one_decimal_mark(train, formats | ({target: target_format} if kind == "regression" else {}))
    categorical = tuple(column for column in features if column not in formats)
    cells = {column: _cells(parts, column, options) for column in categorical}
    words = tuple(_words(parts, column, cells[column], options) for column in categorical)
    numeric = [_numeric(parts, column, form, options) for column, form in formats.items()]
    marked = [
        note
        for column in formats
        for note in (_missing_note(parts, column, options), _name_note(train, column))
        if note is not None
    ]
    y, target_offset, classes, target_notes = _targets(parts, target, kind, target_format, options)

    def split(number: int) -> Split:
        return Split(x=_features(number, numeric, [cells[column] for column in categorical], words), y=y[number])

    given = iter(range(len(parts.given)))
    offsets = tuple(column.offset for column in numeric)
    return Source(
        name=name,
        kind=kind,
        input_kind="table",
        parts=parts.map(lambda _: split(next(given))),
        outputs=len(classes) or 1,
        labels=classes,
        columns=(*formats, *categorical),
        words=words,
        offsets=offsets if any(offsets) else (),
        target_offset=target_offset,
        formats=tuple(formats.values()),
        missing=missing_marks(options),
        is_boolean=tuple(is_boolean(one) for one in words),
        reading=READ_TINY if any(column.is_tiny for column in numeric) else (),
        notes=(*marked, *(note for column in numeric for note in column.notes), *target_notes),
    )


def _target(rows: Rows, options: DataOptions) -> str:
    target = options.target or find_known(rows, "target")
    if target is None:
        raise DataError(
            f"{rows.file}: expected the column to predict in task.target; the columns are {shown(rows.names)}"
        )
    return target


def _kind(parts: Parts[Rows], target: str, options: DataOptions) -> tuple[TaskKind, NumberFormat]:
    """What is asked for, else: words and few whole numbers are classes, other numbers amounts; and the format."""
    rows = parts.train
    if options.kind in ("tagging", "rating"):
        raise DataError(f"{rows.file}: a table serves classification or regression; got kind {options.kind!r}")
    if options.kind == "classification":
        return options.kind, PLAIN
    form = number_format(parts, target, options, is_target=True)
    if form is None or options.kind is not None:
        return options.kind or "classification", form or PLAIN
    cells = set(rows.column(target)) - set(missing_marks(options))
    values = [form.value(cell) for cell in cells]
    is_whole = form.decimal not in "".join(cells) and all(
        value == round(value) for value in values if abs(value) <= MOST
    )
    return "classification" if is_whole and len(cells) <= MOST_INTEGER_CLASSES else "regression", form


def _targets(
    parts: Parts[Rows], target: str, kind: TaskKind, form: NumberFormat, options: DataOptions
) -> tuple[list[NDArray[Any]], float, tuple[str, ...], tuple[str, ...]]:
    """What is to be told, for each part; what it was taken minus of; the classes' names; notes."""
    if kind == "regression":
        given = [read_numbers(part, target, form) for part in parts.given]
        found = centre(given, f"the target {target!r}", _file(parts), "take them minus an offset")
        return list(found.parts), found.offset, (), found.notes
    cells = _cells(parts, target, options)
    classes = name_classes(cells[0], parts.train.at, missing=label_marks(options))
    return (
        [number_classes(one, classes, part.at) for one, part in zip(cells, parts.given, strict=True)],
        0.0,
        classes,
        (),
    )


def _cells(parts: Parts[Rows], column: str, options: DataOptions) -> list[Sequence[str]]:
    """The names in a column of each part; true and false, in whatever case, are two."""
    return in_one_case([part.column(column) for part in parts.given], label_marks(options))


def _words(parts: Parts[Rows], column: str, cells: list[Sequence[str]], options: DataOptions) -> tuple[str, ...]:
    """The categories of all parts, sorted.

    Raises:
        DataError: if there are too many, or most occur once, unless they are asked for.
    """
    is_named = column in options.categorical
    words = sort_names({cell for one in cells for cell in one} - set(missing_marks(options, of_names=True)))
    hint = "leave it out of task.features, or name it in task.categorical or task.text"
    if len(words) > MOST_CATEGORIES and not is_named:
        raise DataError(
            f"{parts.train.file}: expected at most {MOST_CATEGORIES} categories in the column {column!r}; "
            f"got {len(words)} ({hint})"
        )
    counts = Counter(cell for cell in cells[0] if cell in set(words))
    single = sum(count == 1 for count in counts.values())
    if not is_named and counts.total() > FEWEST_NAMES and 2 * single > counts.total():
        raise DataError(
            f"{parts.train.file}: expected categories that recur in the column {column!r}; "
            f"{single} of {counts.total()} cells are names that occur once, such as "
            f"{shown(sorted(counts)[:2])} ({hint})"
        )
    return words


def _numeric(parts: Parts[Rows], column: str, form: NumberFormat, options: DataOptions) -> Centred:
    marks = missing_marks(options)
    return centre(
        [read_numbers(part, column, form, marks, allows_missing=True) for part in parts.given],
        f"the column {column!r}",
        _file(parts),
        "leave the column out of task.features, or name it in task.categorical where its numbers are names",
    )


def _missing_note(parts: Parts[Rows], column: str, options: DataOptions) -> str | None:
    """What is said of marks of missing values other than "" and "?"."""
    different = {cell for part in parts.given for cell in part.column(column)} - {"", "?"}
    marks = [mark for mark in missing_marks(options) if mark in different]
    if not marks or options.missing is not None:
        return None
    found = {mark: sum(part.column(column).count(mark) for part in parts.given) for mark in marks}
    marks_found = ", ".join(map(repr, found))
    return f"the column {column!r}: {sum(found.values())} cells with {marks_found} hold no value (task.missing)"


def _name_note(train: Rows, column: str) -> str | None:
    """What is said of numbers that may be names: that number the rows, or begin with a zero."""
    cells = train.column(column)
    what = None
    if cells[0] in ("0", "1") and cells in (
        tuple(map(str, range(len(cells)))),
        tuple(map(str, range(1, len(cells) + 1))),
    ):
        what = "number the rows"
    elif all(cell.isdecimal() for cell in cells if cell) and any(cell[:1] == "0" and cell.strip("0") for cell in cells):
        what = "begin with zeros"
    hint = "task.features leaves columns out, task.categorical names those of names"
    return what and f"the cells of the column {column!r} {what}, and are read as amounts ({hint})"


def _features(
    part: int, numeric: Sequence[Centred], cells: Sequence[list[Sequence[str]]], words: Sequence[tuple[str, ...]]
) -> NDArray[np.float32]:
    """(rows, features) with NaN for missing numbers, 0 for missing categories, else 1 + word."""
    columns: list[Any] = [column.parts[part] for column in numeric]
    for one, known in zip(cells, words, strict=True):
        codes = {word: code for code, word in enumerate(known, start=1)}
        columns.append([codes.get(cell, 0) for cell in one[part]])
    return np.ascontiguousarray(np.array(columns, dtype=np.float32).T)


def _file(parts: Parts[Rows]) -> str:
    return parts.train.file
