"""The values that columns take: JSON text, finite numbers, times in UTC, text without what SQL refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gasearch.errors import StoreError

Row = Mapping[Any, Any]
to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


def from_json(text: str) -> Any:
    """Return what `to_json` was given, tuples as lists; `json.loads`, which looks for space, takes twice as long."""
    return _decode(text)[0]


def numbers_json(numbers: Iterable[float]) -> str:
    """Numbers as a JSON list.

    Raises:
        StoreError: if one is NaN or infinite.
    """
    return to_json([finite(number) for number in numbers])


def finite(number: float) -> float:
    """The number itself.

    Raises:
        StoreError: if it is NaN or infinite.
    """
    if not math.isfinite(number):
        raise StoreError(f"only finite numbers can be stored; got {number!r}")
    return number


def to_time(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def storable(text: str) -> str:
    """Text from outside (a traceback, say) as both databases take it: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
