"""The early stopping of trainings: the rules by which workers stop those that can't reach the front.

At each step (a number of epochs) a straight line per objective leads from the wvalue there to the wvalue at the end. It
is fitted to the trainings that were finished, and their residuals say how much better than the line a training may do.
A training is stopped where even that end is dominated by a finished network: small networks are measured against small
ones, which halving by score alone would end first (measured: see `benchmarks/early_stopping.py`).

A share of the trainings gets no judgement, so that the lines are also fitted to those that would have been stopped.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gasearch_workers.messages import (
    CurvePoint,
    Failure,
    FailureKind,
    Measurement,
    Outcome,
    StoppingPoint,
    StoppingRule,
)
from gasearch_workers.training.stopping import reason_to_stop, rung_at

from gasearch.objectives.fitness import Fitness, Objective
from gasearch.objectives.front import ParetoFront
from gasearch.objectives.pareto import rank
from gasearch.search.curve_fit import CurveFit, fit_curve, optimistic_ends, safe_tail

WValues = tuple[float, ...]

NEWEST = 200  #: Curves that the lines are fitted to: evolution moves on to networks unlike the first.
FIRST_REPORTS = 3  #: Finished evaluations after which it is known whether any reports what is needed.
LARGEST_FRONT = 64  #: Points of the front that travel with a request.


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A training that went to its end, as it stood at each step."""

    completed: int  #: How many outcomes there were before it.
    number: int  #: Of the candidate; a later training of the same one replaces it on the front.
    wvalues: WValues
    is_feasible: bool
    at_steps: tuple[tuple[float | None, ...] | None, ...]  #: Per step its wvalues by then; None where none were taken.


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """A training that was stopped, where it stood."""

    completed: int  #: As in `Finished`.
    step: int  #: Its index.
    wvalues: WValues  #: Reported or known.


