"""Tables: columns of numbers and of categories, a target that is a class or a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import name_classes, number_classes, shown, sort_names
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.rows import Rows, find_known, is_number
from gasearch_workers.data.source import Source
from gasearch_workers.messages import TaskKind

MISSING = ("", "?")  #: Cells that hold no value.
MOST_INTEGER_CLASSES = 20  #: Different whole numbers that a target of unnamed kind may hold to be taken as classes.
MOST_CATEGORIES = 1_000  #: Different words in a column that isn't named as categorical; more are names or texts.
MOST = float(np.finfo(np.float32).max)
FEWEST_WORDS = 0.1  #: Share of words that makes a column categorical; fewer among numbers are damage.


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
    kind = _kind(train, target, options.kind)
    features = options.features or tuple(column for column in train.names if column != target)
    if target in features:
        raise DataError(f"{train.file}: the target {target!r} can't be one of the features")
    categorical = tuple(column for column in features if column in options.categorical or _holds_words(train, column))
    numeric = tuple(column for column in features if column not in categorical)
    words = tuple(_words(parts, column, is_named=column in options.categorical) for column in categorical)
    classes = name_classes(train.column(target), train.at, missing=MISSING) if kind == "classification" else ()

    def split(part: Rows) -> Split:
        x = _features(part, numeric, categorical, words)
        if classes:
            return Split(x=x, y=number_classes(part.column(target), classes, part.at))
        return Split(x=x, y=numbers(part, target))

    return Source(
        name=name,
        kind=kind,
        input_kind="table",
        parts=parts.map(split),
        outputs=len(classes) or 1,
        labels=classes,
        columns=(*numeric, *categorical),
        words=words,
    )


def _target(rows: Rows, options: DataOptions) -> str:
    target = options.target or find_known(rows, "target")
    if target is None:
        raise DataError(
            f"{rows.file}: expected the column to predict in task.target; the columns are {shown(rows.names)}"
        )
    return target


def _kind(rows: Rows, target: str, kind: TaskKind | None) -> TaskKind:
    """What is asked for, else: words and few whole numbers are classes, other numbers amounts."""
    if kind in ("tagging", "rating"):
        raise DataError(f"{rows.file}: a table serves classification or regression; got kind {kind!r}")
    if kind is not None:
        return kind
    if _holds_words(rows, target):
        return "classification"
    cells = set(rows.column(target)) - set(MISSING)
    is_whole = all(cell.lstrip("+-").isdecimal() for cell in cells)
    return "classification" if is_whole and len(cells) <= MOST_INTEGER_CLASSES else "regression"


def _holds_words(rows: Rows, column: str) -> bool:
    """Whether a column of the training part holds words, not numbers.

    Raises:
        DataError: if it holds nothing, or a few words among numbers.
    """
    if _values(rows.column(column)) is not None:
        return False
    present = [(row, cell) for row, cell in enumerate(rows.column(column)) if cell not in MISSING]
    if not present:
        raise DataError(f"{rows.file}: expected values in the column {column!r}; every cell is empty or '?'")
    wrong = [(row, cell) for row, cell in present if not is_number(cell)]
    if wrong and len(wrong) < FEWEST_WORDS * len(present):
        row, cell = wrong[0]
        raise DataError(
            f"{rows.at(row)}: expected a number in the column {column!r}, as in most rows; got {cell[:80]!r} "
            "(a missing value is an empty cell or '?'; a feature of names goes to task.categorical)"
        )
    return bool(wrong)


def _words(parts: Parts[Rows], column: str, *, is_named: bool) -> tuple[str, ...]:
    """The categories of all parts, sorted."""
    words = sort_names(cell for part in parts.given for cell in part.column(column) if cell not in MISSING)
    if len(words) > MOST_CATEGORIES and not is_named:
        raise DataError(
            f"{parts.train.file}: expected at most {MOST_CATEGORIES} categories in the column {column!r}; "
            f"got {len(words)} (leave it out of task.features, or name it in task.categorical or task.text)"
        )
    return words


def _features(
    rows: Rows, numeric: Sequence[str], categorical: Sequence[str], words: Sequence[tuple[str, ...]]
) -> NDArray[np.float32]:
    """(rows, features) with NaN for missing numbers, 0 for missing categories, else 1 + word."""
    table = np.empty((len(rows), len(numeric) + len(categorical)), dtype=np.float32)
    for place, column in enumerate(numeric):
        table[:, place] = numbers(rows, column, allows_missing=True)
    for place, (column, known) in enumerate(zip(categorical, words, strict=True), start=len(numeric)):
        codes = {word: code for code, word in enumerate(known, start=1)}
        table[:, place] = [codes.get(cell, 0) for cell in rows.column(column)]
    return table


def numbers(rows: Rows, column: str, *, allows_missing: bool = False) -> NDArray[np.float32]:
    """A column as numbers, (rows,); NaN where a value is missing and may be.

    Raises:
        DataError: naming file and line of the first cell that isn't a finite float32 number.
    """
    values = _values(rows.column(column))
    if values is not None:
        return np.fromiter(map(values.__getitem__, rows.column(column)), dtype=np.float32, count=len(rows))
    found = np.empty(len(rows), dtype=np.float64)
    for row, cell in enumerate(rows.column(column)):
        if allows_missing and cell in MISSING:
            found[row] = np.nan
            continue
        if not is_number(cell) or not abs(float(cell)) <= MOST:
            came = f"got {cell[:80]!r}" if cell else "the cell is empty"
            raise DataError(f"{rows.at(row)}: expected a finite number in the column {column!r}; {came}")
        found[row] = float(cell)
    return found.astype(np.float32)


def _values(cells: Sequence[str]) -> dict[str, float] | None:
    """The number of each different cell; None if one is missing or no finite number.

    Of most columns there are few, and to look a number up is quicker than to parse it.
    """
    different = set(cells)
    try:
        values = {cell: float(cell) for cell in different}
    except ValueError:
        return None
    is_plain = all(abs(value) <= MOST for value in values.values()) and not any("_" in cell for cell in different)
    return values if is_plain else None
