"""The state of a search: a function of the events in the store's log.

`SearchState.apply` is the one place where the log is folded. A running search applies an event, stores it with its
effects, and acts on them; a resume and `gasearch db check` apply the stored events in their order. Questions that
weigh 200,000 outcomes at once have the front's part of it as columns, see `gasearch.query.growth`. Neither reads a
store or a clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gasearch_workers.messages import Failure, FailureKind, Measurement, Outcome

from gasearch.evolution.engine import Candidate, Scored
from gasearch.objectives.fitness import FrontChange
from gasearch.objectives.frontier import Frontier
from gasearch.objectives.pareto import Scaling
from gasearch.search.early_stopping import EarlyStopping, ReportCheck
from gasearch.search.problem import Aims
from gasearch.search.replication import Replication
from gasearch.search.statistics import Statistics
from gasearch.storage.records import GenerationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A candidate was proposed; its first training is to be made."""

    candidate: Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A further training of a candidate, with a fresh seed, was decided."""

    number: int
    replicate: int  #: 1 for the first further training.


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """An attempt failed, and the training is tried again."""

    number: int
    attempt: int  #: Counted over all trainings of the candidate.
    kind: FailureKind
    seconds: float  #: What it took a worker.


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A training came to its outcome: a measurement, a stop, or a failure for good."""

    number: int
    replicate: int = 0  #: 0 for the candidate's first training.
    attempt: int = 1
    outcome: Outcome  #: Of a replicate that was measured the means over all trainings so far.
    seconds: float | None = 0.0  #: What the last attempt took a worker; None where an earlier search had made it.


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationClosed:
    """A generation is complete; the first one with a feasible outcome fixes the scaling of the hypervolume."""

    number: int
    scaling: Scaling | None = None  #: Where it is fixed already.
    hypervolume: float = 0.0  #: As stored; not needed for one that isn't stored yet.


Event = Proposed | Repeated | Attempted | Completed | GenerationClosed


