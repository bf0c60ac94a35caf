"""Searches side by side: the hypervolumes of their fronts in one common scaling, over evaluations and over time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Literal

from gasearch.errors import BadInput
from gasearch.objectives.fitness import Objective
from gasearch.objectives.pareto import Scaling
from gasearch.query.answers import Answer, Row, json_object
from gasearch.query.asked import constraints_of, directions_of, objectives_of
from gasearch.query.growth import GrowthPoint, OutcomeTable, common_scaling, completed_outcomes, growth
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import SearchRecord

MOST_COMPARED = 20
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)  #: Of what the search that spent least has spent: where fronts are compared.
ROUNDING = 1e-12  #: Equal fronts in another order differ by less in their volumes.

AXES = ("evaluations", "active_seconds", "device_seconds")  #: What can be spent: fields of a point of a curve.


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The spending until something was reached."""

    evaluations: int
    active_seconds: float
    device_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One of the searches, at its end or as far as it is."""

    name: str
    evaluations: int
    active_seconds: float
    device_seconds: float
    front_size: int
    hypervolume: float
    best: dict[str, float]  #: Per objective.
    reached: Spending | None  #: What it took to reach the first search's final hypervolume; None: it didn't.


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The hypervolumes after equal spending."""

    by: str  #: What is spent: one of `AXES`.
    share: float  #: Of what the search that spent least has spent in all.
    at: float
    hypervolumes: dict[str, float]  #: By search.


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Answer):
    """Several searches in one scaling."""

    objectives: dict[str, Literal["max", "min"]]  #: By metric.
    constraints: list[str]  #: Those of all searches: a network that breaks one counts in none.
    ideal: dict[str, float]  #: Best value per objective that any of them measured.
    reference: dict[str, float]  #: The corner from which the hypervolume is taken, a tenth behind the worst value.
    searches: list[Compared]
    marks: list[Mark]
    curves: dict[str, list[GrowthPoint]]  #: By search; a point at each change of the front, and for the last outcome.

    def row(self) -> Row:
        """The comparison as a JSON object, without its curves."""
        return {name: value for name, value in json_object(replace(self, curves={})).items() if name != "curves"}

    def rows(self) -> list[Row]:
        """Flat, a row for each search at each mark."""
        return [
            {"search": name, "by": mark.by, "share": mark.share, "at": mark.at, "hypervolume": volume}
            for mark in self.marks
            for name, volume in mark.hypervolumes.items()
        ]


def compare(reader: ArchiveReader, names: Sequence[str]) -> Comparison:
    """Compare searches with the same objectives; the first one's end is what the others are timed to.

    Raises:
        UnknownSearch: if there is no search of such a name.
        BadInput: if there aren't two different ones, their objectives differ, or none has measured anything feasible.
    """
    records = _records(reader, names)
    objectives = objectives_of(records[0])
    for record in records[1:]:
        _require_same_objectives(records[0], record)
    limits = list(dict.fromkeys(limit for record in records for limit in constraints_of(record)))
    completed = {record.name: completed_outcomes(reader, record, objectives, limits) for record in records}
    scaling = common_scaling(completed.values())
    if scaling is None:
        within = f" within {' and '.join(map(str, limits))}" if limits else ""
        raise BadInput(f"none of {_listed(names)} has measured a network{within} yet: there is nothing to compare")
    orders = {record.name: [objectives.index(one) for one in objectives_of(record)] for record in records}
    curves = {name: _curve(outcomes, scaling, orders[name]) for name, outcomes in completed.items()}
    goal = curves[names[0]][-1].hypervolume if curves[names[0]] else 0.0
    return Comparison(
        objectives=directions_of(records[0]),
        constraints=[str(limit) for limit in limits],
        ideal=_by_metric(objectives, scaling.ideal),
        reference=_by_metric(objectives, scaling.reference),
        searches=[
            _compared(name, curve, _best(completed[name], orders[name], objectives), goal)
            for name, curve in curves.items()
        ],
        marks=[mark for by in AXES for mark in _marks(by, curves)],
        curves=curves,
    )


