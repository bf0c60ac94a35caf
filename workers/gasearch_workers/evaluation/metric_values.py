"""The names and values that metrics may have: an evaluator's answer, checked."""

from __future__ import annotations

import contextlib
import math
import numbers
import re
import reprlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from gasearch_workers.messages import DEPLOYED, STANDARD_METRICS, derived_metrics, spread_of

LARGEST: Final = 1e150  #: Beyond it differences and products of metrics overflow, and with them ranges and volumes.
METRIC_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
NAME_RULE: Final = "up to 63 letters, digits and _ that begin with no digit"
#: What an answer's row names besides an evaluator's metrics.
RESERVED: Final = {
    "key": "stands for the network",
    "blueprint": "stands for the network",
    "trainings": "counts those that a mean is over",
}
SHARES: Final = frozenset({"accuracy", "macro_f1", "entity_f1", "auc"})  #: From 0 to 1.
#: The standard metrics that are never below 0.
_AMOUNTS: Final = frozenset(
    {*STANDARD_METRICS, *DEPLOYED, "flops", "efficiency"} - SHARES - {"generalization_gap"}  # which is a difference
)

_SHOWN = reprlib.Repr()  #: Cuts what is long before it is written out.
_SHOWN.maxstring = _SHOWN.maxother = 200


class EvaluatorError(Exception):
    """The evaluator can't be found, or what it returned is no set of metrics."""


def range_of(name: str) -> tuple[float, float]:
    """The least and the greatest value that a metric of that name can have."""
    if name in SHARES:
        return 0.0, 1.0
    return (0.0 if name in _AMOUNTS else -math.inf), math.inf


def checked_metrics(metrics: object) -> dict[str, float]:
    """An evaluator's answer as plain numbers.

    Raises:
        EvaluatorError: if it is no mapping of names to finite numbers in their ranges, with what came.
    """
    if not isinstance(metrics, Mapping):
        raise EvaluatorError(f"an evaluator returns a dict of metric names to numbers; got {type(metrics).__name__}")
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if not isinstance(name, str) or not METRIC_NAME.fullmatch(name):
            raise EvaluatorError(f"the name of a metric is {NAME_RULE}; got {_SHOWN.repr(name)}")
        if name in RESERVED:
            raise EvaluatorError(f"a metric can't be named {name!r}, which {RESERVED[name]}; choose another name")
        found[name] = _in_range(name, _number(name, value), value)
    if not found:
        raise EvaluatorError("an evaluator returns at least one metric; got an empty dict")
    for name, expected in derived_metrics(found).items():
        if not math.isclose(found.get(name, expected), expected, rel_tol=1e-6):
            raise EvaluatorError(
                f"metric {name!r} follows from the others, which give {expected:g}; got {found[name]!r}; leave it out, "
                "or name it otherwise"
            )
    for name in found:
        if found.get(spread_of(name), 0.0) < 0:
            raise EvaluatorError(
                f"metric {spread_of(name)!r} says how far {name!r} may be off and must be at least 0; got "
                f"{found[spread_of(name)]!r}"
            )
    return found


def _number(name: str, value: Any) -> float:
    number = math.nan
    with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeError):
        plain = value.item() if _has_no_dimensions(value) else value
        if _is_real(plain):
            number = float(plain)
    if not math.isfinite(number):
        raise EvaluatorError(f"metric {name!r} must be a finite number; got {_SHOWN.repr(value)}")
    return number


def _has_no_dimensions(value: Any) -> bool:
    """True for a number of NumPy's, or an array or tensor of no dimensions; not for dates, texts and masked values."""
    if not hasattr(value, "item") or tuple(getattr(value, "shape", (None,))) != ():
        return False
    return getattr(getattr(value, "dtype", None), "kind", "f") not in "mMSU" and not getattr(value, "mask", False)


def _is_real(value: Any) -> bool:
    """True for a real number: not for truth values and complex numbers, nor what `float` reads, texts and bytes."""
    if isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "f") != "f":
        return False
    return isinstance(value, numbers.Real | Decimal)


def _in_range(name: str, number: float, came: object) -> float:
    if abs(number) > LARGEST:
        raise EvaluatorError(f"metric {name!r} must be at most {LARGEST:g} in size; got {_SHOWN.repr(came)}")
    low, high = range_of(name)
    if low <= number <= high:
        return number
    if name in SHARES:
        raise EvaluatorError(f"metric {name!r} lies from 0 to 1 (98 % is 0.98); got {_SHOWN.repr(came)}")
    raise EvaluatorError(
        f"metric {name!r} is never below 0; got {_SHOWN.repr(came)}; give what can be a name of its own"
    )
