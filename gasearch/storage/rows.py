"""Records become rows, and rows records. An evaluation's row carries a checksum of all that it says."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Double

from gasearch.errors import StoreError
from gasearch.storage import tables
from gasearch.storage.records import (
    CandidateRecord,
    EvaluatedNetwork,
    EvaluationRecord,
    EventRecord,
    ExpectedMetric,
    GenerationRecord,
    NewSearch,
    OperatorCounts,
    ReplicateRecord,
    SearchRecord,
    SearchState,
    TuningTrial,
)
from workers.messages import (
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

Row = Mapping[Any, Any]

#: The columns of the first schema that an evaluation's checksum covers, in order.
CHECKED = tuple(
    column.name
    for column in tables.evaluations.columns
    if column.name not in ("checksum", *tables.ADDED, *tables.MUTABLE)
)
_WHOLE = (*sorted(WHOLE_METRICS), "seed")
_FRACTIONS = tuple(column.name for column in tables.evaluations.columns if isinstance(column.type, Double))
_LARGEST_WHOLE = 2**63 - 1
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


# --- evaluations ------------------------------------------------------------------------------------------------


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
        "replaced": _replaced(record),
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
            columns: dict[str, Any] = {"failure": str(outcome.kind), "failure_message": storable(outcome.message)}
        case Measurement():
            columns = {name: getattr(outcome, name) for name in STANDARD_METRICS}
            columns["flops"] = outcome.metrics().get("flops")
            columns["latency_device"] = outcome.latency_device
            columns["energy_source"] = outcome.energy_source
            if outcome.others:
                columns["others"] = _to_json(outcome.others)
    if outcome.curve:
        columns["curve"] = _to_json([_point_columns(point) for point in outcome.curve])
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
        metrics=tuple((name, value) for name, value in columns.get("metrics", ())),
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
    values = [row[name] for name in CHECKED]
    values += [[name, row[name]] for name in tables.ADDED if row[name] is not None]
    return hashlib.blake2b(_to_json(values).encode(), digest_size=16).hexdigest()


def _is_intact(row: Row) -> bool:
    """Whether the row is the one that was written."""
    try:
        return checksum(row) == str(row["checksum"])
    except (TypeError, ValueError):  # a value of another type, or no number: nothing that was ever written
        return False


def evaluation_record(row: Row) -> EvaluationRecord:
    """The outcome that a row holds.

    Raises:
        StoreError: if the row isn't the one that was written.
    """
    if not _is_intact(row):
        raise StoreError(
            f"evaluation of candidate {row['candidate']}, attempt {row['attempt']} (search {row['search_id']}) doesn't "
            "match its checksum: the row was changed or damaged after it was written; restore a backup"
        )
    return EvaluationRecord(
        candidate=row["candidate"],
        replicate=row["replicate"] or 0,
        gain=row["gain"],
        arrival=row["arrival"],
        result=EvaluationResult(
            key=row["key"],
            attempt=row["attempt"],
            worker=row["worker"],
            device=row["device"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            outcome=_outcome(row),
            versions=row["versions"],
        ),
        seed=row["seed"],
        epochs=row["epochs"],
        data_share=row["data_share"],
    )


def _outcome(row: Row) -> Outcome:
    curve = () if row["curve"] == "[]" else tuple(map(_curve_point, json.loads(row["curve"])))
    if row["failure"] is not None:
        return Failure(kind=FailureKind(row["failure"]), message=row["failure_message"], curve=curve)
    return Measurement(
        **{name: row[name] for name in STANDARD_METRICS},
        latency_device=row["latency_device"],
        energy_source=row["energy_source"],
        others=_pairs(row["others"]),
        curve=curve,
    )


def _pairs(text: str) -> tuple[tuple[str, float], ...]:
    return () if text == "[]" else tuple((name, value) for name, value in json.loads(text))


def metrics_of(row: Row) -> dict[str, float]:
    """All metrics of a measured row, by name, as `Measurement.metrics` gives them."""
    found = {name: row[name] for name in STANDARD_METRICS if row[name] is not None}
    found |= derived_metrics(found)
    found.update(_pairs(row["others"]))
    return found


# --- searches ---------------------------------------------------------------------------------------------------


def search_row(new: NewSearch) -> dict[str, Any]:
    """The columns that a new search brings with it."""
    return {
        "name": new.name,
        "spec_json": new.spec_json,
        "spec_hash": new.spec_hash,
        "objectives": _to_json(new.objectives),
        "space_fingerprint": new.space_fingerprint,
        "space_size": min(float(new.space_size), sys.float_info.max),
        "data_json": new.data_json,
        "version": new.version,
        "context": new.context,
    }


def search_record(row: Row) -> SearchRecord:
    """The search that a row holds; the row has `is_owned` besides its columns."""
    return SearchRecord(
        id=row["id"],
        name=row["name"],
        spec_json=row["spec_json"],
        spec_hash=row["spec_hash"],
        objectives=tuple((metric, is_maximized) for metric, is_maximized in json.loads(row["objectives"])),
        space_fingerprint=row["space_fingerprint"],
        space_size=row["space_size"],
        data_json=row["data_json"],
        version=row["version"],
        context=row["context"],
        state=SearchState(row["state"]),
        reason=row["reason"],
        is_stop_requested=bool(row["is_stop_requested"]),
        created_at=to_time(row["created_at"]),
        updated_at=to_time(row["updated_at"]),
        active_seconds=row["active_seconds"],
        worker_seconds=row["worker_seconds"],
        owner=row["owner"],
        is_owned=bool(row["is_owned"]),
        reference_point=_numbers(row["reference_point"]),
        reference_ideal=_numbers(row["reference_ideal"]),
    )


def _numbers(text: str | None) -> tuple[float, ...] | None:
    return None if text is None else tuple(json.loads(text))


# --- the rest ---------------------------------------------------------------------------------------------------


def candidate_row(search_id: int, record: CandidateRecord) -> dict[str, Any]:
    """The row of a proposal, but for its time."""
    return {
        "search_id": search_id,
        "number": record.number,
        "key": record.key,
        "genes": numbers_json(record.genes),
        "parents": numbers_json(record.parents),
        "operator": record.operator,
        "generation": record.generation,
        "told": record.told,
        "network_json": record.network_json,
        "predicted": _predicted_json(record.predicted),
    }


def _predicted_json(predicted: tuple[ExpectedMetric, ...]) -> str | None:
    if not predicted:
        return None
    return _to_json([(expected.metric, finite(expected.mean), finite(expected.deviation)) for expected in predicted])


def _predicted(text: str | None) -> tuple[ExpectedMetric, ...]:
    if text is None:
        return ()
    return tuple(
        ExpectedMetric(metric=metric, mean=mean, deviation=deviation) for metric, mean, deviation in json.loads(text)
    )


def candidate_record(row: Row) -> CandidateRecord:
    """The proposal that a row holds."""
    return CandidateRecord(
        number=row["number"],
        key=row["key"],
        genes=tuple(json.loads(row["genes"])),
        parents=tuple(json.loads(row["parents"])),
        operator=row["operator"],
        generation=row["generation"],
        told=row["told"],
        network_json=row["network_json"],
        predicted=_predicted(row["predicted"]),
    )


def replicate_row(search_id: int, record: ReplicateRecord) -> dict[str, Any]:
    """The row of a decision to train a candidate again."""
    return {
        "search_id": search_id,
        "candidate": record.candidate,
        "replicate": record.replicate,
        "told": record.told,
    }


def replicate_record(row: Row) -> ReplicateRecord:
    """The decision that a row holds."""
    return ReplicateRecord(candidate=row["candidate"], replicate=row["replicate"], told=row["told"])


def operator_counts(row: Row) -> OperatorCounts:
    """What one operator's children came to, as a row of sums says."""
    return OperatorCounts(
        operator=row["operator"],
        children=row["children"],
        measured=row["measured"],
        entered=row["entered"],
        gain=row["gain"],
    )


