"""Training a network again with a fresh seed: which ones, out of which budget, and what the trainings say together.

A front's members were chosen for their scores, so they are on average luckier than they are good. Those whose place
hangs on a margin that chance can explain are trained again; the mean over all trainings then takes the score's place,
with its standard error as the spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from gasearch_workers.messages import WHOLE_METRICS, Failure, Measurement, Outcome

from gasearch.objectives.fitness import Fitness, Objective
from gasearch.objectives.metrics import SCORES, spread_of
from gasearch.search.problem import Aims
from gasearch.storage.records import ReplicateRecord

MOST_TRAININGS = 3  #: Of one network; the error of a mean falls slowly beyond.
DOUBT = 2.0  #: A margin below so many standard errors is in doubt.
TRAININGS = "trainings"  #: The metric that says how many trainings a mean is over.

_FIELDS = tuple(field.name for field in fields(Measurement) if field.name != "curve")
_SCORES = frozenset(name for names in SCORES.values() for name in names)


@dataclass(frozen=True, slots=True)
class Trained:
    """A measured, feasible candidate."""

    measurement: Measurement  #: The mean of its trainings so far.
    fitness: Fitness
    trainings: int = 1  #: Attempts to train it with different seeds, failed ones included.


def is_noisy(metric: str, *, is_custom: bool) -> bool:
    """True where a fresh seed gives another value; of a custom evaluator's metrics nobody knows, so any may."""
    return is_custom or metric in _SCORES or metric == "generalization_gap"


def pooled(before: Measurement, new: Measurement, *, noisy: Sequence[str]) -> Measurement:
    """The mean of all trainings so far and a new one; a spread for each noisy metric: its standard error.

    Args:
        before: The mean of the trainings so far, with `trainings` and the spreads among its other metrics (or 1, 0).
        new: Of the new training alone.
        noisy: The metrics that get a spread.
    """
    old, fresh = before.metrics(), new.metrics()
    count = int(old.get(TRAININGS, 1))
    values: dict[str, float | int | None] = {}
    for field in fields(Measurement):
        first, second = getattr(before, field.name), getattr(new, field.name)
        if isinstance(first, int | float) and isinstance(second, int | float):
            mean = _mean(first, second, count)
            values[field.name] = round(mean) if field.name in WHOLE_METRICS else mean
    others = {
        name: _mean(value, dict(new.others)[name], count) for name, value in before.others if name in dict(new.others)
    }
    for metric in noisy:
        if metric in old and metric in fresh:
            spread = old.get(spread_of(metric), 0.0)
            others[spread_of(metric)] = _error(old[metric], spread, fresh[metric], count)
    others[TRAININGS] = count + 1
    return replace(new, **values, others=tuple(sorted(others.items())))  # type: ignore[arg-type]


def _mean(old: float, new: float, count: int) -> float:
    return old + (new - old) / (count + 1)


def _error(mean: float, error: float, new: float, count: int) -> float:
    """The standard error of a mean over count + 1 values, from that over count (Welford's update)."""
    squares = error * error * count * (count - 1) + (new - mean) ** 2 * count / (count + 1)
    return math.sqrt(squares / count / (count + 1))


def doubtful(
    trained: Mapping[int, Trained], front: Sequence[int], objectives: Sequence[Objective], noisy: Sequence[str]
) -> list[int]:
    """The members of the front to be trained again, the most doubtful first.

    A member is in doubt while it has fewer than `MOST_TRAININGS` and its margin, in some noisy objective, over the best
    network that is at least as good in all others, is below `DOUBT` standard errors of the difference. As long as
    nothing was trained twice, the errors aren't known, and every margin is in doubt.

    Args:
        trained: Every one by number.
        front: The members' numbers.
        objectives: Of the search.
        noisy: The metrics that a fresh seed changes.
    """
    rows = {number: row for row, number in enumerate(trained)}
    measured = [one.measurement.metrics() for one in trained.values()]
    wvalues = np.array([one.fitness.values for one in trained.values()])
    found = []
    for place, objective in enumerate(objectives):
        if objective.metric not in noisy:
            continue
        deviation = deviation_between_trainings(measured, objective.metric)
        for number in front:
            member, margin = trained[number], _margin(rows[number], wvalues, place)
            error = math.inf if deviation is None else deviation * math.sqrt(1 / member.trainings + 1)
            if member.trainings < MOST_TRAININGS and margin is not None and margin < DOUBT * error:
                found.append((margin / (deviation or 1.0), number))
    return list(dict.fromkeys(number for _, number in sorted(found)))


