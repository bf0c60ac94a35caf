"""What anyone may ask of a search: the command line, Python, the service and the plot all answer from here.

Pure functions over an `ArchiveReader`. A search's own constraints bind every answer: a network that breaks one is never
"best".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from gasearch_workers.messages import PRIMARY, FailureKind, TaskKind

from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.query.answers import (
    FrontPoint,
    GenerationStats,
    NetworkDetails,
    SearchDescription,
    SearchSummary,
    failed_attempts,
)
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.owner import is_gone
from gasearch.storage.records import Effort, EvaluatedNetwork, Fall, SearchRecord, SearchStatus

__all__ = [
    "FrontPoint",
    "GenerationStats",
    "NetworkDetails",
    "SearchDescription",
    "SearchSummary",
    "best",
    "constraints_of",
    "describe_search",
    "falls",
    "front_points",
    "history",
    "list_searches",
    "objectives_of",
    "parse_limits",
    "point_of",
    "ranking",
    "search_summary",
    "show",
]

MANY_OBJECTIVES = 4  #: As `gasearch.spec.evolution` has it; a test compares the two.
NETWORKS_LOOKED_AT = 100  #: Of the oldest, besides the front, for the metrics that there are.


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
    """What one search was asked, and where it stands.

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


def front_points(
    reader: ArchiveReader, name: str, limits: Sequence[Limit] = (), by: str | None = None
) -> list[FrontPoint]:
    """The Pareto front, best first by a metric (see `ranking`), then by the objectives; see `objectives.dominance`.

    With limits: the front of all networks within them. That holds more than the members of the whole front that
    keep the limits: a network that was dominated only by one outside of them belongs to it.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown, or has no better direction.
    """
    record = reader.search(name)
    order, objectives = ranking(reader, record, by), objectives_of(record)
    _require_known(reader, record, [limit.metric for limit in limits])
    networks = _front_within(reader, record, limits) if limits else reader.front(record.id)
    networks = [network for network in networks if order.metric in network.metrics]
    networks.sort(
        key=lambda network: (
            *[-one.wvalue(network.metrics[one.metric]) for one in (order, *objectives)],
            network.number,
        )
    )
    return [point_of(network) for network in networks]


def best(
    reader: ArchiveReader,
    name: str,
    *,
    by: str | None = None,
    limits: Sequence[Limit] = (),
    knee: bool = False,
    count: int = 1,
) -> list[FrontPoint]:
    """The best members by a metric of the front within limits, asked of all evaluations; or (`knee`) its best bargains.

    What another network within the limits dominates is never named, spreads included, also where it has the best value
    of a metric that is no objective, or one that is tied.

    Returns:
        At most `count` networks, best first; none if nothing keeps the limits (`nearest_miss` then says why).

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown or has no better direction, or both `by` and `knee` are given.
    """
    if knee and by is not None:
        raise BadInput(f"the knee weighs all objectives, so it can't be asked by {by!r}: leave one of the two out")
    points = front_points(reader, name, limits, by)
    return (_knee_points(points, objectives_of(reader.search(name))) if knee else points)[:count]


def history(reader: ArchiveReader, name: str) -> list[GenerationStats]:
    """Every finished generation, in order.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    record = reader.search(name)
    metrics = [metric for metric, _ in record.objectives]
    generations, falls = reader.generations(record.id), reader.falls(record.id)
    begins = [0, *(generation.evaluations for generation in generations)]
    return [
        GenerationStats(
            generation=generation.number,
            evaluations=generation.evaluations,
            failures=generation.failures,
            front_size=generation.front_size,
            hypervolume=generation.hypervolume,
            hypervolume_lost=sum(fall.by for fall in falls if begin <= fall.arrival < generation.evaluations),
            best=dict(zip(metrics, generation.best, strict=False)),
            finished_at=generation.finished_at,
        )
        for begin, generation in zip(begins, generations, strict=False)
    ]


def falls(reader: ArchiveReader, name: str) -> list[Fall]:
    """The further trainings that lowered the hypervolume, in the order of their outcomes.

    Raises:
        UnknownSearch: if there is no search of that name.
    """
    return reader.falls(reader.search(name).id)


def show(reader: ArchiveReader, name: str, key: str) -> NetworkDetails:
    """All that is known of one candidate, named by its key or a unique beginning of it.

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


def _named_curve(curve: list[dict[str, Any]], kind: TaskKind | None) -> list[dict[str, Any]]:
    """The points of a curve with their score under its own name: stored is every primary score as "accuracy"."""
    score = PRIMARY[kind] if kind else "accuracy"
    return [{score if field == "accuracy" else field: value for field, value in point.items()} for point in curve]


# --- their parts ------------------------------------------------------------------------------------------------


def parse_limits(texts: Iterable[str]) -> list[Limit]:
    """The limits that `--where` gives.

    Raises:
        SpecError: at the first text that is no limit.
    """
    return [parse_limit(text) for text in texts]


def objectives_of(record: SearchRecord) -> list[Objective]:
    """The search's objectives, in the spec's order."""
    return [Objective(metric=metric, is_maximized=is_maximized) for metric, is_maximized in record.objectives]


def constraints_of(record: SearchRecord) -> list[Limit]:
    """The limits that the search's own spec sets."""
    return parse_limits(json.loads(record.spec_json).get("constraints") or ())


