"""How a search's front grew, outcome by outcome, in any scaling and within any limits.

This is the front's part of the fold in `gasearch.search.state`, in a form that is fast on hundreds of thousands of
outcomes: they are read as columns, and of most, which an earlier one dominates, no more is made than a row. A property
test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Fitness, Objective
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.metrics import spread_of
from gasearch.objectives.pareto import Scaling, pareto
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.measured import judged_by, kept
from gasearch.storage.records import SearchRecord

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: So many volumes are taken at most by the number of objectives: of a front of 300 each takes 0.03 ms with three of
#: them, 0.1 with four, 1 with five, and seconds with more than six.
MOST_VOLUMES = {4: 5000, 5: 1000}
MANY_VOLUMES, FEW_VOLUMES = 10_000, 20  #: With fewer objectives, and with more.
BLOCK = 4096  #: Outcomes that are held against the front at once,
MEMBERS = 32  #: and members of it.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeTable:
    """The outcomes of a search in their order, judged by some objectives and limits; a row each.

    `active_seconds` and `device_seconds` are what the search had spent when each came.
    """

    numbers: npt.NDArray[np.int64]  #: (outcomes,) of the candidates.
    is_replicate: Flags  #: (outcomes,)
    is_judged: Flags  #: (outcomes,) False where there is no measurement, or it lacks a metric.
    is_feasible: Flags  #: (outcomes,) Whether all limits are kept; False where it isn't judged.
    values: Array  #: (outcomes, objectives) wvalues; NaN where it wasn't measured.
    spreads: Array  #: (outcomes, objectives) half the width of each value's interval, 0 where it is exact.
    active_seconds: Array  #: (outcomes,) Wall time of the search so far; see `completed_outcomes`.
    device_seconds: Array  #: (outcomes,) Time of the workers so far; retried attempts and reused outcomes took none.

    def __len__(self) -> int:
        """Number of outcomes."""
        return len(self.numbers)

    @property
    def networks(self) -> int:
        """How many were judged."""
        return len(np.unique(self.numbers[self.is_judged]))

    def fitness(self, place: int) -> Fitness:
        """That of one outcome, which is judged; the violation is 0 or 1."""
        spreads = tuple(self.spreads[place].tolist())
        return Fitness(
            values=tuple(self.values[place].tolist()),
            violation=0.0 if self.is_feasible[place] else 1.0,
            spreads=spreads if any(spreads) else (),
        )

    def best(self) -> tuple[float, ...] | None:
        """The best wvalue per objective on the front of what stands: each candidate's newest training; None without."""
        places = np.flatnonzero(self.is_judged)
        _, last = np.unique(self.numbers[places][::-1], return_index=True)  # the first of the reversed is the newest
        newest = places[::-1][last]
        standing = newest[self.is_feasible[newest]]  # in the order of the numbers
        if not len(standing):
            return None
        members = standing[pareto(self.values[standing], self.spreads[standing])]
        return tuple(self.values[members].max(axis=0).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """The front after an outcome."""

    evaluations: int  #: Outcomes so far, this one included.
    active_seconds: float
    device_seconds: float
    hypervolume: float
    front_size: int


def scaling_of(record: SearchRecord) -> Scaling | None:
    """The scaling of a search's own hypervolume; None before its first generation is complete."""
    if record.reference_ideal is None or record.reference_point is None:
        return None
    return Scaling(ideal=record.reference_ideal, reference=record.reference_point)


def completed_outcomes(
    reader: ArchiveReader, record: SearchRecord, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> OutcomeTable:
    """All outcomes in their order, judged by these objectives and limits.

    When an outcome came is not stored in the time of the search, which stands still while nobody runs it. It is the
    share of the search's active seconds that had passed, counting only time at which some worker evaluated something;
    where no time was taken at all, the share of the outcomes.

    Args:
        reader: Of the store.
        record: Of the search.
        objectives: To judge by, its own or others.
        limits: To keep, its own or others.
    """
    metrics, spreads = [one.metric for one in objectives], [spread_of(one.metric) for one in objectives]
    outcomes = reader.outcomes(record.id, [*metrics, *spreads, *judged_by(limits)])
    columns = {name: np.asarray(column) for name, column in outcomes.metrics.items()}
    is_judged = np.asarray(outcomes.is_measured, dtype=bool)
    for name in [*metrics, *(limit.metric for limit in limits)]:
        is_judged = is_judged & ~np.isnan(columns[name])
    is_within = kept(limits, columns)
    own = ~np.asarray(outcomes.is_reused, dtype=bool)
    seconds = np.asarray(outcomes.seconds)
    return OutcomeTable(
        numbers=np.asarray(outcomes.candidates, dtype=np.int64),
        is_replicate=np.asarray(outcomes.is_replicate, dtype=bool),
        is_judged=is_judged,
        is_feasible=is_judged if is_within is None else is_judged & is_within,
        values=np.stack([one.wvalue(1.0) * columns[one.metric] for one in objectives], axis=1),
        spreads=np.maximum(0.0, np.nan_to_num(np.stack([columns[name] for name in spreads], axis=1), nan=0.0)),
        active_seconds=record.active_seconds * _shares_of_busy_time(np.asarray(outcomes.finished_at), seconds, own),
        device_seconds=np.cumsum(np.where(own, seconds, 0.0)),
    )


def common_scaling(searches: Iterable[OutcomeTable]) -> Scaling | None:
    """The scaling over all feasible outcomes of several searches; None where there is none."""
    feasible = [completed.values[completed.is_feasible] for completed in searches]
    feasible = [values for values in feasible if len(values)]
    if not feasible:
        return None
    corners = [np.min([values.min(axis=0) for values in feasible], axis=0)]
    corners += [np.max([values.max(axis=0) for values in feasible], axis=0)]
    return Scaling.of([Fitness(values=tuple(corner.tolist())) for corner in corners])


def growth(completed: OutcomeTable, scaling: Scaling) -> list[GrowthPoint]:
    """The front after every outcome that changed it, and after the last one.

    Of very many changes, or many objectives, some are left out: each volume takes time.
    """
    front = ParetoFront()
    places = _may_change_the_front(completed)
    most = MOST_VOLUMES.get(len(scaling.ideal), MANY_VOLUMES if len(scaling.ideal) < min(MOST_VOLUMES) else FEW_VOLUMES)
    every = -(-len(places) // most)
    points: list[GrowthPoint] = []
    is_stale = False
    for turn, place in enumerate(places, 1):
        version = front.version
        front.add(int(completed.numbers[place]), completed.fitness(place))
        is_stale = is_stale or front.version != version
        if is_stale and turn % every == 0:
            points.append(_point(completed, place, front.hypervolume(scaling), len(front)))
            is_stale = False
    if len(completed) and (not points or points[-1].evaluations < len(completed)):
        points.append(_point(completed, len(completed) - 1, front.hypervolume(scaling), len(front)))
    return points


def _point(completed: OutcomeTable, place: int, hypervolume: float, front_size: int) -> GrowthPoint:
    return GrowthPoint(
        evaluations=place + 1,
        active_seconds=float(completed.active_seconds[place]),
        device_seconds=float(completed.device_seconds[place]),
        hypervolume=hypervolume,
        front_size=front_size,
    )


def _may_change_the_front(completed: OutcomeTable) -> list[int]:
    """The places of the outcomes that a front must take in, in order.

    Where networks are trained again, and may lose what they had, it must know all; else only what no earlier outcome
    dominates.
    """
    if (completed.is_replicate & completed.is_judged).any():
        return [int(place) for place in np.flatnonzero(completed.is_judged)]
    feasible = np.flatnonzero(completed.is_feasible)
    found: list[int] = []
    members = np.empty((0, completed.values.shape[1]))
    for start in range(0, len(feasible), BLOCK):
        places = feasible[start : start + BLOCK]
        places = places[_not_dominated(completed.values[places], members)]
        entering = places[_not_dominated_before(completed.values[places])]
        found += entering.tolist()
        members = np.concatenate([members, completed.values[entering]])
        members = members[pareto(members)]
    return found


def _not_dominated(rows: Array, members: Array) -> npt.NDArray[np.intp]:
    """The places of the rows that no member dominates; first those members are tried that dominate most."""
    places = np.arange(len(rows))
    if not len(members):
        return places
    low, high = members.min(axis=0), members.max(axis=0)
    closeness = ((members - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)
    order = np.argsort(-closeness, kind="stable")
    for start in range(0, len(order), MEMBERS):
        some = members[order[start : start + MEMBERS], None]  # (members, 1, objectives)
        places = places[~_dominates(some, rows[places]).any(axis=0)]
    return places


def _not_dominated_before(rows: Array) -> npt.NDArray[np.intp]:
    """The places of the rows that no row before them dominates."""
    places, is_dominated = np.arange(len(rows)), np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), MEMBERS):  # whom a dominated row dominates, the one that dominates it does too
        left = places[start:][~is_dominated[start:]]
        some = left[left < start + MEMBERS]
        dominates = _dominates(rows[some, None], rows[left]) & (some[:, None] < left)
        is_dominated[left] |= dominates.any(axis=0)
    return np.flatnonzero(~is_dominated)


def _dominates(firsts: Array, seconds: Array) -> Flags:
    """True where the first ones dominate the second ones: as good in all objectives, the last axis, better in one."""
    is_as_good = np.ones((), dtype=bool)
    is_better = np.zeros((), dtype=bool)
    for objective in range(seconds.shape[-1]):  # a reduction over so short an axis would take ten times as long
        is_as_good = is_as_good & (firsts[..., objective] >= seconds[..., objective])
        is_better = is_better | (firsts[..., objective] > seconds[..., objective])
    dominates: Flags = is_as_good & is_better
    return dominates


def _shares_of_busy_time(ended: Array, seconds: Array, own: Flags) -> Array:
    """(outcomes,) The share that had passed, when each came, of the time at which some worker was evaluating.

    The time since the outcome before counts, as far as this evaluation took: so nights without a controller don't, and
    a clock that was set forward or back misplaces one outcome at most.

    Args:
        ended: (outcomes,) seconds by the wall clock.
        seconds: (outcomes,) how long each took.
        own: (outcomes,) whether it ran in this search.
    """
    busy = np.zeros(len(own))
    since = np.diff(ended[own], prepend=-np.inf)  # (own,) of the first all of its time counts
    busy[own] = np.minimum(np.maximum(0.0, since), seconds[own])
    passed = np.cumsum(busy)
    if not len(passed) or not passed[-1]:
        return np.arange(1, len(own) + 1) / max(1, len(own))
    shares: Array = passed / passed[-1]
    return shares