def evaluated_network(row: Row) -> EvaluatedNetwork:
    """A candidate's row joined with that of its newest outcome, if it has one, and with `is_on_front`."""
    has_outcome = row["arrival"] is not None
    is_measured = has_outcome and row["failure"] is None
    return EvaluatedNetwork(
        number=row["number"],
        key=row["key"],
        generation=row["generation"],
        parents=tuple(json.loads(row["parents"])),
        operator=row["operator"],
        network_json=row["network_json"],
        metrics=metrics_of(row) if is_measured else {},
        is_on_front=bool(row["is_on_front"]),
        arrival=row["arrival"] if has_outcome else -1,
        failure=row["failure"],
        failure_message=row["failure_message"],
        curve_json=row["curve"] if has_outcome else "[]",
        worker=row["worker"],
        device=row["device"],
        latency_device=row["latency_device"],
        energy_source=row["energy_source"],
        versions=row["versions"] or "",
        seed=row["seed"],
        predicted=_predicted(row["predicted"]),
        gain=row["gain"],
    )


def generation_row(search_id: int, record: GenerationRecord) -> dict[str, Any]:
    """The row of a generation's statistics."""
    return {
        "search_id": search_id,
        "number": record.number,
        "evaluations": record.evaluations,
        "failures": record.failures,
        "front_size": record.front_size,
        "hypervolume": finite(record.hypervolume),
        "best": numbers_json(record.best),
        "finished_at": record.finished_at.timestamp(),
    }


def generation_record(row: Row) -> GenerationRecord:
    """The statistics that a row holds."""
    return GenerationRecord(
        number=row["number"],
        evaluations=row["evaluations"],
        failures=row["failures"],
        front_size=row["front_size"],
        hypervolume=row["hypervolume"],
        best=tuple(json.loads(row["best"])),
        finished_at=to_time(row["finished_at"]),
    )


def event_record(row: Row) -> EventRecord:
    """The event that a row holds."""
    return EventRecord(kind=row["kind"], message=row["message"], candidate=row["candidate"], at=to_time(row["at"]))


def tuning_trial(row: Row) -> TuningTrial:
    """The trial that a row holds."""
    return TuningTrial(
        key=row["key"],
        study=row["study"],
        number=row["number"],
        recipe_json=row["recipe_json"],
        value=row["value"],
        message=row["message"],
    )


def numbers_json(numbers: Iterable[float]) -> str:
    """Numbers as a JSON list.

    Raises:
        StoreError: if one is NaN or infinite.
    """
    return _to_json([finite(number) for number in numbers])


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
