"""How trainings go on after a look at them: the rules by which workers stop those that can't reach the front.

At each rung (a number of epochs) a line per objective leads from the worth there to the worth at the end, fitted to the
trainings that were finished, and their residuals say how much better than the line a training may do. A training is
stopped where even that end is dominated by a finished network: small networks are measured against small ones, which
halving by score alone would end first (measured: see `benchmarks/early_stopping.py`).

A share of the trainings gets no judgement, so that the lines are also fitted to those that would have been stopped.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gasearch.fitness import Fitness, Objective
from gasearch.pareto import rank
from workers.messages import CurvePoint, Failure, FailureKind, Measurement, Outcome, Rung, StoppingRule
from workers.stopping import explain_stop, is_hopeless, rung_at

Worths = tuple[float, ...]

FEWEST = 8  #: Finished trainings with a rung before trainings are judged there.
FEWEST_FOR_SLOPE = 16  #: Fewer show how far trainings come from a rung, but not how that depends on where they stand.
STEEPEST = 2.0  #: A worth at the end never rises faster with the worth at a rung; nor does it fall.
NEWEST = 200  #: Curves that the lines are fitted to: evolution moves on to networks unlike the first.
LARGEST_FRONT = 64  #: Points of the front that travel with a request.

#: The optimistic end is the quantile 1 - TAIL x risk of what trainings reached. A training at that very end of its
#: range is wrong to stop as often as the tail says, but most that are stopped lie far below the front. Measured on
#: NAS-Bench-201 (2 data sets, 3 devices, 200 and 500 random cells, 6 seeds, judged at 12 of 200 epochs): of the stopped
#: ones 0.5 to 1.8 % would have entered the front with a tail of 10 %, 1.1 to 4.0 % with 30 %, 2.1 to 8.4 % with 50 %.
TAIL = 6.0
LARGEST_TAIL = 0.5


def default_rungs(epochs: int) -> tuple[float, ...]:
    """A ninth and a third of a training; whole epochs, at which a score is taken anyway, where that is one or more."""
    steps = (epochs / 9, epochs / 3)
    return tuple(float(round(step)) if step >= 1 else step for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a training that went to its end showed."""

    told: int  #: How many outcomes had been told before it.
    number: int  #: Of the candidate; a later training of the same one replaces it on the front.
    worths: Worths
    is_feasible: bool
    at_rungs: tuple[tuple[float | None, ...] | None, ...]  #: Per rung its worths by then; None where none were taken.


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the worth at the end follows from the worth at a rung."""

    slope: float
    offset: float
    residuals: npt.NDArray[np.float64]  #: Of each training from the line without it, ascending; () where it is exact.

    def mean(self, worth: float) -> float:
        """The end to expect."""
        return self.slope * worth + self.offset

    def optimistic(self, tail: float) -> tuple[float, float]:
        """Slope and offset of the end that a share `tail` of the trainings exceeds; never below the mean."""
        count = len(self.residuals)
        if not count:
            return self.slope, self.offset
        place = min(count, math.ceil((count + 1) * (1 - tail))) - 1  # as conformal prediction counts
        return self.slope, self.offset + max(0.0, float(self.residuals[place]))


Lines = tuple[tuple[Line | None, ...], ...]  #: Per rung and objective; None where too little is known.


class Rungs:
    """What is known of how trainings go on. Rules are functions of the told outcomes alone, in their order."""

    def __init__(
        self, objectives: Sequence[Objective], *, steps: Sequence[float], risk: float, exempt: float = 0.05, seed: int
    ) -> None:
        """Begin without knowledge.

        Args:
            objectives: In the spec's order.
            steps: The rungs, ascending, in epochs or a custom evaluator's own steps.
            risk: Of the trainings that are stopped, the share that may have entered the front; above 0, below 1.
            exempt: Share of the trainings that are never stopped, 0..1.
            seed: The search's; decides with a candidate's number whether it is exempt.

        Raises:
            ValueError: if one of them is out of its range.
        """
        if any(not math.isfinite(step) or step <= 0 for step in steps) or list(steps) != sorted(set(steps)):
            raise ValueError(f"rungs must be ascending steps above 0; got {list(steps)}")
        if not 0 < risk < 1:
            raise ValueError(f"the risk must lie between 0 and 1; got {risk!r}")
        if not 0 <= exempt <= 1:
            raise ValueError(f"the exempt share must lie in 0..1; got {exempt!r}")
        self._objectives, self._steps = tuple(objectives), tuple(steps)
        self._tail, self._exempt, self._seed = min(LARGEST_TAIL, TAIL * risk), exempt, seed
        self._told = 0
        self._finished: list[Finished] = []
        self._front: list[Finished] = []  #: Of all of them.
        self._lines: tuple[int, Lines] = (-1, ())  #: The newest that were asked for, and from how many finished ones.

    def note(self, outcome: Outcome, fitness: Fitness | None, *, number: int | None = None) -> None:
        """Take note of a told outcome, stopped and failed ones too, in the order in which they are told.

        Args:
            outcome: What came of a training.
            fitness: Its fitness, None for a failure.
            number: The candidate's. Where one is trained again, its newest outcome stands for it; None: a new one.
        """
        if isinstance(outcome, Measurement) and fitness is not None:
            finished = Finished(
                told=self._told,
                number=-1 - self._told if number is None else number,
                worths=fitness.values,
                is_feasible=fitness.is_feasible,
                at_rungs=self._at_rungs(outcome.curve),
            )
            is_known = number is not None and any(other.number == number for other in self._front)
            self._finished.append(finished)
            self._front = _front_of(self._finished) if is_known else _with(self._front, finished)
        self._told += 1

    def rule(self, number: int, *, known: Sequence[float | None], told: int | None = None) -> StoppingRule | None:
        """The rule for a candidate's training; None without rungs.

        An exempt training, and all trainings while too little is known, get a rule that only looks at the rungs.

        Args:
            number: The candidate's.
            known: Per objective the worth that needs no training, exact or an optimistic guess; None where there is
                none: the training reports it, or isn't judged.
            told: The number of outcomes that were told when it was proposed; None: all that were noted.
        """
        if not self._steps:
            return None
        finished = self._finished[: self._count(told)]
        lines = self._fit(len(finished))
        is_judged = not self._is_exempt(number)
        rungs = tuple(
            Rung(step=step, ends=self._ends(of_rung, known) if is_judged else ())
            for step, of_rung in zip(self._steps, lines, strict=True)
        )
        front: tuple[Worths, ...] = ()
        if any(rung.ends for rung in rungs):
            members = self._front if len(finished) == len(self._finished) else _front_of(finished)
            front = _spread([member.worths for member in members])
        return StoppingRule(
            objectives=tuple((objective.metric, objective.is_maximized) for objective in self._objectives),
            known=tuple(known),
            rungs=rungs,
            front=front,
        )

    def expected_end(self, failure: Failure, known: Sequence[float | None]) -> Worths | None:
        """The worths that a stopped training would probably have reached, by all that is noted; None if unknown."""
        if not failure.curve:
            return None
        point = failure.curve[-1]
        place = rung_at(self._steps, point.epoch)
        if place is None:
            return None
        found: list[float] = []
        for worth, here, line in zip(known, self._worths(point), self._fit(len(self._finished))[place], strict=True):
            if worth is not None:
                found.append(worth)
            elif here is not None and line is not None:
                found.append(line.mean(here))
            else:
                return None
        return tuple(found)

    def _count(self, told: int | None) -> int:
        """How many trainings were finished among the first outcomes."""
        return len(self._finished) if told is None else bisect_left(self._finished, told, key=lambda one: one.told)

    def _is_exempt(self, number: int) -> bool:
        digest = hashlib.blake2b(f"{self._seed}/{number}/stopping".encode(), digest_size=7).digest()
        return int.from_bytes(digest) < self._exempt * 2**56

    def _at_rungs(self, curve: Sequence[CurvePoint]) -> tuple[tuple[float | None, ...] | None, ...]:
        """Per rung the worths at the first report in its reach, where a worker would have judged."""
        found: list[tuple[float | None, ...] | None] = [None] * len(self._steps)
        for point in curve:
            place = rung_at(self._steps, point.epoch) if point.metrics else None
            if place is not None and found[place] is None:
                found[place] = self._worths(point)
        return tuple(found)

    def _worths(self, point: CurvePoint) -> tuple[float | None, ...]:
        metrics = dict(point.metrics)
        return tuple(
            objective.worth(metrics[objective.metric]) if objective.metric in metrics else None
            for objective in self._objectives
        )

    def _fit(self, count: int) -> Lines:
        """The lines from the first finished trainings, the newest of them."""
        if self._lines[0] != count:
            newest = self._finished[max(0, count - NEWEST) : count]
            places, objectives = range(len(self._steps)), range(len(self._objectives))
            self._lines = count, tuple(tuple(_line(newest, place, at) for at in objectives) for place in places)
        return self._lines[1]

    def _ends(self, lines: Sequence[Line | None], known: Sequence[float | None]) -> tuple[tuple[float, float], ...]:
        """The optimistic end per objective; () while one that must be reported isn't known well enough."""
        wanted = [line for line, worth in zip(lines, known, strict=True) if worth is None]
        # Each objective in which a training may surprise is a chance of its own to enter the front.
        tail = self._tail / max(1, sum(line is not None and len(line.residuals) > 0 for line in wanted))
        found: list[tuple[float, float]] = []
        for line, worth in zip(lines, known, strict=True):
            if worth is None and line is None:
                return ()
            found.append((1.0, 0.0) if worth is not None or line is None else line.optimistic(tail))
        return tuple(found)


