"""Records become rows, and rows records: fields are columns of the same name, but for those named here.

No record is made of a row that isn't the one that was written: a StoreError names it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from gasearch_workers.messages import (
    STANDARD_METRICS,
    CurvePoint,
    EvaluationResult,
    Failure,
    FailureKind,
    Measurement,
    Outcome,
    derived_metrics,
)

from gasearch.errors import StoreError
from gasearch.storage import checksums
from gasearch.storage.access import Role
from gasearch.storage.checksums import Sum, require_intact, stamped
from gasearch.storage.queue import SubmissionRecord, SubmissionState
from gasearch.storage.records import (
    CandidateRecord,
    EvaluatedNetwork,
    EvaluationRecord,
    ExpectedMetric,
    SearchStatus,
    Verdict,
)
from gasearch.storage.tables import evaluations
from gasearch.storage.values import Row, finite, from_json, numbers_json, storable, to_json, to_time

T = TypeVar("T")


def _predicted_json(predicted: tuple[ExpectedMetric, ...]) -> str | None:
    if not predicted:
        return None
    return to_json([(expected.metric, finite(expected.mean), finite(expected.deviation)) for expected in predicted])


def _predicted(text: str | None) -> tuple[ExpectedMetric, ...]:
    if text is None:
        return ()
    return tuple(
        ExpectedMetric(metric=metric, mean=mean, deviation=deviation) for metric, mean, deviation in from_json(text)
    )


def _pairs_json(pairs: tuple[tuple[str, float], ...]) -> str:
    return to_json([(storable(name), finite(value)) for name, value in pairs])


def _tuple(text: str | None) -> Any:
    return None if text is None else tuple(from_json(text))


def _as_it_is(value: Any) -> Any:
    return value


_PAIRS = ("metrics", "test", "claimed", "measured")  #: Fields of names with their values.
_TEXTS = ("files",)  #: Of names with a text each.
#: The columns of fields that have other names.
_COLUMNS = {"completed": "told"}
#: How fields are written that hold more than a number or a text without what SQL refuses.
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "objectives": to_json,
    "space_size": lambda size: min(float(size), sys.float_info.max),
    "genes": numbers_json,
    "parents": numbers_json,
    "predicted": _predicted_json,
    "best": numbers_json,
    "finished_at": datetime.timestamp,
    "message": storable,
    **dict.fromkeys(_PAIRS, _pairs_json),
    **dict.fromkeys(_TEXTS, lambda pairs: to_json([(storable(name), storable(text)) for name, text in pairs])),
}
#: How they are read.
_READERS: dict[str, Callable[[Any], Any]] = {
    "objectives": lambda text: tuple(map(tuple, from_json(text))),
    "genes": _tuple,
    "parents": _tuple,
    "predicted": _predicted,
    "best": _tuple,
    "operator": sys.intern,  # there are few, and a long search keeps each
    "state": SearchStatus,
    "is_stop_requested": bool,
    "is_owned": bool,
    "verdict": Verdict,
    "reference_point": _tuple,
    "reference_ideal": _tuple,
    "role": Role,
    "is_expired": bool,
    "is_held": bool,
    **dict.fromkeys(("created_at", "updated_at", "finished_at", "at", "submitted_at"), to_time),
    **dict.fromkeys(
        ("expires_at", "revoked_at", "used_at", "ended_at"), lambda at: None if at is None else to_time(at)
    ),
    **dict.fromkeys((*_PAIRS, *_TEXTS), lambda text: _pairs(text)),
}

#: How those of one kind of record are read that have the name of another kind's.
_READERS_OF: dict[type, dict[str, Callable[[Any], Any]]] = {SubmissionRecord: {"state": SubmissionState}}


def row_of(record: Any) -> dict[str, Any]:
    """The columns that a record fills."""
    names = [field.name for field in fields(record)]
    return {_COLUMNS.get(name, name): _WRITERS.get(name, _as_it_is)(getattr(record, name)) for name in names}


def record_of(kind: type[T], row: Row, *sums: Sum) -> T:
    """The record of that kind which a row holds.

    Args:
        kind: Its type.
        row: Has a column for each of its fields.
        sums: Those that the row must fit.

    Raises:
        StoreError: if it doesn't fit one.
    """
    require_intact(row, *sums)
    return kind(**values_of(kind, row))


def values_of(kind: type, row: Row) -> dict[str, Any]:
    """The fields of a record of that kind, by name."""
    return {name: read(row[_COLUMNS.get(name, name)]) for name, read in _readers(kind)}


@functools.cache
def _readers(kind: type) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    readers = _READERS | _READERS_OF.get(kind, {})
    return tuple((field.name, readers.get(field.name, _as_it_is)) for field in fields(kind))


# --- outcomes ---------------------------------------------------------------------------------------------------

_EMPTY: dict[str, Any] = {column.name: None for column in evaluations.columns} | {"others": "[]", "curve": "[]"}
_OF_RESULT = ("key", "attempt", "worker", "device", "started_at", "finished_at", "seconds", "versions")
_OF_RECORD = ("candidate", "arrival", "seed", "epochs", "data_share", "gain", "hypervolume")
_from_result, _from_record, _standard = attrgetter(*_OF_RESULT), attrgetter(*_OF_RECORD), attrgetter(*STANDARD_METRICS)
_standard_columns = itemgetter(*STANDARD_METRICS)


def evaluation_row(search_id: int, record: EvaluationRecord) -> dict[str, Any]:
    """The row of an outcome, checksum included.

    Raises:
        StoreError: if a number doesn't fit its column.
    """
    result = record.result
    row = _EMPTY | {"search_id": search_id, "replicate": record.replicate or None}
    row.update(zip(_OF_RECORD, _from_record(record), strict=True))
    row.update(zip(_OF_RESULT, _from_result(result), strict=True))
    if record.replicate and isinstance(result.outcome, Failure):
        row["replaced"] = record.arrival  # it answers nothing; any other row is the newest when it is written
    try:
        row.update(_outcome_columns(result.outcome))
        return stamped(row, checksums.EVALUATIONS)
    except ValueError as error:
        raise StoreError(f"the outcome of candidate {record.candidate} can't be stored: {error}") from error


def _outcome_columns(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Failure():
            columns: dict[str, Any] = {
                "failure": str(outcome.kind),
                "failure_message": storable(outcome.message),
                "traceback": storable(outcome.traceback) or None,
                "output": storable(outcome.output) or None,
            }
        case Measurement():
            columns = dict(zip(STANDARD_METRICS, _standard(outcome), strict=True))
            columns["flops"] = outcome.metrics().get("flops")
            columns["latency_device"] = outcome.latency_device
            columns["energy_source"] = outcome.energy_source
            if outcome.others:
                columns["others"] = to_json(outcome.others)
    if outcome.curve:
        columns["curve"] = to_json([_point_columns(point) for point in outcome.curve])
    return columns


def _point_columns(point: CurvePoint) -> dict[str, Any]:
    """A point of a curve as JSON; a whole epoch is written without a fraction."""
    epoch = int(point.epoch) if float(point.epoch).is_integer() else point.epoch
    columns: dict[str, Any] = {"epoch": epoch, "train_loss": point.train_loss, "accuracy": point.accuracy}
    return columns | {"metrics": point.metrics} if point.metrics else columns


def _curve_point(columns: Mapping[str, Any]) -> CurvePoint:
    return CurvePoint(**{**columns, "metrics": _as_pairs(columns.get("metrics", ()))})


def evaluation_record(row: Row, *, with_curve: bool = True) -> EvaluationRecord:
    """The outcome that a row holds, its curve and what it printed left out where they aren't wanted.

    Raises:
        StoreError: if the row isn't the one that was written.
    """
    require_intact(row, checksums.EVALUATIONS)
    result = EvaluationResult(
        outcome=outcome_of(row, with_curve=with_curve), **{name: row[name] for name in _OF_RESULT}
    )
    return EvaluationRecord(replicate=row["replicate"] or 0, result=result, **{name: row[name] for name in _OF_RECORD})


def outcome_of(row: Row, *, with_curve: bool = True) -> Outcome:
    """The outcome that a row holds, which is known to be intact."""
    has_curve = with_curve and row["curve"] != "[]"
    curve = tuple(map(_curve_point, from_json(row["curve"]))) if has_curve else ()
    if row["failure"] is not None:
        return Failure(
            kind=FailureKind(row["failure"]),
            message=row["failure_message"],
            curve=curve,
            traceback=(with_curve and row["traceback"]) or "",
            output=(with_curve and row["output"]) or "",
        )
    return Measurement(
        **dict(zip(STANDARD_METRICS, _standard_columns(row), strict=True)),
        latency_device=row["latency_device"],
        energy_source=row["energy_source"],
        others=_pairs(row["others"]),
        curve=curve,
    )


def _pairs(text: str) -> tuple[tuple[str, float], ...]:
    return () if text == "[]" else _as_pairs(from_json(text))


def _as_pairs(lists: Iterable[Any]) -> tuple[tuple[str, float], ...]:
    return tuple([(name, value) for name, value in lists])


def metrics_of(row: Row) -> dict[str, float]:
    """All metrics of a measured row, by name, as `Measurement.metrics` gives them."""
    found = {name: row[name] for name in STANDARD_METRICS if row[name] is not None}
    found |= derived_metrics(found)
    found.update(_pairs(row["others"]))
    return found


#: What a network has of its newest outcome as it is stored.
OF_OUTCOME = ("failure", "failure_message", "worker", "device", "latency_device", "energy_source", "seed", "gain")


def evaluated_network(row: Row) -> EvaluatedNetwork:
    """A candidate's row joined with that of its newest outcome, if it has one, and with `is_on_front`."""
    has_outcome = row["arrival"] is not None
    return EvaluatedNetwork(
        **values_of(CandidateRecord, row),
        metrics=metrics_of(row) if has_outcome and row["failure"] is None else {},
        is_on_front=bool(row["is_on_front"]),
        arrival=row["arrival"] if has_outcome else -1,
        curve_json=row["curve"] or "[]",
        versions=row["versions"] or "",
        **{name: row[name] for name in OF_OUTCOME},
    )
