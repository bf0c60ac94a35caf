"""All that is known of one network of a search."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from gasearch_workers.messages import PRIMARY, Failure, TaskKind

from gasearch.query.answers import FailedAttempt, NetworkDetails
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluationRecord


def network_details(reader: ArchiveReader, name: str, key: str) -> NetworkDetails:
    """All that is known of one candidate, named by its key or a unique beginning of it.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        key: The candidate's key, or a unique beginning of it.

    Raises:
        UnknownSearch: if there is no such search, or not exactly one such key in it.
    """
    record = reader.search(name)
    network = reader.network(record.id, key)
    attempts, final = failed_attempts(reader, record.id, network.number)
    shared = {field.name for field in dataclasses.fields(NetworkDetails) if hasattr(network, field.name)}
    return NetworkDetails(
        **{field: getattr(network, field) for field in shared},
        traceback=final.traceback if final else "",
        output=final.output if final else "",
        attempts=attempts,
        curve=_named_curve(json.loads(network.curve_json), json.loads(record.data_json).get("kind")),
        blueprint=json.loads(network.network_json),
    )


def failed_attempts(reader: ArchiveReader, search_id: int, number: int) -> tuple[list[FailedAttempt], Failure | None]:
    """The attempts at a candidate that were made again, and the failure that its first training ended with, if it did.

    Args:
        reader: Where the search is stored.
        search_id: The search.
        number: The candidate.
    """
    made = reader.attempts_of(search_id, number)
    outcomes = (one.result.outcome for one in made if one.arrival >= 0 and not one.replicate)
    final = next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None)
    return [_failed_attempt(one) for one in made if one.arrival < 0], final


def _failed_attempt(record: EvaluationRecord) -> FailedAttempt:
    result = record.result
    assert isinstance(result.outcome, Failure), "what is made again has failed"
    return FailedAttempt(
        attempt=result.attempt,
        replicate=record.replicate,
        failure=str(result.outcome.kind),
        message=result.outcome.message,
        worker=result.worker,
        traceback=result.outcome.traceback,
        output=result.outcome.output,
    )


def _named_curve(curve: list[dict[str, Any]], kind: TaskKind | None) -> list[dict[str, Any]]:
    """The points of a curve with their score under its own name: stored is every primary score as "accuracy"."""
    score = PRIMARY[kind] if kind else "accuracy"
    return [{score if field == "accuracy" else field: value for field, value in point.items()} for point in curve]
