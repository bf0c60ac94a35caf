"""Records become rows, and rows records; `evaluation_rows` has those of the outcomes."""

from __future__ import annotations

import sys
from typing import Any

from gasearch_workers.messages import Calibration

from gasearch.storage import checksums
from gasearch.storage.checksums import require_intact
from gasearch.storage.evaluation_rows import metrics_of
from gasearch.storage.records import (
    CandidateRecord,
    EvaluatedNetwork,
    EventRecord,
    ExpectedMetric,
    GenerationRecord,
    NewSearch,
    OperatorCounts,
    ReplicateRecord,
    SearchRecord,
    SearchStatus,
    TuningTrial,
)
from gasearch.storage.values import Row, finite, from_json, numbers_json, to_json, to_time

# None of these takes a row that isn't the one that was written: they raise a StoreError that names it.

# --- searches ---------------------------------------------------------------------------------------------------


def search_row(new: NewSearch) -> dict[str, Any]:
    """The columns that a new search brings with it."""
    return {
        "name": new.name,
        "spec_json": new.spec_json,
        "spec_hash": new.spec_hash,
        "objectives": to_json(new.objectives),
        "space_fingerprint": new.space_fingerprint,
        "space_size": min(float(new.space_size), sys.float_info.max),
        "data_json": new.data_json,
        "version": new.version,
        "context": new.context,
        "evaluator_source": new.evaluator_source,
    }


def search_record(row: Row) -> SearchRecord:
    """The search that a row holds; the row has `is_owned` besides its columns."""
    return SearchRecord(
        id=row["id"],
        name=row["name"],
        spec_json=row["spec_json"],
        spec_hash=row["spec_hash"],
        objectives=tuple((metric, is_maximized) for metric, is_maximized in from_json(row["objectives"])),
        space_fingerprint=row["space_fingerprint"],
        space_size=row["space_size"],
        data_json=row["data_json"],
        version=row["version"],
        context=row["context"],
        evaluator_source=row["evaluator_source"],
        state=SearchStatus(row["state"]),
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
    return None if text is None else tuple(from_json(text))


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
        "told": record.completed,
        "network_json": record.network_json,
        "predicted": _predicted_json(record.predicted),
    }


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


def candidate_record(row: Row) -> CandidateRecord:
    """The proposal that a row holds."""
    require_intact(row, checksums.CANDIDATES)
    return CandidateRecord(
        number=row["number"],
        key=row["key"],
        genes=tuple(from_json(row["genes"])),
        parents=tuple(from_json(row["parents"])),
        operator=sys.intern(row["operator"]),  # there are few, and a long search keeps each
        generation=row["generation"],
        completed=row["told"],
        network_json=row["network_json"],
        predicted=_predicted(row["predicted"]),
    )


def replicate_row(search_id: int, record: ReplicateRecord) -> dict[str, Any]:
    """The row of a decision to train a candidate again."""
    return {
        "search_id": search_id,
        "candidate": record.candidate,
        "replicate": record.replicate,
        "told": record.completed,
    }


def replicate_record(row: Row) -> ReplicateRecord:
    """The decision that a row holds."""
    require_intact(row, checksums.REPLICATES)
    return ReplicateRecord(candidate=row["candidate"], replicate=row["replicate"], completed=row["told"])


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
        parents=tuple(from_json(row["parents"])),
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
    require_intact(row, checksums.GENERATIONS)
    return GenerationRecord(
        number=row["number"],
        evaluations=row["evaluations"],
        failures=row["failures"],
        front_size=row["front_size"],
        hypervolume=row["hypervolume"],
        best=tuple(from_json(row["best"])),
        finished_at=to_time(row["finished_at"]),
    )


def calibration(row: Row) -> Calibration:
    """The yardstick that a row holds."""
    require_intact(row, checksums.CALIBRATIONS)
    return Calibration(device=row["device"], reference_latency_ms=row["reference_latency_ms"])


def event_record(row: Row) -> EventRecord:
    """The event that a row holds."""
    require_intact(row, checksums.EVENTS)
    return EventRecord(kind=row["kind"], message=row["message"], candidate=row["candidate"], at=to_time(row["at"]))


def tuning_trial(row: Row) -> TuningTrial:
    """The trial that a row holds."""
    require_intact(row, checksums.TUNING_TRIALS)
    return TuningTrial(
        key=row["key"],
        study=row["study"],
        number=row["number"],
        recipe_json=row["recipe_json"],
        value=row["value"],
        message=row["message"],
    )