def stopped_by(rule: StoppingRule, outcome: Measurement) -> Failure | None:
    """The outcome of a training that was finished once, as this rule would have ended it; None where it would not.

    Needs a curve with the reports at the rule's rungs.
    """
    judged: set[int] = set()
    for count, point in enumerate(outcome.curve, start=1):
        place = rung_at([rung.step for rung in rule.rungs], point.epoch) if point.metrics else None
        if place is None or place in judged:
            continue
        judged.add(place)
        metrics = dict(point.metrics)
        if is_hopeless(rule, point.epoch, metrics):
            message = explain_stop(rule, point.epoch, metrics)
            return Failure(kind=FailureKind.STOPPED, message=message, curve=outcome.curve[:count])
    return None


def _line(finished: Sequence[Finished], place: int, objective: int) -> Line | None:
    """The least-squares line of one objective from a rung to the end; None from fewer than `FEWEST` trainings."""
    pairs = [
        (here, one.worths[objective])
        for one in finished
        if (at_rung := one.at_rungs[place]) is not None and (here := at_rung[objective]) is not None
    ]
    if len(pairs) < FEWEST:
        return None
    x, y = np.array(pairs).T  # (trainings,) each
    if bool((x == y).all()):
        return Line(slope=1.0, offset=0.0, residuals=np.zeros(0))
    distances = x - x.mean()
    extent = float(distances @ distances)
    has_slope = len(pairs) >= FEWEST_FOR_SLOPE and extent > 0
    slope = min(STEEPEST, max(0.0, float(distances @ y) / extent)) if has_slope else 1.0
    leverage = 1 / len(pairs) + (distances**2 / extent if has_slope else 0.0)
    offset = float(y.mean() - slope * x.mean())
    # What a training left out would have been off by: the line leans towards those it is fitted to.
    residuals = (y - slope * x - offset) / np.maximum(1 - leverage, 1 / len(pairs))
    return Line(slope=slope, offset=offset, residuals=np.sort(residuals))


