"""Tables: columns of numbers and of categories, a target that is a class or a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import PLAIN, DataError, NumberFormat, Split
from gasearch_workers.data.labels import (
    MOST_INTEGER_CLASSES,
    in_one_case,
    is_boolean,
    name_classes,
    number_names,
    shown,
    sort_names,
)
from gasearch_workers.data.numbers import (
    MOST,
    label_marks,
    missing_marks,
    number_format,
    read_numbers,
    require_one_decimal_mark,
)
from gasearch_workers.data.offsets import READ_TINY, Centred, centre, offsets_of
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.rows import Rows, find_known
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.messages import TaskKind

MOST_CATEGORIES = 1_000  #: Different words in a column that isn't named as categorical; more are names or texts.
FEWEST_NAMES = 10  #: Cells of a column of words that may all be different.


def make_table_source(parts: Parts[Rows], options: DataOptions) -> Source:
    """Tell which columns are numbers and which categories, by the options and the training part; make all numbers.

    Raises:
        DataError: with file and line, if a cell or the choice of columns can't be used.
    """
    train = parts.train
    target = options.target or find_known(train, "target")
    if target is None:
        raise DataError(
            f"{train.file}: expected the column to predict in task.target; the columns are {shown(train.names)}"
        )
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
    cells = [_cells(parts, column, options) for column in categorical]
    words = tuple(_words(train.file, column, one, options) for column, one in zip(categorical, cells, strict=True))
    numeric = [_numeric(parts, column, form, options) for column, form in formats.items()]
    marked = [note for column in formats for note in (_missing_note(parts, column, options), _name_note(train, column))]
    told, classes = _targets(parts, target, kind, target_format, options)
    splits = (
        Split(x=_features([one.parts[number] for one in numeric], [one[number] for one in cells], words), y=y)
        for number, y in enumerate(told.parts)
    )
    return Source(
        name=parts.name,
        kind=kind,
        input_kind="table",
        parts=parts.refilled(splits),
        outputs=len(classes) or 1,
        labels=classes,
        columns=(*formats, *categorical),
        words=words,
        offsets=offsets_of(numeric),
        target_offset=told.offset,
        formats=tuple(formats.values()),
        missing=missing_marks(options),
        is_boolean=tuple(map(is_boolean, words)),
        reading=READ_TINY if any(column.is_tiny for column in numeric) else (),
        notes=(*filter(None, marked), *(note for column in (*numeric, told) for note in column.notes)),
    )


def _kind(parts: Parts[Rows], target: str, options: DataOptions) -> tuple[TaskKind, NumberFormat]:
    """The kind asked for, else: words and few whole numbers are classes, other numbers amounts; and the format."""
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
) -> tuple[Centred, tuple[str, ...]]:
    """The targets, numbers or numbered classes, and the classes' names."""
    if kind == "regression":
        given = [read_numbers(part, target, form) for part in parts.given]
        return centre(given, f"the target {target!r}", parts.train.file, "take them minus an offset"), ()
    cells = _cells(parts, target, options)
    classes = name_classes(cells[0], parts.train.at, missing=label_marks(options))
    numbers = (number_names(one, classes, part.at) for one, part in zip(cells, parts.given, strict=True))
    return Centred(tuple(numbers), 0.0), classes


def _cells(parts: Parts[Rows], column: str, options: DataOptions) -> list[Sequence[str]]:
    """The names in a column of each part; true and false, in whatever case, are two."""
    return in_one_case([part.column(column) for part in parts.given], label_marks(options))


def _words(file: str, column: str, cells: list[Sequence[str]], options: DataOptions) -> tuple[str, ...]:
    """The categories of all parts, sorted; too many, or such as mostly occur once, must be asked for."""
    known = {cell for one in cells for cell in one} - set(missing_marks(options, of_names=True))
    words = sort_names(known)
    hint = "leave it out of task.features, or name it in task.categorical or task.text"
    if column in options.categorical:
        return words
    if len(words) > MOST_CATEGORIES:
        raise DataError(
            f"{file}: expected at most {MOST_CATEGORIES} categories in the column {column!r}; got {len(words)} ({hint})"
        )
    counts = Counter(cell for cell in cells[0] if cell in known)
    single = sum(count == 1 for count in counts.values())
    if counts.total() > FEWEST_NAMES and 2 * single > counts.total():
        raise DataError(
            f"{file}: expected categories that recur in the column {column!r}; "
            f"{single} of {counts.total()} cells are names that occur once, such as "
            f"{shown(sorted(counts)[:2])} ({hint})"
        )
    return words


def _numeric(parts: Parts[Rows], column: str, form: NumberFormat, options: DataOptions) -> Centred:
    marks = missing_marks(options)
    return centre(
        [read_numbers(part, column, form, marks, allows_missing=True) for part in parts.given],
        f"the column {column!r}",
        parts.train.file,
        "leave the column out of task.features, or name it in task.categorical where its numbers are names",
    )


def _features(
    numeric: list[NDArray[np.float32]], cells: list[Sequence[str]], words: Sequence[tuple[str, ...]]
) -> NDArray[np.float32]:
    """(rows, features) with NaN for missing numbers, 0 for missing categories, else 1 + word."""
    columns: list[Any] = [*numeric]
    for one, known in zip(cells, words, strict=True):
        codes = {word: code for code, word in enumerate(known, start=1)}
        columns.append([codes.get(cell, 0) for cell in one])
    return np.ascontiguousarray(np.array(columns, dtype=np.float32).T)  # (features, rows) -> (rows, features)


def _missing_note(parts: Parts[Rows], column: str, options: DataOptions) -> str | None:
    """The note on marks of missing values other than "" and "?"."""
    different = {cell for part in parts.given for cell in part.column(column)} - {"", "?"}
    marks = [mark for mark in missing_marks(options) if mark in different]
    if not marks or options.missing is not None:
        return None
    found = {mark: sum(part.column(column).count(mark) for part in parts.given) for mark in marks}
    shown_marks = ", ".join(map(repr, found))
    return f"the column {column!r}: {sum(found.values())} cells with {shown_marks} hold no value (task.missing)"


def _name_note(train: Rows, column: str) -> str | None:
    """The note on numbers that may be names: that number the rows, or begin with a zero."""
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