def deviation_between_trainings(measured: Sequence[Mapping[str, float]], metric: str) -> float | None:
    """Standard deviation of a metric between trainings of one network, pooled; None before one was trained twice.

    Args:
        measured: The metrics of each network.
        metric: Of which networks that were trained again have a spread; it is 0 where they have none.
    """
    squares, freedom = 0.0, 0
    for metrics in measured:
        count = int(metrics.get(TRAININGS, 1))
        if count > 1:
            squares += metrics.get(spread_of(metric), 0.0) ** 2 * count * (count - 1)
            freedom += count - 1
    return math.sqrt(squares / freedom) if freedom else None


def _margin(index: int, wvalues: npt.NDArray[np.float64], place: int) -> float | None:
    """How far a network is ahead of the best one that is at least as good in all other objectives; None: of none.

    Args:
        index: Its row.
        wvalues: (networks, objectives).
        place: The objective in which it may be ahead.
    """
    others = np.delete(wvalues, place, axis=1)
    rivals = (others >= others[index]).all(axis=1)
    rivals[index] = False
    return float(wvalues[index, place] - wvalues[rivals, place].max()) if rivals.any() else None


def _without_curve(measurement: Measurement) -> Measurement:
    """The same without its curve; `replace`, which checks every number again, takes a tenth of a resume."""
    if not measurement.curve:
        return measurement
    bare = object.__new__(Measurement)
    for name in _FIELDS:
        object.__setattr__(bare, name, getattr(measurement, name))
    object.__setattr__(bare, "curve", ())
    return bare


class Replication:
    """Keeps a share of the evaluations for further trainings, until nothing is in doubt any more: then it is free."""

    def __init__(self, aims: Aims, evaluations: int) -> None:
        """Nothing is trained or decided yet; the search may make so many evaluations."""
        self._aims, self._evaluations = aims, evaluations
        self._trained: dict[int, Trained] = {}
        self.proposed = self.decided = 0  #: Candidates, and further trainings of them.
        self._is_settled = False  # nothing was in doubt when that was asked

    def note(self, number: int, outcome: Outcome, fitness: Fitness | None, *, replicate: int) -> None:
        """Take note of what came of a candidate: of its first training, or of the mean with a further one.

        Args:
            number: Of the candidate.
            outcome: Of the training, or the mean.
            fitness: Of that; None for a failure.
            replicate: Which training it is, 0 for the first.
        """
        known = self._trained.get(number)
        if isinstance(outcome, Measurement) and fitness is not None and fitness.is_feasible:
            self._trained[number] = Trained(_without_curve(outcome), fitness, trainings=replicate + 1)
        elif replicate and known is not None and isinstance(outcome, Failure):
            self._trained[number] = replace(known, trainings=replicate + 1)
        else:
            self._trained.pop(number, None)

    def count(self, number: int) -> int:
        """How often a candidate was trained."""
        return self._trained[number].trainings

    def fitness_of(self, number: int) -> Fitness | None:
        """The newest fitness of a candidate; None where it has none or isn't feasible."""
        known = self._trained.get(number)
        return None if known is None else known.fitness

    def pooled(self, number: int, outcome: Outcome) -> Outcome:
        """A further training's outcome as the log holds it: the means over all of the candidate's trainings."""
        if not isinstance(outcome, Measurement):
            return outcome
        return pooled(self._trained[number].measurement, outcome, noisy=self._aims.noisy)

    @property
    def is_free(self) -> bool:
        """True where what was kept goes to new candidates."""
        return self._is_settled or self.proposed > self._room(int(self._aims.replicates * self._evaluations))

    @property
    def is_kept(self) -> bool:
        """True while further trainings may come."""
        return self._aims.replicates > 0 and not self.is_free

    @property
    def most_candidates(self) -> int:
        """How many candidates the budget has room for beside the replicates, decided or to come."""
        return self._room(0 if self.is_free else int(self._aims.replicates * self._evaluations))

    def _room(self, kept: int) -> int:
        return self._evaluations - max(self.decided, kept)

    def next_round(self, front: Sequence[int], completed: int) -> list[ReplicateRecord]:
        """The members of the front to be trained once more, as their rank is in doubt; none: the budget is free now.

        Args:
            front: The members' numbers.
            completed: How many outcomes there are.
        """
        in_doubt = doubtful(self._trained, front, self._aims.objectives, self._aims.noisy)
        numbers = in_doubt[: self._evaluations - completed]
        self._is_settled = not numbers
        return [
            ReplicateRecord(candidate=number, replicate=self.count(number), completed=completed) for number in numbers
        ]
