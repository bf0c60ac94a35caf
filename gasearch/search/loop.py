"""The loop: ask, store, dispatch, collect, store, tell. The only file that knows all the steps.

Everything that it holds can be rebuilt from the archive: `_replay` lets the engine adopt the stored candidates, and
tells it the stored answers in their stored order. So a kill at any instant costs only the evaluations in flight.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from gasearch_workers.machine.collection import gc_paused
from gasearch_workers.messages import Calibration, EvaluationResult, Failure, FailureKind, Measurement, Outcome

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.errors import StoreError
from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.objectives.fitness import Fitness, FrontChange
from gasearch.objectives.frontier import Frontier
from gasearch.objectives.pareto import Scaling
from gasearch.search.attempts import Breaker, bounded, quarantine_event, retry, retry_event
from gasearch.search.budget import EXHAUSTED, SearchBudget, Spent, ending
from gasearch.search.device_time import DeviceTime
from gasearch.search.early_stopping import Rungs
from gasearch.search.feasibility import Feasibility
from gasearch.search.ownership import StopSignal
from gasearch.search.problem import Pending, Problem
from gasearch.search.progress import Observer
from gasearch.search.replicate_budget import Reserve
from gasearch.search.replication import Trainings
from gasearch.search.reuse import Reuse
from gasearch.search.rung_reports import RungReports
from gasearch.search.statistics import Tally
from gasearch.storage.archive import Archive
from gasearch.storage.records import (
    REUSED,
    CandidateRecord,
    EvaluationRecord,
    EventRecord,
    Lease,
    SearchStatus,
)

COLLECT_S = 1.0
DRAIN_S = 8.5  #: With the second until a signal is heard, and the end of the workers, ten.
PROGRESS_S = 0.2  #: Least time between two reports of progress.
MOST_COMPARED = (
    10_000  #: Stored networks that a resume makes of their genes again, at 0.1 ms each; `db check` does all.
)
NEWEST_COMPARED = 1000  #: Of these, the newest: what is in flight is evaluated again.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run of the loop ended."""

    state: SearchStatus
    reason: str


