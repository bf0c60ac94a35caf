"""Outcomes become rows, and rows outcomes. Each row carries a checksum of all that it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from gasearch_workers.messages import (
    STANDARD_METRICS,
    WHOLE_METRICS,
    CurvePoint,
    EvaluationResult,
    Failure,
    FailureKind,
    Measurement,
    Outcome,
    derived_metrics,
)
from sqlalchemy import Double

from gasearch.errors import StoreError
from gasearch.storage import tables
from gasearch.storage.records import EvaluationRecord
from gasearch.storage.values import Row, finite, from_json, storable, to_json

#: The columns of the first schema that an evaluation's checksum covers, in order.
CHECKED = tuple(
    column.name
    for column in tables.evaluations.columns
    if column.name not in ("checksum", *tables.ADDED, *tables.MUTABLE)
)
_checked, _added, _standard = itemgetter(*CHECKED), itemgetter(*tables.ADDED), itemgetter(*STANDARD_METRICS)
_WHOLE = (*sorted(WHOLE_METRICS), "seed")
_FRACTIONS = tuple(column.name for column in tables.evaluations.columns if isinstance(column.type, Double))
_LARGEST_WHOLE = 2**63 - 1


def evaluation_row(search_id: int, record: EvaluationRecord) -> dict[str, Any]:
    """The row of an outcome, checksum included.

    Raises:
        StoreError: if a number doesn't fit its column.
    """
    result = record.result
    row: dict[str, Any] = dict.fromkeys((*CHECKED, *tables.ADDED))
    row |= {
        "search_id": search_id,
        "candidate": record.candidate,
        "attempt": result.attempt,
        "arrival": record.arrival,
        "key": result.key,
        "others": "[]",
        "curve": "[]",
        "worker": result.worker,
        "device": result.device,
        "versions": result.versions,
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        "seed": record.seed,
        "epochs": record.epochs,
        "data_share": record.data_share,
        "replicate": record.replicate or None,
        "gain": None if record.gain is None else finite(record.gain),
        "hypervolume": None if record.hypervolume is None else finite(record.hypervolume),
        "replaced": _replaced(record),
        "seconds": result.seconds,
    }
    try:
        row |= _outcome_columns(result.outcome)
        _fit_columns(row)
    except ValueError as error:
        raise StoreError(f"the outcome of candidate {record.candidate} can't be stored: {error}") from error
    row["checksum"] = checksum(row)
    return row


def _replaced(record: EvaluationRecord) -> int | None:
    """A further training that failed answers nothing from the start; any other row is the newest when it is written."""
    return record.arrival if record.replicate and isinstance(record.result.outcome, Failure) else None


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
            columns = {name: getattr(outcome, name) for name in STANDARD_METRICS}
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
    if point.metrics:
        columns["metrics"] = point.metrics
    return columns


def _curve_point(columns: Mapping[str, Any]) -> CurvePoint:
    return CurvePoint(
        epoch=columns["epoch"],
        train_loss=columns["train_loss"],
        accuracy=columns["accuracy"],
        metrics=_as_pairs(columns["metrics"]) if "metrics" in columns else (),
    )


def _fit_columns(row: dict[str, Any]) -> None:
    """Give each number the type that its column gives back, so that the checksum is that of the row as read."""
    for name in _FRACTIONS:
        if row[name] is not None:
            row[name] = float(row[name]) + 0.0  # SQLite keeps no negative zero
    for name in _WHOLE:
        if row[name] is not None:
            row[name] = _whole(name, row[name])


def _whole(name: str, value: float) -> int:
    if value != int(value) or abs(value) > _LARGEST_WHOLE:
        raise ValueError(f"{name} must be a whole number below 2**63; got {value!r}")
    return int(value)


def checksum(row: Row) -> str:
    """BLAKE2b, 128 bits, of an evaluation's columns. ASCII JSON: the same text on every system and version.

    Columns that later schemas added count, with their names, where they hold something: rows of before keep their
    checksum, and one that is emptied or filled afterwards is still noticed.
    """
    values = list(_checked(row))
    values += [[name, value] for name, value in zip(tables.ADDED, _added(row), strict=True) if value is not None]
    return hashlib.blake2b(to_json(values).encode(), digest_size=16).hexdigest()


def is_intact(row: Row) -> bool:
    """Whether the row is the one that was written."""
    try:
        return checksum(row) == str(row["checksum"])
    except (TypeError, ValueError):  # a value of another type, or no number: nothing that was ever written
        return False


def require_intact(row: Row) -> None:
    """Check that a row is the one that was written.

    Raises:
        StoreError: naming it.
    """
    if not is_intact(row):
        raise StoreError(
            f"evaluation of candidate {row['candidate']}, attempt {row['attempt']} (search {row['search_id']}) doesn't "
            "match its checksum: the row was changed or damaged after it was written; restore a backup"
        )


def evaluation_record(row: Row, *, with_curve: bool = True) -> EvaluationRecord:
    """The outcome that a row holds, its curve and what it printed left out where they aren't wanted.

    Raises:
        StoreError: if the row isn't the one that was written.
    """
    require_intact(row)
    return EvaluationRecord(
        candidate=row["candidate"],
        replicate=row["replicate"] or 0,
        gain=row["gain"],
        hypervolume=row["hypervolume"],
        arrival=row["arrival"],
        result=EvaluationResult(
            key=row["key"],
            attempt=row["attempt"],
            worker=row["worker"],
            device=row["device"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            seconds=row["seconds"],
            outcome=outcome_of(row, with_curve=with_curve),
            versions=row["versions"],
        ),
        seed=row["seed"],
        epochs=row["epochs"],
        data_share=row["data_share"],
    )


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
        **dict(zip(STANDARD_METRICS, _standard(row), strict=True)),
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
