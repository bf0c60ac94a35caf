"""Outcomes as columns: what questions about all of them need, without an object for each."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gasearch_workers.machine.process_state import gc_paused
from gasearch_workers.messages import STANDARD_METRICS, derived_metrics
from sqlalchemy import ColumnElement, Select, func, literal, select, type_coerce
from sqlalchemy.types import NULLTYPE

from gasearch.storage.questions import IS_REUSED, WORKED_S
from gasearch.storage.tables import IS_FINAL, evaluations
from gasearch.storage.values import from_json, to_json

CHUNK = 5000  #: Rows in memory at a time.
#: What is read of every outcome, as the columns below are called.
_FACTS: dict[str, ColumnElement[Any]] = {
    "candidates": evaluations.c.candidate,
    "is_replicate": evaluations.c.replicate.is_not(None),
    "is_newest": evaluations.c.replaced.is_(None),
    "is_measured": evaluations.c.failure.is_(None),
    "is_reused": IS_REUSED,
    "finished_at": evaluations.c.finished_at,
    "seconds": WORKED_S,
}
#: What `derived_metrics` needs for those that have no column.
_DERIVED = {"efficiency": ("macs", "train_seconds", "latency_ms", "model_bytes")}
_STORED = frozenset({*STANDARD_METRICS, "flops"})


def _flags() -> array[int]:
    return array("b")


def _floats() -> array[float]:
    return array("d")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeColumns:
    """Final outcomes in the order of arrival: every column has a value for each. Arrays of the standard library."""

    candidates: array[int] = field(default_factory=lambda: array("q"))
    is_replicate: array[int] = field(default_factory=_flags)  #: 1 for a further training.
    is_newest: array[int] = field(default_factory=_flags)  #: 0 where a later training answers about its candidate.
    is_measured: array[int] = field(default_factory=_flags)  #: 0 for a failure.
    is_reused: array[int] = field(default_factory=_flags)  #: 1 where it was taken over from an earlier search.
    finished_at: array[float] = field(default_factory=_floats)  #: Seconds since 1970, by the worker's clock.
    seconds: array[float] = field(default_factory=_floats)  #: How long it took, see `EvaluationResult.duration_s`.
    metrics: dict[str, array[float]]  #: By name, in native units; NaN where an outcome lacks it.

    def __len__(self) -> int:
        """Number of outcomes."""
        return len(self.candidates)


class ColumnReading:
    """Reads some metrics of all final outcomes of a search."""

    def __init__(self, search_id: int, metrics: Iterable[str]) -> None:
        """Any names: what no outcome has is NaN everywhere."""
        self._metrics = list(dict.fromkeys(metrics))
        parts = [_DERIVED.get(name, (name,)) for name in self._metrics]
        self._stored = sorted({one for names in parts for one in names} & _STORED)
        self._has_others = not _STORED.issuperset(self._metrics)
        metrics = [*self._stored, *(["others"] if self._has_others else [])]
        self._names = [*_FACTS, *metrics]
        # As the driver gives them: an array takes True for 1, and no type has to look at 200,000 of each.
        columns: list[ColumnElement[Any]] = [
            type_coerce(column, NULLTYPE).label(name) for name, column in _FACTS.items()
        ]
        of_search = select(*columns, *(evaluations.c[name] for name in metrics)).where(
            evaluations.c.search_id == search_id, IS_FINAL
        )
        self.statement: Select[Any] = of_search.order_by(evaluations.c.arrival)

    def collect(self, chunks: Iterable[Sequence[Sequence[Any]]]) -> OutcomeColumns:
        """The rows of `statement`, some at a time, as columns."""
        found = OutcomeColumns(metrics={name: _floats() for name in self._metrics})
        with gc_paused():
            for rows in chunks:
                self._append(found, dict(zip(self._names, zip(*rows, strict=True), strict=True)))
        return found

    def _append(self, found: OutcomeColumns, columns: dict[str, Sequence[Any]]) -> None:
        for fact in _FACTS:
            getattr(found, fact).extend(columns[fact])
        own = _pairs(columns["others"]) if self._has_others else []
        for name, column in found.metrics.items():
            if name in _STORED:
                column.extend([math.nan if value is None else value for value in columns[name]])
            elif name in _DERIVED:
                parts = zip(*(columns[one] for one in _DERIVED[name]), strict=True)
                derived = [derived_metrics(_known(_DERIVED[name], values)).get(name, math.nan) for values in parts]
                given = _values(own, name)
                column.extend([two if math.isnan(one) else one for one, two in zip(given, derived, strict=True)])
            else:
                column.extend(_values(own, name))


_Pairs = list[tuple[str, float]]


def _pairs(texts: Sequence[str]) -> list[_Pairs]:
    """The JSON of `evaluations.others` of many rows, read at once."""
    pairs: list[_Pairs] = from_json(f"[{','.join(texts)}]")
    return pairs


def _values(rows: Sequence[_Pairs], name: str) -> list[float]:
    """One metric of many rows, NaN where it is missing; tried first is the place that it has in the longest."""
    longest: _Pairs = max(rows, key=len, default=[])
    place = next((place for place, pair in enumerate(longest) if pair[0] == name), None)
    if place is None:
        return [_value(row, name) for row in rows] if longest else [math.nan] * len(rows)
    return [row[place][1] if len(row) > place and row[place][0] == name else _value(row, name) for row in rows]


def _value(row: _Pairs, name: str) -> float:
    return next((value for other, value in row if other == name), math.nan)


def _known(names: Sequence[str], values: Sequence[Any]) -> dict[str, float]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def measured_somewhere(search_id: int, metric: str) -> Select[Any]:
    """A row where some final outcome of a search has the metric; none where it isn't known there."""
    parts = _DERIVED.get(metric, (metric,))
    conditions = (
        [evaluations.c[name].is_not(None) for name in parts]
        if _STORED.issuperset(parts)
        # Not LIKE, in which SQLite takes capitals for small letters.
        else [func.replace(evaluations.c.others, f"[{to_json(metric)},", "") != evaluations.c.others]
    )
    return select(literal(1)).where(evaluations.c.search_id == search_id, IS_FINAL, *conditions).limit(1)