def _curve(completed: OutcomeTable, scaling: Scaling, order: list[int]) -> list[GrowthPoint]:
    """How a front grew, its ties settled in the search's own order of objectives; see `objectives.dominance`."""
    ideal, reference = ([corner[place] for place in order] for corner in (scaling.ideal, scaling.reference))
    return growth(_ordered(completed, order), Scaling(ideal=tuple(ideal), reference=tuple(reference)))


def _best(completed: OutcomeTable, order: list[int], objectives: Sequence[Objective]) -> dict[str, float]:
    """The best value per objective on the front as it stands."""
    best = _ordered(completed, order).best()
    return {} if best is None else _by_metric(objectives, [best[order.index(place)] for place in range(len(order))])


def _ordered(completed: OutcomeTable, order: list[int]) -> OutcomeTable:
    return replace(completed, values=completed.values[:, order], spreads=completed.spreads[:, order])


def volume_at(curve: Sequence[GrowthPoint], by: str, spent: float) -> float:
    """The hypervolume when so much was spent; 0 before the first outcome.

    Args:
        curve: How a front grew.
        by: What is spent: one of `AXES`.
        spent: How much of it.
    """
    count = bisect_right(curve, spent, key=attrgetter(by))
    return curve[count - 1].hypervolume if count else 0.0


def _records(reader: ArchiveReader, names: Sequence[str]) -> list[SearchRecord]:
    if len(set(names)) < 2:
        raise BadInput(f"a comparison needs two different searches; got {_listed(names) or 'none'}")
    if len(names) > len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"a search is compared once; {twice!r} is named {names.count(twice)} times")
    if len(names) > MOST_COMPARED:
        raise BadInput(f"at most {MOST_COMPARED} searches are compared; got {len(names)}")
    return [reader.search(name) for name in names]


def _require_same_objectives(first: SearchRecord, other: SearchRecord) -> None:
    """Refuse searches whose objectives differ, but for their order."""
    ours, theirs = directions_of(first), directions_of(other)
    if ours != theirs:
        raise BadInput(
            f"only searches with the same objectives can be compared: {first.name!r} has {_asked_text(ours)}; "
            f"{other.name!r} has {_asked_text(theirs)}. Run one of them anew, under another name, with the other's "
            f"objectives; see each by itself with: gasearch front {other.name}"
        )


def _compared(name: str, curve: Sequence[GrowthPoint], best: dict[str, float], goal: float) -> Compared:
    last = curve[-1] if curve else _NOTHING
    reached = next((point for point in curve if goal > 0 and point.hypervolume >= goal - ROUNDING), None)
    return Compared(
        name=name,
        best=best,
        reached=None if reached is None else Spending(**{by: getattr(reached, by) for by in AXES}),
        **asdict(last),
    )


_NOTHING = GrowthPoint(evaluations=0, active_seconds=0.0, device_seconds=0.0, hypervolume=0.0, front_size=0)


def _marks(by: str, curves: dict[str, list[GrowthPoint]]) -> list[Mark]:
    """The marks on one axis; none where a search has spent nothing of it."""
    least = min(getattr(curve[-1], by) if curve else 0.0 for curve in curves.values())
    if least <= 0:
        return []
    places = [share * least if by != "evaluations" else max(1, round(share * least)) for share in SHARES]
    return [
        Mark(by=by, share=share, at=at, hypervolumes={name: volume_at(curve, by, at) for name, curve in curves.items()})
        for share, at in zip(SHARES, places, strict=True)
    ]


def _by_metric(objectives: Sequence[Objective], wvalues: Sequence[float]) -> dict[str, float]:
    """Wvalues in native units."""
    return {one.metric: one.wvalue(wvalue) for one, wvalue in zip(objectives, wvalues, strict=True)}


def _asked_text(directions: Mapping[str, str]) -> str:
    return ", ".join(f"{metric} ({better})" for metric, better in directions.items())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
