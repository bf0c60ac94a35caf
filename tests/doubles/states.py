"""Two states held against each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import FunctionType, MethodType
from typing import Any

import numpy as np

#: What is found out anew when it is asked, or compared as the answers that it gives.
OWN = {
    "_is_settled",  # of the replicate budget: found out anew by the first round that finds nothing
    "_arrays",  # with columns that aren't in use; those in use are compared
    "_has_spreads",  # of a front: whether one ever came, which only saves work; early stopping makes its front anew
    "_volumes", "_states", "_past",  # compared as the growth that they give
    "OperatorRates._rates", "SteadyStateEngine._kept", "EarlyStopping._ends_at", "EarlyStopping._fits",
    "EarlyStopping._asked",
    # of the ranked pool all but its individuals, as it catches up when it is asked; compared as the survivors
    *(f"RankedPool.{name}" for name in ("_answer", "_changed", "_rows", "_free", "_values", "_numbers")),
    *(f"RankedPool.{name}" for name in ("_dominators", "_front", "_last", "_is_wide")),
}  # fmt: skip


#: Attempts that are made again have no order among several candidates.
UNORDERED = ("._attempts", "._failed")


def differences(ours: Any, theirs: Any, where: str) -> list[str]:
    """Where two states differ, field by field, all the way down."""
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return [] if ours == theirs else [f"{where}: {ours}, {theirs}"]
    if type(ours) is not type(theirs):
        return [f"{where}: {type(ours).__name__}, {type(theirs).__name__}"]
    if isinstance(ours, np.ndarray):
        return [] if np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f") else [f"{where}: {ours}, {theirs}"]
    if isinstance(ours, Mapping):
        if where.endswith(UNORDERED):
            ours, theirs = ({key: one[key] for key in sorted(one)} for one in (ours, theirs))
        if list(ours) != list(theirs):
            return [f"{where}: {list(ours)}, {list(theirs)}"]
        return [text for key in ours for text in differences(ours[key], theirs[key], f"{where}[{key!r}]")]
    if isinstance(ours, list | tuple | deque):
        if len(ours) != len(theirs):
            return [f"{where}: {len(ours)} of {ours}, {len(theirs)} of {theirs}"]
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [text for place, pair in pairs for text in differences(*pair, f"{where}[{place}]")]
    if isinstance(ours, FunctionType | MethodType | type) or type(ours).__module__.startswith(("deap", "functools")):
        return []
    if is_dataclass(ours):
        names = [field.name for field in fields(ours)]
    elif hasattr(ours, "__dict__"):
        names = sorted(vars(ours).keys() | vars(theirs).keys())
    else:
        return [] if ours == theirs else [f"{where}: {ours!r}, {theirs!r}"]
    return [
        text
        for name in names
        if not {name, f"{type(ours).__name__}.{name}"} & OWN
        for text in differences(getattr(ours, name, None), getattr(theirs, name, None), f"{where}.{name}")
    ]
