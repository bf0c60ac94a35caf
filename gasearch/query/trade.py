"""The price of getting better: what one more point of accuracy, or one kilobyte less, costs in everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gasearch.errors import BadInput
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.units import format_quantity, parse_quantity
from gasearch.query.answers import Answer, FrontPoint
from gasearch.query.asked import objectives_of
from gasearch.query.front import best_points, front_points, point_of, ranking
from gasearch.query.near_misses import nearest_miss
from gasearch.query.weighing import Scale
from gasearch.storage.archive import ArchiveReader

ROUNDING = 1e-9  #: Share of the amount that floating-point arithmetic may take from a difference.
_GAIN = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([+-])\s*(\S.*?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A metric of the one network beside that of the other; native units."""

    metric: str
    before: float
    after: float
    change: float  #: After minus before.
    is_better: bool  #: Whether that is an improvement; what is equal is none.
    is_tied: bool  #: Whether the two values can't be told apart: their spreads overlap.


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade(Answer):
    """The cheapest way to be better by so much."""

    from_key: str
    metric: str  #: What is to become better,
    asked: float  #: and the value that it must reach, in its native unit.
    best: float  #: The best value on the front.
    best_key: str
    key: str | None  #: The network that reaches it at the least cost; None where none does.
    changes: list[Change]  #: The metric that was asked for, then the other objectives; none where it isn't reached.
    blueprint: dict[str, Any]  #: Of that network.


def trade(
    reader: ArchiveReader, name: str, gain: str, *, key: str | None = None, limits: Sequence[Limit] = ()
) -> Trade:
    """The front's network that is better by so much in one metric, and loses least in the other objectives.

    What is lost is summed over the other objectives, each in extents of the front (see `gasearch.query.weighing`).

    Args:
        reader: Where the search is stored.
        name: Of the search.
        gain: Such as "accuracy=+0.01" or "model_bytes=-1KB".
        key: Of the network that it is compared with, or a unique beginning of it; None: the front's knee.
        limits: That the networks must keep, beside the search's own constraints.

    Raises:
        UnknownSearch: if there is no such search, or not exactly one such key in it.
        BadInput: for a gain that is none, an unknown metric, or a network that wasn't measured.
    """
    metric, sign, amount = _parsed(gain)
    record = reader.search(name)
    wanted = ranking(reader, record, metric)
    if (sign == "+") != wanted.is_maximized:
        better, rest = ("more", "+") if wanted.is_maximized else ("less", "-")
        raise BadInput(f"{better} {metric} is better: ask for {metric}={rest}...; got {gain!r}")
    front = [one for one in front_points(reader, name, limits) if metric in one.metrics]
    if not front:
        raise BadInput(nearest_miss(reader, name, limits))
    start = best_points(reader, name, knee=True, limits=limits)[0] if key is None else None
    start = start or point_of(reader.network(record.id, key or ""))
    others = [one for one in objectives_of(record) if one.metric != metric]
    if missing := [one.metric for one in (wanted, *others) if one.metric not in start.metrics]:
        raise BadInput(f"network {start.key} has no measured {', '.join(missing)}: compare with another one")
    bound = start.metrics[metric] + wanted.wvalue(amount)
    found = _cheapest(front, start, wanted, amount, others)
    best = max(front, key=lambda one: wanted.wvalue(one.metrics[metric]))
    return Trade(
        from_key=start.key,
        metric=metric,
        asked=bound,
        best=best.metrics[metric],
        best_key=best.key,
        key=found.key if found else None,
        changes=[_change(start, found, one) for one in (wanted, *others)] if found else [],
        blueprint=found.blueprint if found else {},
    )


def not_reached(found: Trade) -> str:
    """One sentence on what is the best where nothing reaches what was asked for."""
    asked, best = (format_quantity(value, found.metric) for value in (found.asked, found.best))
    bound = f"{found.metric} {'>=' if found.asked > found.best else '<='} {asked}"
    return f"not reached: no network of the front has {bound}; the best is {best} ({found.best_key})"


def _parsed(gain: str) -> tuple[str, str, float]:
    """The metric, the sign and the amount.

    Raises:
        BadInput: if it doesn't read like one.
        SpecError: if the metric can't change by that.
    """
    found = _GAIN.fullmatch(gain)
    if found is None:
        raise BadInput(f'say by how much, with the sign: "accuracy=+0.01" or "model_bytes=-1KB"; got {gain!r}')
    metric, sign, quantity = found.groups()
    amount = parse_quantity(quantity, metric=metric)
    if amount <= 0:
        raise BadInput(f"say by how much {metric} is to change, by more than 0; got {gain!r}")
    return metric, sign, amount


def _cheapest(
    front: Sequence[FrontPoint], start: FrontPoint, wanted: Objective, amount: float, others: Sequence[Objective]
) -> FrontPoint | None:
    """Of those that gain the amount the one that loses least; of several the one that wins most."""

    def gain_of(point: FrontPoint) -> float:
        return wanted.wvalue(point.metrics[wanted.metric]) - wanted.wvalue(start.metrics[wanted.metric])

    scales = {
        one.metric: Scale.of([point.metrics[one.metric] for point in front], is_maximized=one.is_maximized)
        for one in others
    }

    def costs_of(point: FrontPoint) -> tuple[float, float, int]:
        lost = [
            one.wvalue(scales[one.metric].difference(start.metrics[one.metric], point.metrics[one.metric]))
            for one in others
        ]
        return sum(max(0.0, by) for by in lost), sum(lost), point.number

    reaching = [point for point in front if gain_of(point) >= amount * (1 - ROUNDING)]
    return min(reaching, key=costs_of, default=None)


def _change(start: FrontPoint, found: FrontPoint, objective: Objective) -> Change:
    metric, spread = objective.metric, spread_of(objective.metric)
    before, after = start.metrics[metric], found.metrics[metric]
    width = start.metrics.get(spread, 0.0) + found.metrics.get(spread, 0.0)
    return Change(
        metric=metric,
        before=before,
        after=after,
        change=after - before,
        is_better=objective.wvalue(after) > objective.wvalue(before),
        is_tied=abs(after - before) <= width,
    )
