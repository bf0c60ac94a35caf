"""Numbers that float32 can't tell apart, such as Unix time: taken minus an offset, in float64, before rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError

MOST_COMPARED: Final = 100_000  #: Numbers of a column that are compared; of more, evenly spread ones.
CONSTANT: Final = 1e-6  #: Deviation relative to the mean up to which `data.normalize` takes a column for a constant.
WHOLE: Final = 2**24  #: Up to here float32 holds whole numbers as they are.
FINE: Final = 0.05  #: Deviation relative to the largest number from which on float32 is fine enough.
NOTED: Final = 0.01  #: Share of the different numbers that may be lost without a word, unless they are whole.
MOST_LOST: Final = 0.25  #: Share of them that may be lost at all.
TINY: Final = 1e-12  #: Deviation up to which versions before 0.4 took a column for a constant.
READ_TINY: Final = ("deviations below 1e-12",)  #: Said of a table that has such a column.


@dataclass(frozen=True, slots=True)
class Centred:
    """One column of each part, minus the offset: float32, or int64 classes, from which nothing is taken."""

    parts: tuple[NDArray[Any], ...]
    offset: float  #: 0 where float32 holds the numbers as they are.
    is_tiny: bool = False  #: Whether they differ by so little that versions before 0.4 took them for a constant.
    notes: tuple[str, ...] = ()


def offsets_of(columns: Sequence[Centred]) -> tuple[float, ...]:
    """The offset of each column; () where none has one."""
    offsets = tuple(column.offset for column in columns)
    return offsets if any(offsets) else ()


def centre(parts: Sequence[NDArray[Any]], what: str, where: str, advice: str) -> Centred:
    """A column as float32, of which as many numbers are different as can be.

    The offset is the median of the training part: numbers near it keep their distances, whatever lies far away.

    Args:
        parts: Numbers of any type (rows,), the training part first; NaN where one is missing.
        what: The column, for errors and notes.
        where: The file, for errors.
        advice: What can be done where numbers are lost, for the error.

    Raises:
        DataError: if more than a quarter of the different numbers would be lost anyhow.
    """
    some = parts[0][:: -(-len(parts[0]) // MOST_COMPARED)]
    some = some[np.isfinite(some)]
    if not len(some) or _is_held(some):
        is_tiny = bool(len(some)) and 0 < float(some.std(dtype=np.float64)) < TINY
        return Centred(tuple(part.astype(np.float32) for part in parts), 0.0, is_tiny)
    given = len(np.unique(some))
    different = np.unique(some.astype(np.float64))  # in ascending order
    middle = float(different[len(different) // 2])
    plain, kept = _count(different), _count(different - middle)
    deviation, mean = float(some.std(dtype=np.float64)), float(some.mean(dtype=np.float64))
    is_whole = bool((different == np.rint(different)).all())
    counts = 1 if is_whole else max(1, NOTED * given)  # lost ones that matter
    is_better = given - plain >= counts and kept > plain
    is_better |= is_whole and _is_exact(different - middle) and not _is_exact(different)
    offset = middle if is_better or deviation <= CONSTANT * abs(mean) else 0.0
    lost = given - (kept if offset else plain)
    lose = f"{given} different values of {what} become {given - lost} in float32"
    if lost > MOST_LOST * given:
        raise DataError(f"{where}: expected numbers that float32 tells apart; {lose} ({advice})")
    notes = [f"{what} is taken minus {offset!r}: float32 can't hold its values as they are"] if offset else []
    if lost >= counts:
        notes.append(lose)
    centred = tuple((part.astype(np.float64) - offset).astype(np.float32) for part in parts)
    return Centred(centred, offset, is_tiny=deviation < TINY, notes=tuple(notes))


def _is_held(numbers: NDArray[Any]) -> bool:
    """Tell whether float32 surely holds numbers as well as is needed: quicker than comparing them."""
    peak, deviation = float(np.abs(numbers.astype(np.float64)).max()), float(numbers.std(dtype=np.float64))
    if deviation == 0:
        return True
    if deviation <= CONSTANT * abs(float(numbers.mean(dtype=np.float64))):
        return False
    is_whole = numbers.dtype.kind in "ui" or bool((numbers == np.rint(numbers)).all())
    return peak <= WHOLE if is_whole else deviation > FINE * peak


def _is_exact(numbers: NDArray[np.float64]) -> bool:
    return bool((numbers == numbers.astype(np.float32)).all())


def _count(ordered: NDArray[np.float64]) -> int:
    """The number of ascending numbers that float32 tells apart."""
    return 1 + int(np.count_nonzero(np.diff(ordered.astype(np.float32))))
