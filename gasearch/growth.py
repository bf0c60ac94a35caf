"""How a search's front grew, outcome by outcome: the stored outcomes told once more to an empty front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gasearch_workers.messages import EvaluationResult, Outcome

from gasearch.fitness import Fitness, MissingMetric, Objective, fitness_of
from gasearch.frontier import MOST_OBJECTIVES_EACH
from gasearch.limits import Limit
from gasearch.pareto import ParetoFront, Scaling
from gasearch.storage.archive import ArchiveReader
from gasearch.storage.records import REUSED, SearchRecord

#: With more objectives a volume is taken so often at most: each takes seconds.
MOST_DEAR_VOLUMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A stored outcome, and what the search had spent when it was told."""

    number: int  #: Of the candidate.
    fitness: Fitness | None  #: None where there is no measurement.
    is_replicate: bool
    active_seconds: float  #: Wall time of the search so far; see `told_outcomes`.
    device_seconds: float  #: Time of the workers so far, retried attempts left out; reused outcomes took none.


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """The front after an outcome."""

    evaluations: int  #: Outcomes told, this one included.
    active_seconds: float
    device_seconds: float
    hypervolume: float
    front_size: int


def scaling_of(record: SearchRecord) -> Scaling | None:
    """The scaling of a search's own hypervolume; None before its first generation is complete."""
    if record.reference_ideal is None or record.reference_point is None:
        return None
    return Scaling(ideal=record.reference_ideal, reference=record.reference_point)


def told_outcomes(
    reader: ArchiveReader, record: SearchRecord, objectives: Sequence[Objective], limits: Sequence[Limit]
) -> list[Told]:
    """All told outcomes in their order, judged by these objectives and limits.

    When an outcome came is not stored in the time of the search, which stands still while nobody runs it. It is the
    share of the search's active seconds that had passed, counting only time at which some worker evaluated something;
    where no time was taken at all, the share of the outcomes.
    """
    records = list(reader.evaluations(record.id))
    passed = _busy_until([one.result for one in records])
    told: list[Told] = []
    device_s = 0.0
    for place, (one, passed_s) in enumerate(zip(records, passed, strict=True), 1):
        if one.result.worker != REUSED:
            device_s += one.result.duration_s
        share = passed_s / passed[-1] if passed[-1] else place / len(records)
        told.append(
            Told(
                number=one.candidate,
                fitness=_fitness(one.result.outcome, objectives, limits),
                is_replicate=one.replicate > 0,
                active_seconds=share * record.active_seconds,
                device_seconds=device_s,
            )
        )
    return told


def _busy_until(results: Sequence[EvaluationResult]) -> list[float]:
    """For each of some results in order of arrival, the seconds until then at which some worker was evaluating.

    The time since the result before counts, as far as this evaluation took: so nights without a controller don't, and a
    clock that was set forward or back misplaces one result at most.
    """
    passed: list[float] = []
    busy_s, before = 0.0, None
    for result in results:
        if result.worker != REUSED:
            since = result.duration_s if before is None else max(0.0, result.finished_at - before)
            busy_s, before = busy_s + min(since, result.duration_s), result.finished_at
        passed.append(busy_s)
    return passed


def standing(outcomes: Iterable[Told]) -> dict[int, Fitness]:
    """Per measured candidate the fitness that stands: that of its newest training that was measured."""
    return {told.number: told.fitness for told in outcomes if told.fitness is not None}


def common_scaling(searches: Iterable[Sequence[Told]]) -> Scaling | None:
    """The scaling over all feasible outcomes of several searches; None where there is none."""
    feasible = [
        told.fitness
        for outcomes in searches
        for told in outcomes
        if told.fitness is not None and told.fitness.is_feasible
    ]
    return Scaling.of(feasible) if feasible else None


def growth(outcomes: Sequence[Told], scaling: Scaling) -> list[GrowthPoint]:
    """The front after every outcome."""
    front, volume, is_stale = ParetoFront(), 0.0, False
    is_dear = len(scaling.ideal) > MOST_OBJECTIVES_EACH
    every = max(1, len(outcomes) // MOST_DEAR_VOLUMES) if is_dear else 1
    points: list[GrowthPoint] = []
    for place, told in enumerate(outcomes, 1):
        if told.fitness is not None:
            version = front.plain.version
            (front.replace if told.is_replicate else front.add)(told.number, told.fitness)
            is_stale = is_stale or front.plain.version != version
        if is_stale and (place % every == 0 or place == len(outcomes)):
            volume, is_stale = front.hypervolume(scaling), False
        points.append(
            GrowthPoint(
                evaluations=place,
                active_seconds=told.active_seconds,
                device_seconds=told.device_seconds,
                hypervolume=volume,
                front_size=len(front),
            )
        )
    return points


def _fitness(outcome: Outcome, objectives: Sequence[Objective], limits: Sequence[Limit]) -> Fitness | None:
    """The fitness; None for what lacks a metric, as another search's limit may name one."""
    try:
        return fitness_of(outcome, objectives, limits)
    except MissingMetric:
        return None
