"""Rows of cells under named columns, read from CSV and TSV files."""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.files import plain_suffix, read_text
from gasearch_workers.data.labels import shown
from gasearch_workers.data.options import DataOptions

DELIMITERS = {".csv": ",", ".tsv": "\t"}
FEWEST_ROWS = 5  #: Of each name of a column, for another one in the first row to be the column's.
OTHER_DELIMITERS = (";", "\t", "|")  #: Of CSV files without commas between their cells.
#: A column of one of these names, in any case, is what its key says, where the options name none.
KNOWN_NAMES = {
    "target": ("target", "label", "labels", "class", "y", "rating", "sentiment"),
    "text": ("text", "sentence", "review", "tweet"),
    "user": ("user", "userid", "user_id"),
    "item": ("item", "itemid", "item_id", "movieid", "movie_id"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One part of a dataset as a rectangle of cells without surrounding white space."""

    file: str  #: For errors.
    header: tuple[str, ...] | None  #: Names of the columns, all different; None where the file has none.
    columns: tuple[tuple[str, ...], ...]  #: The cells of each column, at least one column and one row.
    lines: Sequence[int]  #: For each row, the line on which it begins, from 1.
    notes: tuple[str, ...] = ()  #: What was left out of the file, one sentence each.

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.columns[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The header, or "1", "2", ... where there is none."""
        return self.header or tuple(str(number + 1) for number in range(len(self.columns)))

    def column(self, name: str) -> tuple[str, ...]:
        """The cells under one name, which exists."""
        return self.columns[self.names.index(name)]

    def at(self, row: int) -> str:
        """Where a row stands, for the beginning of an error."""
        return f"{self.file}:{self.lines[row]}"


def is_delimited(path: Path) -> bool:
    """Tell by its name whether a path is a CSV or TSV file."""
    return plain_suffix(path) in DELIMITERS


def read_rows(path: Path, options: DataOptions, *, like: Rows | None = None) -> Rows:
    """The rows of a CSV or TSV file, empty lines left out.

    Quotes mean something in CSV (RFC 4180) and nothing in TSV. Where commas part no rectangle of cells, semicolons,
    tabs or bars may. The first line is a header if it holds a column that is named, a known name, or words alone above
    a column of numbers. A column without a name is left out if it comes first and numbers the rows, as programs that
    write tables add it, or if the columns to use are named.

    Args:
        path: Of the file; its suffix gives the delimiter.
        options: Which columns are named, and whether there is a header, where it is said.
        like: The training part, for another one, which has a header where that has one.

    Raises:
        DataError: with file and line, if the file isn't a rectangle of cells, or its header can't be used or told.
    """
    cells, lines = _parse_any(path)
    if not cells:
        raise DataError(f"{path}: expected rows of cells; the file holds none")
    has_header = _has_header(path, cells, options, like)
    for row, line in zip(cells, lines, strict=True):
        if len(row) != len(cells[0]):
            what = "the header" if has_header else "the first row"
            raise DataError(f"{path}:{line}: expected {len(cells[0])} cells as in {what}; got {len(row)}")
    _check_width(path, lines[0], cells[0])
    header = tuple(cells[0]) if has_header else None
    if header is not None:
        _check_header(header, f"{path}:{lines[0]}")
        cells, lines = cells[1:], lines[1:]
    if not cells or (header is None and like is None and len(cells) == 1):
        raise DataError(f"{path}: expected rows below the {'header' if header else 'first'}; got none")
    columns = tuple(zip(*cells, strict=True))
    notes: tuple[str, ...] = ()
    if header is not None and "" in header:
        notes = tuple(_left_out(path, place, columns[place], options) for place, name in enumerate(header) if not name)
        columns = tuple(column for name, column in zip(header, columns, strict=True) if name)
        header = tuple(filter(None, header))
        _check_width(path, 1, header)
    return Rows(file=str(path), header=header, columns=columns, lines=lines, notes=notes)


def _left_out(path: Path, place: int, cells: Sequence[str], options: DataOptions) -> str:
    """The note on a column without a name that is left out; an error if it may be one to use."""
    numbers_rows = place == 0 and all(map(str.isdecimal, cells)) and len(set(map(int, cells))) == len(cells)
    if not (numbers_rows or options.features or options.text or options.user):
        raise DataError(
            f"{path}:1: expected a name for every column; column {place + 1} has none, and its cells, such as "
            f"{shown(list(dict.fromkeys(cells))[:3])}, don't number the rows (task.features names the columns to use)"
        )
    what = "numbers the rows" if numbers_rows else "has no name"
    return f"{path}: column {place + 1} {what} and is left out"


def _parse_any(path: Path) -> tuple[list[list[str]], list[int]]:
    """The cells of a file by its suffix's delimiter; of a CSV file by another one where only that gives a rectangle."""
    if not is_delimited(path):  # a further part, whose name nobody has looked at
        raise DataError(f"{path}: expected a file named as the data set, .csv or .tsv (.gz); got {path.suffix!r}")
    delimiter, text = DELIMITERS[plain_suffix(path)], read_text(path)
    if delimiter == "\t":
        return _parse(path, text, delimiter=delimiter, is_quoted=False)
    for other in (delimiter, *OTHER_DELIMITERS):
        with contextlib.suppress(DataError):
            cells, lines = _parse(path, text, delimiter=other, is_quoted=True)
            if cells and len(cells[0]) > 1 and all(len(row) == len(cells[0]) for row in cells):
                return cells, lines
    return _parse(path, text, delimiter=delimiter, is_quoted=True)


def _parse(path: Path, text: str, *, delimiter: str, is_quoted: bool) -> tuple[list[list[str]], list[int]]:
    """The cells of each row that isn't empty, and the line on which each row begins."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
        strict=True,
        skipinitialspace=True,
    )
    cells: list[list[str]] = []
    lines: list[int] = []
    start = 1
    try:
        for row in reader:
            if row:
                cells.append(list(map(str.strip, row)))
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        kind = "CSV" if is_quoted else "TSV"
        raise DataError(f"{path}:{start}: expected a row of {kind}; it can't be read ({error})") from error
    return cells, lines


def _has_header(path: Path, cells: list[list[str]], options: DataOptions, like: Rows | None) -> bool:
    """Tell whether the first row names the columns; an error where nothing says it."""
    first = cells[0]
    if options.header is not None:
        return options.header
    if like is not None:
        return like.header is not None
    places = [str(number + 1) for number in range(len(first))]
    named = options.named_columns
    are_numbers = all(map(is_number, first))
    below = [row for row in cells[1:1_000] if len(row) == len(first)]
    if below and are_numbers and any(not any(is_number(row[place]) for row in below) for place in range(len(first))):
        return True  # numbers above words are names
    if named and are_numbers and set(named) <= set(places) and set(named) <= set(first):
        counted = shown(sorted(named))
        raise _untold(path, first, f"the columns {counted} are named, and may be the first row's or counted")
    if named and not set(named) <= set(places) and set(named) & set(first):
        return True
    if named and not are_numbers and set(named) <= set(first):
        return True
    known = {name for names in KNOWN_NAMES.values() for name in names}
    for place, cell in enumerate(first):
        if cell.lower() in known and all(row[place] != cell for row in cells[1:] if len(row) == len(first)):
            return True
    if first in (places, [str(number) for number in range(len(first))]):
        raise _untold(path, first, "its cells are consecutive numbers")
    if any(is_number(cell) or not cell for cell in first):
        return False
    if below and any(all(is_number(row[place]) for row in below) for place in range(len(first))):
        return True
    for place, cell in enumerate(first):
        names = {row[place] for row in below}
        if len(below) >= FEWEST_ROWS * len(names) > 0 and cell not in names:
            raise _untold(path, first, f"{cell!r} stands in no other row, where {shown(sorted(names))} do")
    return False


def _untold(path: Path, first: list[str], why: str) -> DataError:
    return DataError(
        f"{path}:1: expected a first row that is a header or isn't; got {shown(first)}: {why} "
        "(task.header: true or false)"
    )


def _check_width(path: Path, line: int, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise DataError(f"{path}:{line}: expected at least 2 columns; got {len(names)}, {shown(names)[:80]!r}")


def _check_header(header: tuple[str, ...], where: str) -> None:
    for place, name in enumerate(header):
        if name and name in header[:place]:
            raise DataError(
                f"{where}: expected different names for the columns; got {name!r} for the columns "
                f"{header.index(name) + 1} and {place + 1}"
            )


def check_named(rows: Rows, named: dict[str, str]) -> None:
    """Refuse names of columns that aren't there.

    Raises:
        DataError: with the nearest name.
    """
    for column, option in named.items():
        if column not in rows.names:
            near = difflib.get_close_matches(column, rows.names, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"the columns are {shown(rows.names)}"
            raise DataError(f"{rows.file}: expected the column {column!r}, the {option} of the task; {hint}")


def check_same_columns(part: Rows, like: Rows) -> None:
    """Refuse a part with other columns than the training part's, whose order may be another.

    Raises:
        DataError: naming those that are missing or too many.
    """
    if set(part.names) == set(like.names) and (part.header is None) == (like.header is None):
        return
    missing = [name for name in like.names if name not in part.names]
    surplus = [name for name in part.names if name not in like.names]
    raise DataError(
        f"{part.file}:1: expected the columns of {like.file}, {shown(like.names)}; "
        f"missing {shown(missing) or 'none'}, more {shown(surplus) or 'none'}"
    )


def find_known(rows: Rows, role: str) -> str | None:
    """The one column with a known name for a role ("target", "text", "user", "item"); None where there isn't one."""
    found = [name for name in rows.names if name.lower() in KNOWN_NAMES[role]]
    return found[0] if len(found) == 1 else None


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number as CSV files write it; "nan" and "inf" are."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