def ranking(reader: ArchiveReader, record: SearchRecord, by: str | None) -> Objective:
    """The metric to rank by and which of its values are better.

    None means the first objective. "name:max" and "name:min" say the direction; else it is that of the search's
    objective, else the metric's usual one.

    Raises:
        BadInput: if the metric is unknown, or no direction is known for it.
    """
    objectives = objectives_of(record)
    if by is None:
        return objectives[0]
    metric, _, direction = by.partition(":")
    _require_known(reader, record, [metric])
    if direction:
        if direction not in ("max", "min"):
            raise BadInput(f"a direction is max or min, as in {metric}:max; got {by!r}")
        return Objective(metric=metric, is_maximized=direction == "max")
    for objective in objectives:
        if objective.metric == metric:
            return objective
    from gasearch.objectives.metrics import usual_direction

    is_maximized = usual_direction(metric)
    if is_maximized is None:
        raise BadInput(f"nobody knows whether more {metric} is better: say {metric}:max or {metric}:min")
    return Objective(metric=metric, is_maximized=is_maximized)


def _front_within(reader: ArchiveReader, record: SearchRecord, limits: Sequence[Limit]) -> list[EvaluatedNetwork]:
    """The Pareto front of all networks within the search's constraints and these limits."""
    from gasearch.query.fronts import front_within

    every = [*constraints_of(record), *limits]
    return reader.numbered(record.id, front_within(reader, record.id, objectives_of(record), every))


def _summary_of(reader: ArchiveReader, record: SearchRecord) -> SearchSummary:
    counts = reader.counts(record.id)
    spec = json.loads(record.spec_json)
    budget, asked = spec.get("budget") or {}, spec.get("evolution") or {}
    front, objectives = reader.front_metrics(record.id), objectives_of(record)
    return SearchSummary(
        name=record.name,
        state=record.state,
        reason=record.reason,
        is_active=record.state is SearchStatus.RUNNING and record.is_owned and not is_gone(record.owner or ""),
        owner=record.owner,
        objectives={metric: "max" if is_maximized else "min" for metric, is_maximized in record.objectives},
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
        reused=counts.reused,
        replicates=counts.replicates,
        retries=counts.retries,
        front_size=counts.front_size,
        hypervolume=_hypervolume(reader, record, front, counts.completed),
        best={
            one.metric: max((metrics[one.metric] for metrics in front), key=one.wvalue) for one in objectives if front
        },
        generation=counts.generation,
        active_seconds=record.active_seconds,
        busy_seconds=counts.busy_seconds,
        worker_seconds=record.worker_seconds,
        utilisation=_utilisation(counts.busy_seconds, record.worker_seconds),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _algorithm(name: str, record: SearchRecord) -> str:
    """The algorithm that "auto" stands for: `EvolutionSpec.algorithm_for`, without loading what validates specs."""
    if name != "auto":
        return name
    return "nsga3" if len(record.objectives) >= MANY_OBJECTIVES else "nsga2"


def _mean_seconds(efforts: Sequence[Effort], failure: str | None) -> float | None:
    """What an attempt that ended so took on average; None where there is none."""
    return next((effort.seconds / effort.attempts for effort in efforts if effort.failure == failure), None)


def _saved_seconds(efforts: Sequence[Effort]) -> float | None:
    """By how much shorter the stopped attempts were than as many that went on to their end."""
    stopped, finished = _mean_seconds(efforts, FailureKind.STOPPED), _mean_seconds(efforts, None)
    if stopped is None or finished is None:
        return None
    attempts = sum(effort.attempts for effort in efforts if effort.failure == FailureKind.STOPPED)
    return max(0.0, attempts * (finished - stopped))


def _utilisation(busy_s: float, worker_s: float) -> float | None:
    """Share of the workers' time that went into evaluations.

    Unknown where less time was counted than was spent: an evaluation ends before its time is counted, and earlier
    versions counted none.
    """
    return busy_s / worker_s if 0 < worker_s >= busy_s else None


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


def _require_known(reader: ArchiveReader, record: SearchRecord, metrics: Sequence[str]) -> None:
    """Refuse a metric that no network of the search has; before the first network, accept the standard ones."""
    missing = [metric for metric in metrics if metric not in dict(record.objectives)]
    if not missing:
        return
    oldest = islice(reader.networks(record.id), NETWORKS_LOOKED_AT)
    known = {name for metrics in reader.front_metrics(record.id) for name in metrics}
    known.update(name for network in oldest for name in network.metrics)
    if not known:
        from gasearch.objectives.metrics import METRICS

        known.update(METRICS)
    known.update(dict(record.objectives))
    for metric in missing:
        if metric not in known and not reader.has_metric(record.id, metric):
            raise BadInput(f"search {record.name!r} has no metric {metric!r}{_nearest(metric, known)}")


def _nearest(metric: str, known: set[str]) -> str:
    import difflib

    close = difflib.get_close_matches(metric, sorted(known), n=1)
    return (f"; did you mean {close[0]}?" if close else ".") + f" There are {', '.join(sorted(known))}"


def _knee_points(points: Sequence[FrontPoint], objectives: Sequence[Objective]) -> list[FrontPoint]:
    """The points of a front, the knee first."""
    from gasearch.query.knee import knee_order

    return [points[place] for place in knee_order([point.metrics for point in points], objectives)]


def point_of(network: EvaluatedNetwork) -> FrontPoint:
    """A measured network as an answer."""
    return FrontPoint(
        key=network.key,
        number=network.number,
        metrics=network.metrics,
        blueprint=json.loads(network.network_json),
        is_on_front=network.is_on_front,
    )
