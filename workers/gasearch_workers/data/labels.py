"""Classes and tags by name: numbered in sorted order of what the training part holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError

At = Callable[[int], str]  #: Says where a sample stands: "file:line".
MOST_INTEGER_CLASSES = 20  #: Different whole numbers that a target of unnamed kind may hold to be taken for classes.
MOST_CLASSES = 1_000
SHOWN = 12  #: Names in an error.
#: Pairs of words that are one and the same in any case.
BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})


def is_boolean(names: Iterable[str]) -> bool:
    """Tell whether names are true and false, or words that stand for these, in any case."""
    different = {name.lower() for name in names}
    return any(different <= pair for pair in BOOLEANS)


def in_one_case(parts: Sequence[Sequence[str]], missing: Collection[str] = ("",)) -> list[Sequence[str]]:
    """One column's names in each part; where these, beside missing ones, are true and false in any case, in lower."""
    different = {name for names in parts for name in names} - set(missing)
    if not is_boolean(different) or len({name.lower() for name in different}) == len(different):
        return list(parts)
    return [[name if name in missing else name.lower() for name in names] for names in parts]


def sort_names(names: Iterable[str]) -> tuple[str, ...]:
    """Different names in order: as numbers where all are whole numbers, else by alphabet (code points)."""
    different = set(names)
    try:
        return tuple(sorted(different, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(different))


def name_classes(names: Sequence[str], at: At, *, missing: Sequence[str] = ("",)) -> tuple[str, ...]:
    """The classes of a training part.

    Args:
        names: The label of each sample.
        at: Where a sample stands.
        missing: What is no label.

    Raises:
        DataError: if a label is missing, or if there is one class alone, or more than any network tells apart.
    """
    for sample, name in enumerate(names):
        if name in missing:
            came = f"{name!r} (task.missing lists what is no label; [] for nothing but empty cells)" if name else "none"
            raise DataError(f"{at(sample)}: expected a label; got {came}")
    classes = sort_names(names)
    if len(classes) < 2:
        raise DataError(f"{at(0)}: expected at least 2 classes; got the label {classes[0]!r} in every row")
    if len(classes) > MOST_CLASSES:
        raise DataError(f"{at(0)}: expected at most {MOST_CLASSES} classes; got {len(classes)}, {shown(classes)}")
    return classes


def number_names(names: Sequence[str], known: Sequence[str], at: At, *, what: str = "label") -> NDArray[np.int64]:
    """The number of each sample's class, (count,).

    Args:
        names: The class of each sample.
        known: The classes in order of their numbers.
        at: Where a sample stands.
        what: A name is, for the error.

    Raises:
        DataError: naming the first sample whose class is none of the known ones.
    """
    numbers = {name: number for number, name in enumerate(known)}
    for sample, name in enumerate(names):
        if name not in numbers:
            raise DataError(f"{at(sample)}: expected a {what} of the training part, {shown(known)}; got {name!r}")
    return np.array([numbers[name] for name in names], dtype=np.int64)


def shown(names: Sequence[str]) -> str:
    """The first names, for an error."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
