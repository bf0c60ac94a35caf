"""The Pareto front of a search: all of it, or that of the networks within limits; and the best of it.

A search's own constraints bind every answer.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from itertools import islice

from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import METRICS, spread_of, usual_direction
from gasearch.query.answers import FrontPoint
from gasearch.query.asked import constraints_of, objectives_of
from gasearch.query.target import Wish, nearest_order
from gasearch.query.verified import SCORE_PREFIX, verified_networks
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import EvaluatedNetwork, SearchRecord

NETWORKS_LOOKED_AT = 100  #: Of the oldest, besides the front, for the metrics that there are.


def front_points(
    reader: ArchiveReader, name: str, limits: Sequence[Limit] = (), by: str | None = None
) -> list[FrontPoint]:
    """The Pareto front, best first by a metric (see `ranking`), then by the objectives; see `objectives.dominance`.

    With limits: the front of all networks within them. That holds more than the members of the whole front that
    keep the limits: a network that was dominated only by one outside of them belongs to it.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        limits: That a network must keep, beside the search's own constraints.
        by: The metric that ranks; see `ranking`.

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
    verified = verified_networks(reader, record.id)
    return [point_of(network, verified) for network in networks]


def best_points(
    reader: ArchiveReader,
    name: str,
    *,
    by: str | None = None,
    limits: Sequence[Limit] = (),
    knee: bool = False,
    target: Sequence[Wish] = (),
    count: int = 1,
) -> list[FrontPoint]:
    """The first of `front_points`, or (`knee`) the front's best bargains, or what comes nearest to a target.

    So what another network within the limits dominates is never named, spreads included, also where it has the best
    value of a metric that is no objective, or one that is tied.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        by: The metric that ranks; see `ranking`.
        limits: That a network must keep, beside the search's own constraints.
        knee: Asks for the best bargains; see `gasearch.query.knee`.
        target: Asks for the nearest to it; see `gasearch.query.target`.
        count: The most networks to give.

    Returns:
        At most `count` networks, best first; none if nothing keeps the limits (`nearest_miss` then says why).

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if a metric is unknown or has no better direction, or several of `by`, `knee`, `target` are given.
    """
    require_one_order(by, knee=knee, target=target)
    points = front_points(reader, name, limits, by)
    record = reader.search(name)
    if knee:
        from gasearch.query.knee import knee_order  # NumPy takes longer to load than all the rest

        points = [points[place] for place in knee_order([one.metrics for one in points], objectives_of(record))]
    if target:
        _require_known(reader, record, [wish.metric for wish in target])
        order = nearest_order([one.metrics for one in points], target, objectives_of(record))
        points = [points[place] for place in order]
    return points[:count]


def require_one_order(by: str | None, *, knee: bool, target: Sequence[Wish]) -> None:
    """Refuse a question that ranks in two ways.

    Args:
        by: The metric that ranks, or None.
        knee: Whether the knee is asked for.
        target: That is asked for.

    Raises:
        BadInput: naming the two.
    """
    if knee and by is not None:
        raise BadInput(f"the knee weighs all objectives, so it can't be asked by {by!r}: leave one of the two out")
    if target and (knee or by is not None):
        other = "the knee" if knee else repr(by)
        raise BadInput(f"a target ranks by itself, so it can't be asked by {other}: leave one of the two out")


def ranking(reader: ArchiveReader, record: SearchRecord, by: str | None) -> Objective:
    """The metric to rank by and which of its values are better.

    None means the first objective. "name:max" and "name:min" say the direction; else it is that of the search's
    objective, else the metric's usual one.

    Args:
        reader: Where the search is stored.
        record: The search.
        by: "name", "name:max", "name:min", or None.

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
    is_maximized = usual_direction(metric)
    if is_maximized is None:
        raise BadInput(f"nobody knows whether more {metric} is better: say {metric}:max or {metric}:min")
    return Objective(metric=metric, is_maximized=is_maximized)


def point_of(network: EvaluatedNetwork, verified: Mapping[str, bool] | None = None) -> FrontPoint:
    """A measured network as an answer.

    Args:
        network: The network.
        verified: See `verified_networks`.
    """
    return FrontPoint(
        key=network.key,
        number=network.number,
        metrics=network.metrics,
        blueprint=json.loads(network.network_json),
        is_on_front=network.is_on_front,
        is_verified=None if verified is None else verified.get(network.key, False),
    )


def _front_within(reader: ArchiveReader, record: SearchRecord, limits: Sequence[Limit]) -> list[EvaluatedNetwork]:
    """The Pareto front of all networks within the search's constraints and these limits, found among all outcomes."""
    from gasearch.objectives.pareto import pareto  # NumPy takes longer to load than all the rest
    from gasearch.storage.measured import Measured, judged_by

    objectives, every = objectives_of(record), [*constraints_of(record), *limits]
    spreads = [spread_of(one.metric) for one in objectives]
    names = [*(one.metric for one in objectives), *spreads, *judged_by(every)]
    measured = Measured.of(reader.outcomes(record.id, names)).within(every).having(one.metric for one in objectives)
    members = pareto(measured.wvalues(objectives), measured.widths(spreads), measured.numbers)
    return reader.numbered(record.id, [int(number) for number in measured.numbers[members]])


def _require_known(reader: ArchiveReader, record: SearchRecord, metrics: Sequence[str]) -> None:
    """Refuse a metric that no network of the search has; before the first network, accept the standard ones."""
    missing = [metric for metric in metrics if metric not in dict(record.objectives)]
    if not missing:
        return
    oldest = islice(reader.networks(record.id), NETWORKS_LOOKED_AT)
    known = {name for metrics in reader.front_metrics(record.id) for name in metrics}
    known.update(name for network in oldest for name in network.metrics)
    if not known:
        known.update(METRICS)
    known.update(dict(record.objectives))
    for metric in missing:
        if metric not in known and not reader.has_metric(record.id, metric):
            raise BadInput(f"search {record.name!r} has no metric {metric!r}{nearest_text(metric, known)}")


def nearest_text(metric: str, known: set[str]) -> str:
    """What somebody may have meant by an unknown metric, and all that there are, as the end of a sentence.

    Args:
        metric: That nothing has.
        known: Those that there are.
    """
    if metric.startswith(SCORE_PREFIX) and metric.removeprefix(SCORE_PREFIX) in known:
        return ": only finalized networks have scores on the test split: ask `best` or `front` with --final"
    close = difflib.get_close_matches(metric, sorted(known), n=1)
    return (f"; did you mean {close[0]}?" if close else ".") + f" There are {', '.join(sorted(known))}"
