"""The finalists of a search: networks trained again from scratch, several times, and what their scores really are."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gasearch.deploy.finals import newest_by_key
from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import spread_of, usual_direction
from gasearch.query.answers import Answer, Row
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.front import best_points, nearest_text
from gasearch.query.verified import verified_networks
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import FinalRecord, SearchRecord

MOST_UNASKED = 10  #: Networks that are finalized where nobody says how many.
MOST_POINTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist(Answer):
    """A network after its final trainings: those of the newest recipe and number of epochs that it was finalized by.

    For each score of the task, here "accuracy": `accuracy` is its mean on the validation split over the seeds,
    `test_accuracy` that on the test split, each with its standard deviation (`accuracy_deviation`, from two seeds on);
    `searched_accuracy` is what the search has of the network, `accuracy_drop` by how much worse the mean is than that,
    `test_accuracy_drop` by how much that of the test split is. All else are means.
    """

    key: str
    seeds: int  #: Final trainings that succeeded.
    failed: int  #: And that failed for good.
    epochs: int  #: Of each.
    metrics: dict[str, float]  #: Native units.
    is_on_front: bool  #: Whether no other finalist dominates it, by the search's objectives and the validation split.
    is_verified: bool | None  #: Whether its newest verification passed; None where the search never had one.
    blueprint: dict[str, Any]

    def row(self) -> Row:
        """`key`, each metric under its name, then the rest; `blueprint` last."""
        row = {"key": self.key, **self.metrics, "seeds": self.seeds, "failed": self.failed, "epochs": self.epochs}
        row["is_on_front"] = self.is_on_front
        verified = {} if self.is_verified is None else {"verified": self.is_verified}
        return row | verified | {"blueprint": self.blueprint}


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTraining(Answer):
    """One training of a finalist."""

    key: str
    number: int  #: Of its seed, from 0.
    seed: int
    epochs: int
    recipe: dict[str, Any]
    metrics: dict[str, float]  #: Scores on the validation split, and costs.
    test: dict[str, float]  #: Scores on the test split, read once.
    failure: str | None
    message: str
    size_bytes: int  #: Of the network that is stored.
    worker: str
    device: str
    versions: str
    seconds: float
    created_at: datetime


def finalists(reader: ArchiveReader, name: str, limits: Sequence[Limit] = (), by: str | None = None) -> list[Finalist]:
    """The networks that were finalized, best first by a metric such as "test_accuracy"; what lacks it comes last.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        limits: That a finalist must keep, beside the search's own constraints, to be on the front.
        by: The metric that ranks; None: the first objective.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown or has no better direction.
    """
    record = reader.search(name)
    found = [
        _finalist(reader, record, key, trainings) for key, trainings in newest_by_key(reader.finals(record.id)).items()
    ]
    known = {metric for one in found for metric in one.metrics}
    order = _ranking(record, by, known)
    for limit in limits:
        require_known(record, limit.metric, known)
    every = [*constraints_of(record), *limits]
    members = _members(found, objectives_of(record), every)
    verified = verified_networks(reader, record.id)
    listed = [
        replace(
            one, is_on_front=one.key in members, is_verified=None if verified is None else verified.get(one.key, False)
        )
        for one in found
    ]
    return sorted(listed, key=lambda one: (*_place(one, order), one.key))


def networks_to_finalize(
    reader: ArchiveReader,
    name: str,
    keys: Sequence[str] = (),
    *,
    limits: Sequence[Limit] = (),
    by: str | None = None,
    top: int | None = None,
) -> list[str]:
    """The whole keys of the networks named; without any, of the front within the limits, or of its first ones.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        keys: Of the networks, or a beginning of each.
        limits: That a network of the front must keep.
        by: The metric that ranks; None: as `best --knee` does.
        top: How many; None: all of them, if there are few.

    Raises:
        UnknownSearch: if there is no search of that name, or not exactly one network whose key begins so.
        BadInput: if a metric is unknown, nothing keeps the limits, or there are many and nobody said how many.
    """
    if keys:
        if limits or by is not None or top is not None:
            raise BadInput("networks are finalized by their keys, or chosen from the front by limits: not both at once")
        search_id = reader.search(name).id
        return list(dict.fromkeys(reader.network(search_id, key).key for key in keys))
    points = best_points(reader, name, by=by, limits=limits, knee=by is None, count=MOST_POINTS if top is None else top)
    if not points:
        within = " within these limits" if limits else ""
        raise BadInput(f"the front of {name!r} has no network{within}; see all of it with: gasearch front {name}")
    if top is None and len(points) > MOST_UNASKED:
        raise BadInput(
            f"the front of {name!r} has {len(points)} networks, each of which would be trained several times: choose "
            f"by --top N, --where or keys; --top {len(points)} takes all"
        )
    return [point.key for point in points]


def final_trainings(reader: ArchiveReader, name: str, key: str | None = None) -> list[FinalTraining]:
    """Every final training of a search, or of one network, in the order in which they were stored.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        key: Of the network, or a beginning of it; None: all.
    """
    record = reader.search(name)
    whole = None if key is None else reader.network(record.id, key).key
    return [_answer(one) for one in reader.finals(record.id, whole)]


def _answer(one: FinalRecord) -> FinalTraining:
    assert one.created_at is not None
    return FinalTraining(
        key=one.key,
        number=one.number,
        seed=one.seed,
        epochs=one.epochs,
        recipe=json.loads(one.recipe_json),
        metrics=dict(one.metrics),
        test=dict(one.test),
        failure=one.failure,
        message=one.message,
        size_bytes=one.size_bytes,
        worker=one.worker,
        device=one.device,
        versions=one.versions,
        seconds=one.seconds,
        created_at=one.created_at,
    )


def _finalist(reader: ArchiveReader, record: SearchRecord, key: str, trainings: Sequence[FinalRecord]) -> Finalist:
    network, done = reader.network(record.id, key), [one for one in trainings if one.failure is None]
    metrics: dict[str, float] = {}
    if done:
        validation, test = _summary([dict(one.metrics) for one in done]), _summary([dict(one.test) for one in done])
        scores = list(dict(done[0].test))
        costs = {name: value for name, (value, _) in validation.items() if name not in scores}
        for score in scores:
            metrics |= _compared(score, network.metrics.get(score), validation.get(score), test[score])
        metrics |= costs
    return Finalist(
        key=key,
        seeds=len(done),
        failed=len(trainings) - len(done),
        epochs=trainings[-1].epochs,
        metrics=metrics,
        is_on_front=False,
        is_verified=None,
        blueprint=json.loads(network.network_json),
    )


def _summary(values: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float | None]]:
    """The mean and the standard deviation of each metric that all have; None for that of a single value."""
    names = [name for name in values[0] if all(name in one for one in values)]
    columns = {name: [one[name] for one in values] for name in names}
    return {
        name: (_mean(column), statistics.stdev(column) if len(column) > 1 else None) for name, column in columns.items()
    }


def _mean(values: Sequence[float]) -> float:
    return values[0] if min(values) == max(values) else statistics.fmean(values)  # whole numbers stay whole


def _compared(
    score: str,
    searched: float | None,
    validation: tuple[float, float | None] | None,
    test: tuple[float, float | None],
) -> dict[str, float]:
    """A score as the search has it, on validation and on the test split, and what is lost from the first to these."""
    sign = 1.0 if usual_direction(score) is not False else -1.0
    found: dict[str, float] = {}
    for name, pair in ((score, validation), (f"test_{score}", test)):
        if pair is not None:
            mean, deviation = pair
            found[name] = mean
            if deviation is not None:
                found[f"{name}_deviation"] = deviation
            if searched is not None:
                found[f"{name}_drop"] = sign * (searched - mean)
    return found if searched is None else found | {f"searched_{score}": searched}


def _members(found: Sequence[Finalist], objectives: Sequence[Objective], limits: Sequence[Limit]) -> set[str]:
    """The keys of those that no other finalist within the limits dominates, means with their standard errors."""
    from gasearch.objectives.pareto import pareto  # NumPy takes longer to load than all the rest

    measured = [
        one
        for one in found
        if all(goal.metric in one.metrics for goal in objectives)
        and all(limit.is_kept_by(one.metrics) for limit in limits)
    ]
    if not measured:
        return set()
    values = [[goal.wvalue(one.metrics[goal.metric]) for goal in objectives] for one in measured]
    spreads = [[_error(one, goal.metric) for goal in objectives] for one in measured]
    flags = pareto(values, spreads)
    return {one.key for one, is_member in zip(measured, flags, strict=True) if is_member}


def _error(one: Finalist, metric: str) -> float:
    """The standard error of a mean over seeds; of a measured time its spread."""
    deviation = one.metrics.get(f"{metric}_deviation")
    return one.metrics.get(spread_of(metric), 0.0) if deviation is None else deviation / one.seeds**0.5


def _place(one: Finalist, order: Objective) -> tuple[bool, float]:
    """Where it is listed: one whose latency, say, was measured on another device has none to be ranked by."""
    value = one.metrics.get(order.metric)
    return value is None, 0.0 if value is None else -order.wvalue(value)


def _ranking(record: SearchRecord, by: str | None, known: set[str]) -> Objective:
    if by is None:
        return objectives_of(record)[0]
    metric, _, direction = by.partition(":")
    require_known(record, metric, known)
    if direction not in ("", "max", "min"):
        raise BadInput(f"a direction is max or min, as in {metric}:max; got {by!r}")
    wanted = {"max": True, "min": False}.get(direction, direction_of(record, metric))
    if wanted is None:
        raise BadInput(f"nobody knows whether more {metric} is better: say {metric}:max or {metric}:min")
    return Objective(metric=metric, is_maximized=wanted)


def direction_of(record: SearchRecord, metric: str) -> bool | None:
    """Which values of a metric are better: as the search has it, or the score that it is made of."""
    if metric.endswith(("_drop", "_deviation")):
        return False
    score = metric.removeprefix("test_").removeprefix("searched_")
    return dict(record.objectives).get(score, usual_direction(score))


def require_known(record: SearchRecord, metric: str, known: set[str]) -> None:
    """Refuse a metric that no finalist has; before the first finalist, accept all.

    Args:
        record: The search.
        metric: That somebody asks for.
        known: All that finalists have.

    Raises:
        BadInput: naming those that there are.
    """
    if known and metric not in known and metric not in dict(record.objectives):
        raise BadInput(f"no finalist of {record.name!r} has {metric!r}{nearest_text(metric, known)}")