Ends = tuple[tuple[float, float], ...]  #: (slope, offset) per objective; () where trainings are only looked at.
CurveFits = tuple[tuple[CurveFit | None, ...], ...]  #: Per step and objective; None where too little is known.


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """When trainings are judged, and how daringly."""

    steps: tuple[float, ...]  #: Ascending, in epochs or a custom evaluator's own steps.
    risk: float  #: Of the trainings that are stopped, the share that may have entered the front; above 0, below 1.
    exempt: float = 0.05  #: Share of the trainings that are never stopped, 0..1.

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: if one of them is out of its range.
        """
        steps = list(self.steps)
        if any(not math.isfinite(step) or step <= 0 for step in steps) or steps != sorted(set(steps)):
            raise ValueError(f"the steps of early stopping must be ascending and above 0; got {steps}")
        if not 0 < self.risk < 1:
            raise ValueError(f"the risk must lie between 0 and 1; got {self.risk!r}")
        if not 0 <= self.exempt <= 1:
            raise ValueError(f"the exempt share must lie in 0..1; got {self.exempt!r}")


class EarlyStopping:
    """Knows how trainings go on. Rules are functions of the outcomes alone, in their order."""

    def __init__(self, objectives: Sequence[Objective], settings: EarlyStop, *, seed: int, front: ParetoFront) -> None:
        """Begin without knowledge.

        Args:
            objectives: In the spec's order.
            settings: When trainings are judged, and how.
            seed: The search's; decides with a candidate's number whether it is exempt.
            front: The search's: holds each finished training before that is noted here.
        """
        self._objectives, self._steps = tuple(objectives), settings.steps
        self._risk, self._exempt, self._seed = settings.risk, settings.exempt, seed
        self._completed = 0
        self._finished: list[Finished] = []
        self._newest: dict[int, Finished] = {}  #: By candidate.
        self._halted: list[Halted] = []
        self._front = front
        self._asked: tuple[int, list[Finished]] = (0, [])  #: The front asked for last, of how many finished ones.
        self._fits: tuple[int, CurveFits] = (-1, ())  #: The same of the fits.
        self._ends_at: tuple[int, dict[tuple[bool, ...], tuple[Ends, ...]]] = (-1, {})  #: By what is known.

    def note(
        self,
        outcome: Outcome,
        fitness: Fitness | None,
        *,
        number: int,
        known: Sequence[float | None] = (),
    ) -> None:
        """Take note of an outcome, stopped and failed ones too, in their order.

        Args:
            outcome: What came of a training.
            fitness: Its fitness, None for a failure.
            number: The candidate's. Where one is trained again, its newest outcome stands for it.
            known: As in `rule`. Of a stopped training; without it, one that didn't report all objectives doesn't count
                among those by which the daring of judgements is chosen, which are then more careful.
        """
        match outcome:
            case Measurement() if fitness is not None:
                self._newest[number] = Finished(
                    completed=self._completed,
                    number=number,
                    wvalues=fitness.values,
                    is_feasible=fitness.is_feasible,
                    at_steps=self._at_steps(outcome.curve),
                )
                self._finished.append(self._newest[number])
            case Failure(kind=FailureKind.STOPPED) if outcome.curve:
                point = outcome.curve[-1]
                place = rung_at(self._steps, point.epoch)
                wvalues = _completed(self._wvalues(point), known)
                if place is not None and wvalues is not None:
                    self._halted.append(Halted(completed=self._completed, step=place, wvalues=wvalues))
        self._completed += 1

    def rule(self, number: int, *, known: Sequence[float | None], completed: int | None = None) -> StoppingRule:
        """The rule for a candidate's training.

        An exempt training, and all trainings while too little is known, get a rule that judges nothing.

        Args:
            number: The candidate's.
            known: Per objective the wvalue that needs no training, exact or an optimistic guess; None where there is
                none: the training reports it, or isn't judged.
            completed: The number of outcomes that there were when it was proposed; None: all that were noted.
        """
        completed = self._completed if completed is None else completed
        front, judged = self._judgements(completed, tuple(wvalue is not None for wvalue in known))
        if self._is_exempt(number):
            judged = ((),) * len(judged)
        points = tuple(StoppingPoint(step=step, ends=ends) for step, ends in zip(self._steps, judged, strict=True))
        return StoppingRule(
            objectives=tuple((objective.metric, objective.is_maximized) for objective in self._objectives),
            known=tuple(known),
            points=points,
            front=_spread(front) if any(judged) else (),
        )

    def expected_end(self, failure: Failure, known: Sequence[float | None]) -> WValues | None:
        """The wvalues that a stopped training would probably have reached, by all that is noted; None if unknown."""
        if not failure.curve:
            return None
        point = failure.curve[-1]
        place = rung_at(self._steps, point.epoch)
        if place is None:
            return None
        count = self._finished_among(_learned_from(self._completed))
        found: list[float] = []
        for wvalue, here, fit in zip(known, self._wvalues(point), self._fit(count)[place], strict=True):
            if wvalue is not None:
                found.append(wvalue)
            elif here is not None and fit is not None:
                found.append(fit.mean(here))
            else:
                return None
        return tuple(found)

    def _judgements(self, completed: int, is_known: tuple[bool, ...]) -> tuple[tuple[WValues, ...], tuple[Ends, ...]]:
        """The front after the first outcomes, and per step the optimistic ends by those of them that count for that."""
        front = self._front_of_first(self._finished_among(completed))
        learned = _learned_from(completed)
        if self._ends_at[0] != learned:
            self._ends_at = learned, {}
        known_ends = self._ends_at[1]
        if is_known not in known_ends:
            count = self._finished_among(learned)
            then = self._front_of_first(count)
            places = range(len(self._steps))
            known_ends[is_known] = tuple(self._ends(place, learned, count, then, is_known) for place in places)
        return tuple(member.wvalues for member in front), known_ends[is_known]

    def _finished_among(self, completed: int) -> int:
        """How many trainings were finished among the first outcomes."""
        return bisect_left(self._finished, completed, key=lambda one: one.completed)

    def _front_of_first(self, count: int) -> list[Finished]:
        """The front of the first so many finished trainings; that of all is the search's."""
        if self._asked[0] != count:
            is_newest = count == len(self._finished)
            members = map(self._newest.__getitem__, self._front.plain_numbers)
            self._asked = count, list(members) if is_newest else _front_of(self._finished[:count])
        return self._asked[1]

    def _ends(
        self, place: int, completed: int, count: int, front: Sequence[Finished], is_known: tuple[bool, ...]
    ) -> Ends:
        """The optimistic ends at one step; () while an objective that must be reported isn't known well enough."""
        fits = [None if known else fit for known, fit in zip(is_known, self._fit(count)[place], strict=True)]
        if not front or any(fit is None and not known for known, fit in zip(is_known, fits, strict=True)):
            return ()
        reached: dict[int, WValues] = {}
        for one in self._finished[max(0, count - NEWEST) : count]:
            at_step = one.at_steps[place]
            ends = [wvalue if known else None for known, wvalue in zip(is_known, one.wvalues, strict=True)]
            if at_step is not None and (wvalues := _completed(at_step, ends)) is not None:
                reached[one.completed] = wvalues
        until = bisect_left(self._halted, completed, key=lambda one: one.completed)
        reached |= {
            one.completed: one.wvalues for one in self._halted[max(0, until - NEWEST) : until] if one.step == place
        }
        is_own = np.array([[member.completed == number for member in front] for number in reached])
        values = np.array([member.wvalues for member in front])
        return optimistic_ends(fits, safe_tail(fits, np.array([*reached.values()]), values, is_own, risk=self._risk))

    def _is_exempt(self, number: int) -> bool:
        digest = hashlib.blake2b(f"{self._seed}/{number}/stopping".encode(), digest_size=7).digest()
        return int.from_bytes(digest) < self._exempt * 2**56

    def _at_steps(self, curve: Sequence[CurvePoint]) -> tuple[tuple[float | None, ...] | None, ...]:
        """Per step the wvalues at the first report in its reach, where a worker would have judged."""
        found: list[tuple[float | None, ...] | None] = [None] * len(self._steps)
        for point in curve:
            place = rung_at(self._steps, point.epoch) if point.metrics else None
            if place is not None and found[place] is None:
                found[place] = self._wvalues(point)
        return tuple(found)

    def _wvalues(self, point: CurvePoint) -> tuple[float | None, ...]:
        metrics = dict(point.metrics)
        return tuple([one.wvalue(metrics[one.metric]) if one.metric in metrics else None for one in self._objectives])

    def _fit(self, count: int) -> CurveFits:
        """The fits from the first finished trainings, the newest of them."""
        if self._fits[0] != count:
            newest = self._finished[max(0, count - NEWEST) : count]
            places, objectives = range(len(self._steps)), range(len(self._objectives))
            self._fits = count, tuple(tuple(_curve_fit(newest, place, at) for at in objectives) for place in places)
        return self._fits[1]


