"""Ratings: who gave what how many points; users and items get dense numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import PLAIN, DataError, Split
from gasearch_workers.data.labels import number_names, shown, sort_names
from gasearch_workers.data.numbers import missing_marks, number_format, read_numbers
from gasearch_workers.data.offsets import centre
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.rows import Rows, find_known
from gasearch_workers.data.source import Parts, Source


def is_rating(rows: Rows, options: DataOptions) -> bool:
    """Tell whether rows are meant as ratings: by their kind, a named user or item, or the names of their columns."""
    if options.kind is not None:
        return options.kind == "rating"
    if options.user or options.item:
        return True
    names = {name.lower() for name in rows.names}
    return "rating" in names and bool(find_known(rows, "user")) and bool(find_known(rows, "item"))


def make_rating_source(parts: Parts[Rows], options: DataOptions) -> Source:
    """Number users and items in order of their sorted ids, over all parts: both are known to the system beforehand.

    Raises:
        DataError: with file and line, if a cell can't be used.
    """
    user, item, target = (_column(parts.train, options, role) for role in ("user", "item", "target"))
    marks = frozenset(missing_marks(options, of_names=True))
    words = tuple(_ids(parts, column, marks) for column in (user, item))
    form = number_format(parts, target, options, is_target=True) or PLAIN
    y = centre(
        [read_numbers(part, target, form) for part in parts.given],
        f"the target {target!r}",
        parts.train.file,
        "take them minus an offset",
    )

    def split(part: Rows, ratings: NDArray[np.float32]) -> Split:
        pairs = [
            number_names(part.column(column), ids, part.at) for column, ids in zip((user, item), words, strict=True)
        ]
        return Split(x=np.stack(pairs, axis=1).astype(np.int32), y=ratings)  # 2 x (rows,) -> (rows, 2)

    return Source(
        name=parts.name,
        kind="rating",
        input_kind="ids",
        parts=parts.refilled(map(split, parts.given, y.parts)),
        outputs=1,
        columns=(user, item),
        words=words,
        target_offset=y.offset,
        notes=y.notes,
    )


def _column(rows: Rows, options: DataOptions, role: str) -> str:
    named: str | None = getattr(options, role)
    column = named or find_known(rows, role)
    if column is None:
        what = "of ratings" if role == "target" else f"of {role}s"
        raise DataError(f"{rows.file}: expected the column {what} in task.{role}; the columns are {shown(rows.names)}")
    return column


def _ids(parts: Parts[Rows], column: str, missing: frozenset[str]) -> tuple[str, ...]:
    for part in parts.given:
        for row, cell in enumerate(part.column(column)):
            if cell in missing:
                came = f"got {cell!r} (task.missing lists what is none)" if cell else "the cell is empty"
                raise DataError(f"{part.at(row)}: expected an id in the column {column!r}; {came}")
    return sort_names(cell for part in parts.given for cell in part.column(column))