_UNCHANGED = FrontChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Consequences of an event: to be stored with it, and to be acted on."""

    outcome: Outcome | None = None  #: As it was judged: one that lacks an objective's metric is a failure.
    scored: Scored | None = None  #: What evolution is to learn.
    change: FrontChange = _UNCHANGED
    gain: float | None = None  #: By how much the hypervolume grew; None where that isn't known.
    hypervolume: float | None = None  #: None where it isn't taken at each outcome.
    scaling: Scaling | None = None  #: Where the event has fixed it.


_NOTHING = Effects()


class SearchState:
    """All that a search knows, after the events so far."""

    def __init__(self, aims: Aims, *, evaluations: int) -> None:
        """Nothing has happened yet.

        Args:
            aims: Of the search.
            evaluations: How many it may make.
        """
        self.aims = aims
        self.keys: dict[int, str] = {}  #: Of the candidates, by number.
        self.generation = -1  #: Of the newest candidate.
        self.open: dict[int, Candidate] = {}  #: Those whose first training has no outcome yet.
        self.repeated: dict[tuple[int, int], None] = {}  #: Further trainings without one: (number, replicate).
        self.statistics = Statistics()
        self.frontier = Frontier()
        self.replication = Replication(aims, evaluations)
        self.early_stopping: EarlyStopping | None = None
        if aims.early_stop is not None:
            front = self.frontier.front
            self.early_stopping = EarlyStopping(aims.objectives, aims.early_stop, seed=aims.seed, front=front)
        self.report_check = ReportCheck(aims.objectives, aims.reported_steps)
        self._attempts: dict[int, int] = {}  # the newest of each candidate that needed more than one
        self._failed: dict[int, tuple[FailureKind, ...]] = {}  # attempts of the trainings under way

    def apply(self, event: Event, *, is_stored: bool = False) -> Effects:
        """Take an event in.

        Args:
            event: The next one of the log.
            is_stored: Whether the store has its effects already. They are not worked out again then: of hundreds of
                thousands of outcomes that takes minutes.

        Returns:
            What follows from it; of a stored one only what evolution is to learn.
        """
        match event:
            case Completed():
                return self._complete(event, is_stored=is_stored)
            case Proposed(candidate=candidate):
                self.keys[candidate.number] = candidate.genome.key
                self.generation = candidate.generation
                self.open[candidate.number] = candidate
                self.replication.proposed += 1
            case Attempted():
                self._attempts[event.number] = event.attempt
                self._failed[event.number] = (*self.failed_attempts(event.number), event.kind)
                self.statistics.note_attempt(event.seconds)
            case Repeated():
                self.repeated[event.number, event.replicate] = None
                self.replication.decided += 1
            case GenerationClosed():
                return self._close(event, is_stored=is_stored)
        return _NOTHING

    def failed_attempts(self, number: int) -> tuple[FailureKind, ...]:
        """The ends of the earlier attempts of a candidate's training that is under way."""
        return self._failed.get(number, ())

    def next_attempt(self, number: int) -> int:
        """The next free number of a candidate's attempts."""
        return self._attempts.get(number, 0 if number in self.open else 1) + 1

    def known_wvalues(self, candidate: Candidate) -> tuple[float | None, ...]:
        """The wvalues that early stopping may know before any training; () without early stopping."""
        return () if self.early_stopping is None else self.aims.known_wvalues(candidate)

    def generation_record(self, number: int, *, finished_at: datetime) -> GenerationRecord:
        """The statistics of a generation that is complete now."""
        return GenerationRecord(
            number=number,
            evaluations=self.statistics.completed,
            failures=self.statistics.failures,
            front_size=len(self.frontier.front),
            hypervolume=self.frontier.hypervolume or 0.0,
            best=tuple(value for _, value in self.best()),
            finished_at=finished_at,
        )

    def best(self) -> tuple[tuple[str, float], ...]:
        """The best value of each objective on the front, in native units; () where the front is empty."""
        front = self.frontier.front
        return tuple(
            (objective.metric, objective.wvalue(wvalue))  # its own inverse
            for objective, wvalue in zip(self.aims.objectives, front.best, strict=bool(len(front)))
        )

    def _complete(self, event: Completed, *, is_stored: bool) -> Effects:
        """Count an outcome, and learn from it.

        Of a further training that failed, what the ones before it came to stands.
        """
        number, is_replicate = event.number, event.replicate > 0
        outcome, fitness = self.aims.judge(event.outcome)
        is_stopped = isinstance(outcome, Failure) and outcome.kind is FailureKind.STOPPED
        candidate = None if is_replicate else self.open.pop(number, None)
        known: tuple[float | None, ...] = (None,) * len(self.aims.objectives)
        if candidate is not None and is_stopped:
            known = self.known_wvalues(candidate)
        self.repeated.pop((number, event.replicate), None)
        self._failed.pop(number, None)
        if event.attempt > 1:
            self._attempts[number] = event.attempt
        frontier, before = self.frontier, None if is_stored else self.frontier.hypervolume
        change = frontier.note(
            number,
            fitness,
            completed=self.statistics.completed + 1,
            is_replicate=is_replicate,
            is_past=is_stored,
        )
        if is_replicate:
            fitness = fitness or self.replication.fitness_of(number)
        self.statistics.note(self.keys.get(number, ""), outcome, fitness, seconds=event.seconds or 0.0)
        expected = None
        if self.early_stopping is not None:
            self.early_stopping.note(outcome, fitness, number=number, known=known)
            if isinstance(outcome, Failure) and is_stopped:
                expected = self.early_stopping.expected_end(outcome, known)
        self.report_check.note(outcome)
        if self.aims.replicates:
            self.replication.note(number, outcome, fitness, replicate=event.replicate)
        training_s = event.seconds if isinstance(outcome, Measurement) else None
        scored = Scored(number=number, fitness=fitness, expected=expected, seconds=training_s)
        if is_stored:
            return Effects(outcome=outcome, scored=scored)
        return Effects(
            outcome=outcome,
            scored=scored,
            change=change,
            gain=None if is_replicate else frontier.gain_since(before),
            hypervolume=frontier.hypervolume if frontier.is_cheap else None,
        )

    def _close(self, event: GenerationClosed, *, is_stored: bool) -> Effects:
        completed, before = self.statistics.completed, self.frontier.scaling
        scaling = before or self.frontier.fix(completed, event.scaling)
        if is_stored:
            self.frontier.recall(completed, event.hypervolume)
        else:
            self.frontier.measure(completed)
        return Effects(scaling=scaling if before is None and event.scaling is None else None)