def _learned_from(completed: int) -> int:
    """The outcomes that judgements are learned from: all but the newest thirty-second at most, to learn rarely."""
    step = 1 << max(0, (completed // 32).bit_length() - 1)
    return completed - completed % step


def stopped_by(rule: StoppingRule, outcome: Measurement) -> Failure | None:
    """The outcome of a training that was finished once, as this rule would have ended it; None where it would not.

    Needs a curve with the reports at the rule's steps.
    """
    judged: set[int] = set()
    for count, point in enumerate(outcome.curve, start=1):
        place = rung_at([rung.step for rung in rule.points], point.epoch) if point.metrics else None
        if place is None or place in judged:
            continue
        judged.add(place)
        if (reason := reason_to_stop(rule, point.epoch, dict(point.metrics))) is not None:
            return Failure(kind=FailureKind.STOPPED, message=reason, curve=outcome.curve[:count])
    return None


def _curve_fit(finished: Sequence[Finished], place: int, objective: int) -> CurveFit | None:
    """The fit of one objective from a step on."""
    return fit_curve(
        [
            (here, one.wvalues[objective])
            for one in finished
            if (at_step := one.at_steps[place]) is not None and (here := at_step[objective]) is not None
        ]
    )


def _completed(reported: Sequence[float | None], known: Sequence[float | None]) -> WValues | None:
    """Each wvalue that is known, else reported; None where an objective has neither."""
    known = known or (None,) * len(reported)
    found = [here if there is None else there for here, there in zip(reported, known, strict=True)]
    return None if None in found else tuple(found)  # type: ignore[arg-type]


def _front_of(finished: Sequence[Finished]) -> list[Finished]:
    """The front of the newest outcome of each candidate, in their order, as `ParetoFront` gives it."""
    newest = {one.number: one for one in finished}
    feasible = [one for one in newest.values() if one.is_feasible]
    ranks = rank([one.wvalues for one in feasible]) if feasible else ()
    first: dict[WValues, Finished] = {}  # of equal ones that of the candidate that was proposed first
    for one, its_rank in sorted(zip(feasible, ranks, strict=True), key=lambda pair: pair[0].number):
        if its_rank == 0:
            first.setdefault(one.wvalues, one)
    return sorted(first.values(), key=lambda one: one.completed)


def _spread(front: Sequence[WValues]) -> tuple[WValues, ...]:
    """Points of a front that leave no wide gap, in its order.

    The best in the first objective, then always the one farthest from those that are chosen (Gonzalez, 1985).
    """
    if len(front) <= LARGEST_FRONT:
        return tuple(front)
    values = np.array(front)  # (points, objectives)
    extents = np.ptp(values, axis=0)
    values = (values - values.min(axis=0)) / np.where(extents > 0, extents, 1.0)
    chosen = [int(values[:, 0].argmax())]
    distances = np.full(len(values), np.inf)
    while len(chosen) < LARGEST_FRONT:
        np.minimum(distances, ((values - values[chosen[-1]]) ** 2).sum(axis=1), out=distances)
        chosen.append(int(distances.argmax()))
    return tuple(front[place] for place in sorted(chosen))


class ReportCheck:
    """Finds out that an evaluator doesn't report what early stopping judges by, so that no training can end early.

    A single evaluation that reported all of it is enough.
    """

    def __init__(self, objectives: Sequence[Objective], steps: Sequence[float]) -> None:
        """Nothing is reported yet at the steps of early stopping; without any, there is nothing to find out."""
        self._wanted = [objective.metric for objective in objectives]
        self._steps = tuple(steps)
        self._finished = 0
        self._last_step: float | None = None  #: The greatest that was reported.
        self._reported: set[str] = set()  #: At a step.
        self._is_settled = not steps  #: All was reported, or it is known that it won't be.

    def note(self, outcome: Outcome) -> None:
        """Take note of an outcome."""
        if self._is_settled or self._finished >= FIRST_REPORTS or not isinstance(outcome, Measurement):
            return
        self._finished += 1
        for point in outcome.curve:
            self._last_step = max(point.epoch, self._last_step or 0.0)
            if rung_at(self._steps, point.epoch) is not None:
                names = {name for name, _ in point.metrics}
                self._reported |= names
                self._is_settled = self._is_settled or names.issuperset(self._wanted)

    def lack(self) -> str | None:
        """A sentence on what is missing, and what to do; None where nothing is, or it isn't known yet."""
        if self._is_settled or self._finished < FIRST_REPORTS:
            return None
        return (
            f"early_stop ends no training: {self._what()} in the first {self._finished} evaluations; call "
            f"report(step, {{{', '.join(f'{name!r}: ...' for name in self._wanted)}}}) at the rungs, or set "
            "early_stop.rungs: off"
        )

    def _what(self) -> str:
        steps = ", ".join(f"{step:g}" for step in self._steps)
        if self._last_step is None:
            return "the evaluator reported nothing"
        if self._last_step < self._steps[0]:
            return f"the evaluator's reports ended at step {self._last_step:g}, before the first rung ({steps}),"
        missing = [name for name in self._wanted if name not in self._reported]
        if not missing:
            return f"the evaluator never reported {' and '.join(self._wanted)} together at a rung ({steps})"
        return f"the evaluator did not report {' and '.join(missing)} at its rungs ({steps})"
