"""Where searches stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gasearch_workers.messages import FailureKind

from gasearch.errors import StoreError
from gasearch.evolution.surrogate.schedule import allowed_seconds
from gasearch.query.answers import SearchDescription, SearchSummary
from gasearch.query.asked import directions_of, objectives_of
from gasearch.query.finals import Finalist, finalists
from gasearch.query.verified import verified_networks
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.owner import is_gone
from gasearch.storage.records import Effort, SearchRecord, SearchStatus

MANY_OBJECTIVES = 4  #: As `gasearch.spec.sections` has it; a test compares the two.


def list_searches(reader: ArchiveReader) -> list[SearchSummary]:
    """All searches, newest first."""
    return [_summary_of(reader, record) for record in reader.searches()]


def search_summary(reader: ArchiveReader, name: str) -> SearchSummary:
    """Where one search stands.

    Raises:
        UnknownSearch: if there is none of that name.
    """
    return _summary_of(reader, reader.search(name))


def describe_search(reader: ArchiveReader, name: str) -> SearchDescription:
    """Describe one search: what it was asked, and where it stands.

    Raises:
        UnknownSearch: if there is none of that name.
    """
    record = reader.search(name)
    return SearchDescription(
        summary=_summary_of(reader, record),
        spec=json.loads(record.spec_json),
        data=json.loads(record.data_json),
        space_size=record.space_size,
        space_fingerprint=record.space_fingerprint,
        version=record.version,
    )


def _summary_of(reader: ArchiveReader, record: SearchRecord) -> SearchSummary:
    counts = reader.counts(record.id)
    busy = counts.busy_seconds
    spec = json.loads(record.spec_json)
    budget, asked = spec.get("budget") or {}, spec.get("evolution") or {}
    front, objectives = reader.front_metrics(record.id), objectives_of(record)
    finals, verified, finals_fault = _finals(reader, record)
    best_final = next((one for one in finals if one.is_on_front), None)
    return SearchSummary(
        name=record.name,
        state=record.state,
        reason=record.reason,
        is_active=record.state is SearchStatus.RUNNING and record.is_owned and not is_gone(record.owner or ""),
        owner=record.owner,
        objectives=directions_of(record),
        told=counts.completed,
        budget=budget.get("evaluations"),
        hours=budget.get("hours"),
        algorithm=_algorithm(asked.get("algorithm", "nsga2"), record),
        mode=asked.get("mode", "generational"),
        candidates=counts.candidates,
        failures=counts.failures,
        causes={
            one.failure: f"{one.key}: {one.message}"
            for one in reader.newest_failures(record.id, sorted(counts.failures))
        },
        stopped=counts.stopped,
        stopped_seconds=_mean_seconds(counts.efforts, FailureKind.STOPPED),
        finished_seconds=_mean_seconds(counts.efforts, None),
        saved_seconds=_saved_seconds(counts.efforts),
        surrogate_seconds=_surrogate_seconds(asked, record, _mean_seconds(counts.efforts, None)),
        reused=counts.reused,
        replicates=counts.replicates,
        retries=counts.retries,
        front_size=counts.front_size,
        hypervolume=_hypervolume(reader, record, front, counts.completed),
        best={
            one.metric: max((metrics[one.metric] for metrics in front), key=one.wvalue) for one in objectives if front
        },
        finalized=sum(one.seeds > 0 for one in finals),
        verified=verified,
        finals_fault=finals_fault,
        best_final=None if best_final is None else best_final.key,
        best_final_metrics={} if best_final is None else best_final.metrics,
        generation=counts.generation,
        active_seconds=record.active_seconds,
        busy_seconds=busy,
        worker_seconds=record.worker_seconds,
        # Unknown where less time was counted than was spent: an evaluation ends before its time is counted, and earlier
        # versions counted none.
        utilisation=busy / record.worker_seconds if 0 < record.worker_seconds >= busy else None,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _finals(reader: ArchiveReader, record: SearchRecord) -> tuple[list[Finalist], int, str]:
    """The finalists, how many networks are verified, and why a damaged row keeps that from being read."""
    try:
        verified = verified_networks(reader, record.id) or {}
        return finalists(reader, record.name), sum(verified.values()), ""
    except StoreError as error:
        return [], 0, str(error)


def _algorithm(name: str, record: SearchRecord) -> str:
    """The algorithm that "auto" stands for: `EvolutionSpec.algorithm_for`, without loading what validates specs."""
    if name != "auto":
        return name
    return "nsga3" if len(record.objectives) >= MANY_OBJECTIVES else "nsga2"


def _surrogate_seconds(asked: Mapping[str, Any], record: SearchRecord, training_s: float | None) -> float | None:
    """The bound of a proposal where trainings are short: `SearchSpec.paces_surrogate`, without what validates specs."""
    is_ranked = _algorithm(asked.get("algorithm", "nsga2"), record) in ("nsga2", "nsga3", "aging")
    is_paced = asked.get("surrogate") is True and asked.get("mode") == "steady-state" and is_ranked
    return allowed_seconds(training_s) if is_paced else None


def _mean_seconds(efforts: Sequence[Effort], failure: str | None) -> float | None:
    """Mean seconds of an attempt that ended so; None where there is none."""
    return next((effort.seconds / effort.attempts for effort in efforts if effort.failure == failure), None)


def _saved_seconds(efforts: Sequence[Effort]) -> float | None:
    """By how much shorter the stopped attempts were than as many that went on to their end."""
    finished = _mean_seconds(efforts, None)
    stopped = next((effort for effort in efforts if effort.failure == FailureKind.STOPPED), None)
    if finished is None or stopped is None:
        return None
    return max(0.0, stopped.attempts * (finished - stopped.seconds / stopped.attempts))


def _hypervolume(
    reader: ArchiveReader, record: SearchRecord, front: Sequence[Mapping[str, float]], completed: int
) -> float | None:
    """Of all that was measured; None while its scaling isn't fixed."""
    if record.reference_ideal is None:
        return None
    newest = reader.hypervolume(record.id)
    if newest is not None:
        return newest
    from gasearch.objectives.frontier import MOST_OBJECTIVES_EACH  # NumPy takes longer to load than all the rest
    from gasearch.query.growth import scaling_of

    generations = reader.generations(record.id)
    if len(record.objectives) > MOST_OBJECTIVES_EACH or (generations and generations[-1].evaluations == completed):
        return generations[-1].hypervolume if generations else None
    # A search of a version before 0.4, which took the volume of the front alone.
    objectives = objectives_of(record)
    wvalues = [[one.wvalue(metrics[one.metric]) for one in objectives] for metrics in front]
    scaling = scaling_of(record)
    return scaling.hypervolume(wvalues) if scaling is not None and wvalues else 0.0
