"""Columns of text as numbers: as programs write them, and as people do ("1,234", "3,14", "$5", "5 %", "(5)", "12 kg").

How a column writes its numbers is told from all its cells together, so that one reading fits each of them. Where two
readings would, or none does, the column is refused with the key that settles it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, NumberFormat
from gasearch_workers.data.labels import shown
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.rows import Rows, is_number
from gasearch_workers.data.source import Parts

#: Cells that hold no value, as programs and people mark them. `task.missing` names others.
MARKS: Final = (
    *("", "?", "-", "--", ".", "..", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "<NA>", "N.A.", "n.a."),
    *("NaN", "nan", "NAN", "-nan", "-NaN", "null", "NULL", "Null", "#NULL!", "#VALUE!", "#DIV/0!", "#REF!", "\\N"),
    *("\u2013", "\u2014"),
)
#: Of these, what is as often the name of a class: "+" and "-".
DASHES: Final = ("-", "--", ".", "..", "\u2013", "\u2014")
#: Words that hold no value among numbers, but may be the names of classes and categories.
MISSING_WORDS: Final = (
    *("None", "none", "NONE", "nil", "NIL", "missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN"),
    *("undefined", "Undefined", "nd", "n.d.", "N.D.", "not available"),
)
MOST: Final = float(np.finfo(np.float32).max)
FEWEST_NUMBERS: Final = 0.1  #: Share of numbers from which on words among them are damage, not names.
SURE: Final = 10  #: Cells that must look like thousands, beside smaller numbers without a mark, to be taken for such.
EXACT: Final = 2**53  #: Whole numbers up to here are different ones in float64.

_SPACES = " \u00a0\u202f\u2009"
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|RUB|SEK|NOK|DKK|PLN|CZK|AUD|CAD|BRL|Rs\\.?|kr\\.?|Fr\\."
_CURRENCY = rf"(?:[A-Z]{{0,3}}[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u20b4]|{_CODES})"
_CELL = re.compile(
    rf"(?P<open>\()?[{_SPACES}]*(?P<sign>[-+\u2212])?[{_SPACES}]*(?P<prefix>{_CURRENCY})?[{_SPACES}]*(?P<minus>[-\u2212])?"
    rf"(?P<body>\d(?:[\d.,'\u2019_{_SPACES}]*\d)?[.,]?|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?[{_SPACES}]*"
    rf"(?P<suffix>{_CURRENCY}|[%\u2030]|[^\W\d_][^\d(),;]{{0,15}}|[\u00b0\u00b5][^\d(),;]{{0,15}})?[{_SPACES}]*(?P<close>\))?"
)
#: Dates, times, hexadecimal numbers, fractions.
_ODD = re.compile(
    r"(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[-+]\d{2}:?\d{2})?)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?|0[xX][0-9A-Fa-f]+|\d+ ?/ ?\d+"
)
_GROUP = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")  #: Thousands, or a fraction of three digits.
_PLAIN_GROUP = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")


def missing_marks(options: DataOptions, *, of_names: bool = False) -> tuple[str, ...]:
    """The cells that hold no number, or no name: an empty one, and those that the options name, else the usual ones."""
    usual = MARKS if of_names else MARKS + MISSING_WORDS
    return usual if options.missing is None else tuple(dict.fromkeys(("", *options.missing)))


def label_marks(options: DataOptions) -> tuple[str, ...]:
    """The cells that are no label: as for names, but for dashes and points, which are as often classes."""
    marks = missing_marks(options, of_names=True)
    return marks if options.missing is not None else tuple(mark for mark in marks if mark not in DASHES)


def number_format(
    parts: Parts[Rows], column: str, options: DataOptions, *, is_target: bool = False
) -> NumberFormat | None:
    """The format of a column's numbers; None where it holds words.

    Args:
        parts: The training part says whether the column holds numbers, all of them how they are written.
        column: Its name.
        options: The decimal mark and the marks of missing values, as far as they are said.
        is_target: Whether words among numbers are classes.

    Raises:
        DataError: with file and line, if the column holds nothing, numbers among words, or numbers that can be read in
            two ways or in none.
    """
    missing = frozenset(missing_marks(options))
    train = parts.train
    different = set(train.column(column)) - missing
    if not different:
        raise DataError(
            f"{train.file}: expected values in the column {column!r}; every cell is empty or marked as missing"
        )
    is_plain = options.decimal != "," and all(map(is_number, different))
    if not is_plain and any(_ODD.fullmatch(cell) or not _CELL.fullmatch(cell) for cell in different):
        _refuse_mixed(train, column, different, missing, is_target=is_target)
        return None
    everything = {cell for part in parts.given for cell in part.column(column)} - missing
    if options.decimal != "," and all(map(is_number, everything)):
        pointed = [cell for cell in everything if "." in cell]
        return NumberFormat(is_presumed=bool(pointed) and all(map(_PLAIN_GROUP.fullmatch, pointed)))
    cells = {cell: match for cell in sorted(everything) if (match := _CELL.fullmatch(cell))}
    if is_target and len(_units(cells)) > 1:
        return None  # "1st" and "2nd" are classes
    return _written(parts, column, cells, options.decimal)


def require_one_decimal_mark(train: Rows, formats: dict[str, NumberFormat]) -> None:
    """Refuse points that may be marks of thousands in a file where another column has decimal commas.

    Raises:
        DataError: naming both columns.
    """
    comma = next((column for column, form in formats.items() if form.decimal == ","), None)
    presumed = next((column for column, form in formats.items() if form.is_presumed), None)
    if comma is not None and presumed is not None:
        raise DataError(
            f"{train.file}: expected numbers that can be read in one way; the column {comma!r} has decimal "
            f"commas, and the points in the column {presumed!r} may be decimal or between thousands "
            "(task.decimal: '.' or ',')"
        )


def read_numbers(
    rows: Rows, column: str, form: NumberFormat, missing: Iterable[str] = (), *, allows_missing: bool = False
) -> NDArray[np.float64]:
    """A column as numbers, (rows,); NaN where a value is missing and may be.

    Args:
        rows: Of one part.
        column: Its name.
        form: How it writes its numbers.
        missing: Cells that hold no value, beside empty ones.
        allows_missing: Whether there may be such cells.

    Raises:
        DataError: naming file and line of the first cell that isn't a finite number of float32's range.
    """
    cells = rows.column(column)
    marks = frozenset(missing) | {""}
    values = {cell: _value(cell, form) for cell in set(cells)}
    wrong = {cell for cell, value in values.items() if not abs(value) <= MOST}
    if allows_missing:
        wrong -= marks
        values |= dict.fromkeys(marks, np.nan)
    for row, cell in enumerate(cells if wrong else ()):
        if cell in wrong:
            came = f"got {cell[:80]!r}" if cell else "the cell is empty"
            raise DataError(f"{rows.at(row)}: expected a finite number in the column {column!r}; {came}")
    large = [cell for cell, value in values.items() if abs(value) > EXACT]
    whole = {int(cell) for cell in large if cell.lstrip("+-").isdecimal()}
    kept = set(map(float, whole))
    if len(kept) < len(whole):
        raise DataError(
            f"{rows.file}: expected numbers that float64 tells apart in the column {column!r}; {len(whole)} different "
            f"ones become {len(kept)} (take them minus an offset; leave the column out of task.features, or name it in "
            f"task.categorical, where they are names: {shown(sorted(large)[:2])})"
        )
    return np.fromiter(map(values.__getitem__, cells), dtype=np.float64, count=len(rows))


def _value(cell: str, form: NumberFormat) -> float:
    """The number in a cell; NaN where there is none."""
    try:
        return np.nan if "_" in cell and "_" not in form.removed else form.value(cell)
    except ValueError:
        return np.nan


def _refuse_mixed(rows: Rows, column: str, different: set[str], missing: frozenset[str], *, is_target: bool) -> None:
    """Refuse dates, and words among numbers; other words are names."""
    hint = "a feature of names goes to task.categorical, one that says nothing is left out of task.features"
    if is_target:
        hint = "classes belong to task.kind: classification"
    present = [(row, cell) for row, cell in enumerate(rows.column(column)) if cell not in missing]
    if sum(bool(_ODD.fullmatch(cell)) for cell in different) * 2 > len(different):
        row, cell = next((row, cell) for row, cell in present if _ODD.fullmatch(cell))
        raise DataError(
            f"{rows.at(row)}: expected numbers or names in the column {column!r}; got {cell!r}, "
            f"which looks like a date, a time, a fraction or a hexadecimal number (write it in decimals; {hint})"
        )
    numbers = {cell for cell in different if _is_written_number(cell)}
    wrong = [(row, cell) for row, cell in present if cell not in numbers]
    share = len(wrong) / len(present)
    if share < FEWEST_NUMBERS or (share <= 1 - FEWEST_NUMBERS and not is_target):
        row, cell = wrong[0]
        most = "most" if share < 0.5 else "other"
        raise DataError(
            f"{rows.at(row)}: expected a number in the column {column!r}, as in {most} rows; got {cell[:80]!r} "
            f"({'' if is_target else 'task.missing names marks of missing values; '}{hint})"
        )


def _is_written_number(cell: str) -> bool:
    """Tell whether a cell is a number by itself, with a currency or a percent sign at most."""
    match = None if _ODD.fullmatch(cell) else _CELL.fullmatch(cell)
    return match is not None and (match["suffix"] is None or not match["suffix"][:1].isalpha())


def _written(parts: Parts[Rows], column: str, cells: dict[str, re.Match[str]], decimal: str | None) -> NumberFormat:
    """The one reading of a column of formatted numbers."""

    def refuse(cell: str, expected: str, key: str = "") -> DataError:
        part = next(part for part in parts.given if cell in part.column(column))
        where = part.at(part.column(column).index(cell))
        return DataError(
            f"{where}: expected {expected} in the column {column!r}; got {cell[:80]!r} "
            f"({key}task.categorical where the cells are names)"
        )

    units = _units(cells)
    if len(units) > 1:
        one, other = list(units.values())[:2]
        raise refuse(other, f"numbers of one unit, as in {one!r},")
    if all(bool(match["open"]) for match in cells.values()):
        raise refuse(next(iter(cells)), "numbers, some in parentheses where these are a minus,")
    for cell, match in cells.items():
        if bool(match["open"]) != bool(match["close"]) or (match["open"] and (match["sign"] or match["minus"])):
            raise refuse(cell, "a number")
    bodies = {cell: match["body"] for cell, match in cells.items()}
    mark = decimal or _decimal(list(bodies.values()))
    if mark is None:
        ambiguous = next(cell for cell, body in bodies.items() if "," in body)
        key = "is the comma decimal, or between thousands? task.decimal: ',' or '.'; "
        raise refuse(ambiguous, "numbers that can be read in one way", key)
    other = re.escape("." if mark == "," else ",")
    groups = rf"\d{{1,3}}(?P<mark>[{other}'\u2019_{_SPACES}])(?:\d{{2,3}}(?P=mark))*\d{{3}}"
    shape = re.compile(rf"(?:\d+|{groups})?(?:{re.escape(mark)}\d*)?")
    for cell, body in bodies.items():
        if not shape.fullmatch(body):
            raise refuse(cell, f"a number with the decimal mark {mark!r}", "task.decimal: ',' or '.'; ")
    marks = {character for body in bodies.values() for character in body if not character.isdigit()} - {mark}
    affixes = {(match[side] or "").strip() for match in cells.values() for side in ("prefix", "suffix")} - {""}
    spaces = {character for cell in cells for character in cell if character in _SPACES}
    return NumberFormat(decimal=mark, removed=(*sorted(affixes, key=len, reverse=True), *sorted(marks | spaces)))


def _units(cells: dict[str, re.Match[str]]) -> dict[tuple[str, str], str]:
    """The texts before and behind the numbers, each with a cell; zero needs no unit."""
    units: dict[tuple[str, str], str] = {}
    for cell, match in cells.items():
        if match["body"].strip("0.,"):
            units.setdefault((match["prefix"] or "", (match["suffix"] or "").strip()), cell)
    return units


def _decimal(bodies: Sequence[str]) -> str | None:
    """The decimal mark that numbers show; "." where they show none; None where they may be read both ways."""
    decimals, thousands = set(), set()
    groups = 0
    for body in bodies:
        places = [character for character in body if character in ".,"]
        if len(set(places)) == 2:
            decimals.add(places[-1])
            thousands.add(places[0])
        elif len(places) > 1:
            thousands.add(places[0])
        elif places and not _GROUP.fullmatch(re.sub(rf"['\u2019_{_SPACES}]", "", body)):
            decimals.add(places[0])
        elif places == [","]:
            groups += 1
    if len(decimals) == 1:
        return decimals.pop()
    if len(thousands) == 1:
        return "," if "." in thousands else "."
    if not groups or len(decimals) > 1:
        return "."
    plain = [body for body in bodies if body.isdigit()]
    return "." if groups >= SURE and plain and all(len(body) <= 3 for body in plain) else None