def _front_of(finished: Sequence[Finished]) -> list[Finished]:
    """The members of the front among the newest outcome of each candidate, one of equal ones."""
    newest = {one.number: one for one in finished}
    feasible = sorted((one for one in newest.values() if one.is_feasible), key=lambda one: one.told)
    ranks = rank([one.worths for one in feasible]) if feasible else ()
    first: dict[Worths, Finished] = {}
    for one, its_rank in zip(feasible, ranks, strict=True):
        if its_rank == 0:
            first.setdefault(one.worths, one)
    return list(first.values())


def _with(front: list[Finished], new: Finished) -> list[Finished]:
    """A front with one more training, in the order in which its members were told."""
    if not new.is_feasible or any(_covers(one.worths, new.worths) for one in front):
        return front
    return [*(one for one in front if not _covers(new.worths, one.worths)), new]


def _covers(one: Worths, other: Worths) -> bool:
    """Whether one is at least as good in all objectives."""
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def _spread(front: Sequence[Worths]) -> tuple[Worths, ...]:
    """Points of a front that leave no wide gap, in its order.

    The best in the first objective, then always the one farthest from those that are chosen (Gonzalez, 1985).
    """
    if len(front) <= LARGEST_FRONT:
        return tuple(front)
    values = np.array(front)  # (points, objectives)
    values /= np.maximum(np.ptp(values, axis=0), np.finfo(float).tiny)
    chosen = [int(values[:, 0].argmax())]
    distances = np.full(len(values), np.inf)
    while len(chosen) < LARGEST_FRONT:
        np.minimum(distances, ((values - values[chosen[-1]]) ** 2).sum(axis=1), out=distances)
        chosen.append(int(distances.argmax()))
    return tuple(front[place] for place in sorted(chosen))