class SearchLoop:
    """Drives one search until its budget is spent, its space is exhausted, or somebody stops it. One thread."""

    def __init__(
        self,
        *,
        problem: Problem,
        budget: SearchBudget,
        archive: Archive,
        lease: Lease,
        engine: Engine,
        dispatcher: Dispatcher,
        observer: Observer,
        stop: StopSignal,
        rungs: Rungs | None = None,
        scaling: Scaling | None = None,
        spent_s: float = 0.0,
        weights_folder: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A loop before its first step.

        Args:
            problem: What is asked.
            budget: How much it may spend, over all interruptions.
            archive: Where everything is stored.
            lease: The right to write there.
            engine: A fresh one.
            dispatcher: Makes the evaluations.
            observer: Watches.
            stop: Asks it to stop.
            rungs: Ends trainings early, a fresh one; None: every training goes on to its end.
            scaling: Of the hypervolume, where it is fixed already.
            spent_s: Wall time that earlier controllers have spent.
            weights_folder: Where trained weights are kept; None: nowhere.
            clock: Seconds from any origin.
        """
        self._problem, self._budget = problem, budget
        self._archive, self._lease = archive, lease
        self._engine, self._dispatcher = engine, dispatcher
        self._observer, self._stop, self._clock = observer, stop, clock
        self._rungs, self._fixed_scaling = rungs, scaling
        steps = (
            rungs.steps if rungs is not None and problem.task.evaluator is not None else ()
        )  # our trainings report all
        self._rung_reports = RungReports(problem.objectives, steps)
        self._spent_s, self._weights_folder = spent_s, weights_folder
        self._keys: dict[int, str] = {}  #: By number.
        self._frontier = Frontier()
        self._closed: dict[int, float] = {}  #: Generations whose statistics are stored, with their hypervolume.
        self._trainings = Trainings(problem.objectives, problem.noisy)  #: Kept where trainings may be repeated.
        self._reserve = Reserve(problem.replicates, budget.evaluations, self._trainings)
        self._reuse: Reuse | None = None  #: Asked anew by each controller.
        self._waiting: deque[Pending] = deque()
        self._flying: dict[str, Pending] = {}
        self._calibration: Calibration | None = None
        self._tally = Tally(problem.objectives, clock)
        self._breaker = Breaker()
        self._feasibility = Feasibility(problem.limits)
        self._device_time = DeviceTime()
        self._generation = -1
        self._reported = clock()

    # --- the story ----------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Go on from where the archive stands.

        Raises:
            LeaseLost: if another controller took the search over.
            StoreError: if the database fails, or holds what can't be read.
            GasearchError: if everything fails for one cause.
        """
        with gc_paused():  # no cycles arise, and all that is made would be walked over again and again
            self._replay()
        self._reuse = Reuse(self._problem, self._archive, self._lease.search_id)
        self._tally.begin()
        if "latency_ms" in self._problem.measures:
            self._calibrate()
        self._take_over([pending for pending in self._waiting if not pending.replicate])
        verdict = self._verdict()
        while verdict is None:
            self._dispatch()  # first: what was proposed ahead keeps a free worker busy while more is proposed
            self._propose()
            verdict = self._verdict()  # what was taken over may have ended it
            if verdict is not None:
                break
            self._dispatch()
            if not self._waiting and not self._flying and self._dispatcher.free > 0:  # else workers are starting
                verdict = self._exhausted()
                break
            self._settle(self._dispatcher.collect(COLLECT_S))
            verdict = self._verdict()
        self._drain()
        self._report()
        return self._final(verdict)

    # --- going on -----------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        """Let the engine adopt every stored candidate, having told it just what it knew when it proposed that one."""
        search_id = self._lease.search_id
        self._closed = {one.number: one.hypervolume for one in self._archive.generations(search_id)}
        outcomes = self._archive.evaluations(search_id, with_curves=self._rungs is not None)
        unanswered: dict[int, Candidate] = {}
        again = dict.fromkeys((one.candidate, one.replicate) for one in self._archive.replicates(search_id))
        decided = len(again)
        counts = self._archive.counts(search_id)
        every = -(-counts.candidates // MOST_COMPARED)
        for stored in self._archive.candidates(search_id):
            if stored.number % every == 0 or stored.number >= counts.candidates - NEWEST_COMPARED:
                self._problem.require_agreement(stored)
            while self._tally.completed < stored.completed:
                record = next(outcomes, None)
                if record is None:
                    raise StoreError(
                        f"search {self._problem.name!r}: candidate {stored.number} was proposed after "
                        f"{stored.completed} outcomes, but the database has {self._tally.completed}: restore a backup"
                    )
                self._recall(record, unanswered, again)
            candidate = self._problem.candidate(stored)
            self._engine.adopt(candidate)
            self._keys[stored.number] = stored.key
            self._generation = stored.generation
            unanswered[stored.number] = candidate
        for record in outcomes:
            self._recall(record, unanswered, again)
        self._tally.retries = counts.retries
        self._device_time.begin(counts.busy_seconds)
        attempts = self._archive.attempts(search_id)
        for number, candidate in unanswered.items():
            self._waiting.append(self._pending(candidate).after(attempts.get(number)))
        for number, replicate in again:  # in the order in which they waited
            self._waiting.append(self._again(number, replicate).after(attempts.get(number)))
        self._reserve.recall(decided, len(self._keys))

    def _recall(
        self, record: EvaluationRecord, unanswered: dict[int, Candidate], again: dict[tuple[int, int], None]
    ) -> None:
        if record.arrival != self._tally.completed:
            raise StoreError(
                f"search {self._problem.name!r}: the database lacks outcome {self._tally.completed}, and has "
                f"{record.arrival} in its place: restore a backup"
            )
        candidate = unanswered.pop(record.candidate, None)
        again.pop((record.candidate, record.replicate), None)
        outcome, fitness = self._problem.judge(record.result.outcome)
        is_replicate = record.replicate > 0
        completed = self._tally.completed + 1
        self._frontier.note(record.candidate, fitness, completed=completed, is_replicate=is_replicate, is_past=True)
        self._device_time.add(record.result)
        known = self._known(candidate) if candidate is not None and _is_stopped(outcome) else ()
        self._learn(record.candidate, outcome, fitness, replicate=record.replicate, known=known)

    def _calibrate(self) -> None:
        known = self._archive.calibrations(self._lease.search_id)
        self._calibration = self._dispatcher.calibrate(known)
        if known and self._calibration not in known:
            self._observer.on_notice(
                f"latency was measured on {known[0].device} so far, from here on it is measured on "
                f"{self._calibration.device}: compare with care"
            )
        self._archive.add_calibration(self._lease, self._calibration)

    # --- proposing ----------------------------------------------------------------------------------------------

    def _propose(self) -> None:
        """Ask for as many candidates as free workers want, or as may be asked ahead; store them all at once.

        What an earlier search has evaluated alike is told at once, and asked for again.
        """
        ahead = 1 if self._dispatcher.slots > 1 else 0
        while True:
            free = self._dispatcher.free + ahead - len(self._waiting)
            count = min(max(free, self._engine.lookahead), self._reserve.most_candidates - len(self._keys))
            fresh = self._ask(count)
            is_reused = self._take_over(fresh) > 0 and self._verdict() is None
            if not is_reused and (fresh or not self._is_freeing_reserve()):
                break

    def _is_freeing_reserve(self) -> bool:
        """Once all is told: whether nothing is left to be trained again, so that further candidates may be asked for.

        Else what is in doubt waits for its next training.
        """
        is_idle = not self._waiting and not self._flying
        if not is_idle or not self._reserve.is_kept:
            return False
        self._train_again()
        return self._reserve.is_free

    def _ask(self, count: int) -> list[Pending]:
        fresh: list[Pending] = []
        records: list[CandidateRecord] = []
        while len(records) < count and (candidate := self._engine.ask()) is not None:
            pending = self._pending(candidate)
            self._keys[candidate.number] = candidate.genome.key
            self._generation = candidate.generation
            records.append(self._problem.record(candidate, pending.network))
            fresh.append(pending)
        if records:
            self._archive.add_candidates(self._lease, records)
        self._waiting.extend(fresh)
        return fresh

    def _take_over(self, fresh: list[Pending]) -> int:
        """Tell what an earlier search has measured of these; returns of how many."""
        assert self._reuse is not None, "nothing is proposed before the loop runs"
        found = self._reuse.outcomes(fresh, self._calibration)
        for pending, result in found:
            self._waiting.remove(pending)
            self._record(pending, result)
        return len(found)

    def _train_again(self) -> None:
        """Let the members of the front whose rank is in doubt be trained once more, all of one round at once."""
        records = self._reserve.next_round(self._frontier.front.numbers, self._tally.completed)
        if not records:
            return
        self._archive.add_replicates(self._lease, records)
        attempts = self._archive.attempts(self._lease.search_id)
        for number, replicate in ((record.candidate, record.replicate) for record in records):
            self._waiting.append(self._again(number, replicate).after(attempts.get(number)))

    # --- evaluating ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Keep every worker busy."""
        while self._waiting and self._dispatcher.free > 0:
            pending = self._waiting.popleft()
            self._flying[pending.key] = pending
            request = self._problem.request(pending, calibration=self._calibration, weights_folder=self._weights_folder)
            self._dispatcher.submit(request)

    def _settle(self, results: list[EvaluationResult]) -> None:
        for result in results:
            pending = self._flying.get(result.key)
            if pending is None or pending.attempt != result.attempt:
                self._archive.add_event(
                    self._lease, EventRecord(kind="late", message=f"{result.key}, attempt {result.attempt}: not used")
                )
                continue
            del self._flying[result.key]
            self._device_time.add(result)
            outcome = result.outcome
            if isinstance(outcome, Failure) and outcome.is_retryable:
                self._retry(pending, result, outcome)
            else:
                self._record(pending, result)

    def _retry(self, pending: Pending, result: EvaluationResult, failure: Failure) -> None:
        """Let an attempt that may end differently next time be made again, as long as one is left."""
        following = retry(pending, failure)
        if following is None:
            self._record(pending, result)
            self._archive.add_event(self._lease, quarantine_event(pending, failure))
            return
        self._store(self._problem.evaluation(pending, result, arrival=-1), FrontChange())
        self._archive.add_event(self._lease, retry_event(pending, failure))
        self._tally.retries += 1
        self._breaker.note_retry(failure)
        self._waiting.appendleft(following)

    def _record(self, pending: Pending, result: EvaluationResult) -> None:
        """Store the outcome with what it changes, then tell it."""
        outcome = result.outcome
        if pending.replicate and isinstance(outcome, Measurement):
            outcome = self._trainings.pooled(pending.number, outcome)
        outcome, fitness = self._problem.judge(outcome)
        if result.worker != REUSED:
            self._breaker.note(outcome)
        completed, volume = self._tally.completed, self._frontier.hypervolume
        change = self._frontier.note(
            pending.number, fitness, completed=completed + 1, is_replicate=pending.replicate > 0
        )
        gain = None if pending.replicate else self._frontier.gain_since(volume)
        evaluation = self._problem.evaluation(
            pending,
            replace(result, outcome=outcome),
            arrival=completed,
            gain=gain,
            hypervolume=self._frontier.hypervolume if self._frontier.is_cheap else None,
        )
        self._store(evaluation, change)
        self._learn(pending.number, outcome, fitness, replicate=pending.replicate, known=pending.known)
        self._observer.on_outcome(evaluation)
        for notice in (self._feasibility.notice(), self._rung_reports.notice()):
            if notice is not None:
                self._observer.on_notice(notice)
        if self._clock() - self._reported >= PROGRESS_S:
            self._report()

    def _store(self, evaluation: EvaluationRecord, change: FrontChange) -> None:
        result = evaluation.result
        outcome = bounded(result.outcome, failed_before=self._tally.failures + self._tally.retries)
        evaluation = replace(evaluation, result=replace(result, outcome=outcome))
        if not self._archive.add_evaluation(self._lease, evaluation, change):
            raise StoreError(
                f"attempt {evaluation.result.attempt} at candidate {evaluation.candidate} is stored already, with "
                f"another outcome: this controller's knowledge is out of date; gasearch resume {self._problem.name}"
            )

    def _learn(
        self,
        number: int,
        outcome: Outcome,
        fitness: Fitness | None,
        *,
        replicate: int,
        known: tuple[float | None, ...] = (),
    ) -> None:
        """Tell evolution, and count. The same for what was just stored and for what is replayed.

        Of a further training that failed, what the ones before it came to stands.
        """
        if replicate:
            fitness = fitness or self._trainings.fitness_of(number)
        self._tally.add(outcome)
        self._feasibility.note(self._keys[number], outcome, fitness)
        self._device_time.note_outcome()
        if self._rungs is not None:
            self._rungs.note(outcome, fitness, number=number, known=known)
        self._rung_reports.note(outcome)
        if self._problem.replicates:
            self._trainings.note(number, outcome, fitness, replicate=replicate)
        expected = None
        if self._rungs is not None and isinstance(outcome, Failure) and _is_stopped(outcome):
            expected = self._rungs.expected_end(outcome, known)
        closed = self._engine.completed_generations
        self._engine.tell(Scored(number=number, fitness=fitness, expected=expected))
        for generation in range(closed, self._engine.completed_generations):
            self._close_generation(generation)

    def _close_generation(self, number: int) -> None:
        """Store a generation's statistics; the first one fixes the scale of the hypervolume."""
        if self._frontier.scaling is None:
            scaling = self._frontier.fix(self._tally.completed, self._fixed_scaling)
            if scaling is not None and self._fixed_scaling is None:
                self._archive.set_reference(self._lease, ideal=scaling.ideal, point=scaling.reference)
        if number in self._closed:
            self._frontier.recall(self._tally.completed, self._closed[number])
            return
        volume = self._frontier.measure(self._tally.completed)
        self._archive.add_generation(
            self._lease,
            self._tally.generation(number, front=self._frontier.front, hypervolume=volume),
        )

    # --- ending -------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Let what runs finish, for a while; what doesn't runs again after a resume."""
        self._dispatcher.cancel_queued()
        until = self._clock() + DRAIN_S
        while self._dispatcher.in_flight and self._clock() < until and self._stop.error is None:
            self._settle(self._dispatcher.collect(until - self._clock()))

    def _verdict(self) -> Verdict | None:
        """How the search ends now, if it does."""
        if self._stop.error is not None:
            raise self._stop.error
        if self._stop.is_requested:
            return Verdict(state=SearchStatus.STOPPED, reason=self._stop.reason)
        self._breaker.require_closed(self._problem.name, slots=self._dispatcher.slots)
        spent = Spent(
            completed=self._tally.completed,
            seconds=self._spent_s + self._tally.elapsed_s,
            device_seconds=self._device_time.seconds,
        )
        reason = ending(self._budget, spent, self._frontier, self._device_time.at_outcomes)
        return None if reason is None else Verdict(state=SearchStatus.FINISHED, reason=reason)

    def _final(self, verdict: Verdict) -> Verdict:
        """The verdict; a search that ended has failed where it measured nothing."""
        if verdict.state is not SearchStatus.FINISHED or not self._tally.completed or self._tally.measured:
            return verdict
        return Verdict(state=SearchStatus.FAILED, reason=f"{verdict.reason}, and not one gave a measurement")

    def _exhausted(self) -> Verdict:
        return Verdict(
            state=SearchStatus.FINISHED,
            reason=f"{len(self._keys)} networks are evaluated; {EXHAUSTED}",
        )

    # --- the pieces ---------------------------------------------------------------------------------------------

    def _pending(self, candidate: Candidate) -> Pending:
        known, stopping = self._known(candidate), None
        if self._rungs is not None:
            stopping = self._rungs.rule(candidate.number, known=known, completed=candidate.completed)
        parents = tuple(self._keys[number] for number in candidate.parents)
        return self._problem.pending(candidate, parents=parents, known=known, stopping=stopping)

    def _known(self, candidate: Candidate) -> tuple[float | None, ...]:
        return () if self._rungs is None else self._problem.known_wvalues(candidate)

    def _again(self, number: int, replicate: int) -> Pending:
        key = self._keys[number]
        network = self._archive.network(self._lease.search_id, key)
        return self._problem.again(number, key, network.network_json, replicate)

    def _report(self) -> None:
        self._reported = self._clock()
        seconds = self._budget.seconds
        self._observer.on_progress(
            self._tally.progress(
                self._problem.name,
                budget=self._budget.evaluations,
                seconds_left=None if seconds is None else seconds - self._spent_s - self._tally.elapsed_s,
                in_flight=len(self._flying),
                generation=self._generation,
                front=self._frontier.front,
                hypervolume=self._frontier.hypervolume,
                busy=self._device_time.busy_share(self._tally.elapsed_s, self._dispatcher.slots),
            )
        )


def _is_stopped(outcome: Outcome) -> bool:
    return isinstance(outcome, Failure) and outcome.kind is FailureKind.STOPPED
