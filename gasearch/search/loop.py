"""The loop: ask, store, dispatch, collect, apply. The only file that knows all the steps.

All that a search knows is its state, a function of the stored log: see `gasearch.search.state`. Whatever happens is
applied to it, then stored with its effects, then acted on; a resume applies what is stored. So a kill at any instant
costs only the evaluations in flight.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gasearch_workers.machine.process_state import gc_paused
from gasearch_workers.messages import Calibration, EvaluationResult, Failure, network_from_json

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.errors import StoreError
from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.objectives.pareto import Scaling
from gasearch.search.attempts import Breaker, bounded, may_go_on, quarantine_event, retry_event
from gasearch.search.budget import EXHAUSTED, Pace, SearchBudget, ending
from gasearch.search.log import SearchLog, attempted, completed
from gasearch.search.notices import Notices
from gasearch.search.ownership import StopSignal
from gasearch.search.problem import Pending, Problem, training_seed
from gasearch.search.progress import Observer, Silent
from gasearch.search.reuse import Reuse
from gasearch.search.state import Effects, GenerationClosed, Proposed, Repeated, SearchState
from gasearch.storage.records import REUSED, CandidateRecord, EvaluationRecord, EventRecord, SearchStatus

COLLECT_S = 1.0
DRAIN_S = 8.5  #: With the second until a signal is heard, and the end of the workers, ten.
PROGRESS_S = 0.2  #: Least time between two reports of progress.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run of the loop ended."""

    state: SearchStatus
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Who watches a loop, who stops it, and its clock."""

    observer: Observer = field(default_factory=Silent)
    stop: StopSignal = field(default_factory=StopSignal)
    clock: Callable[[], float] = time.monotonic  #: Seconds from any origin.


class SearchLoop:
    """Drives one search until its budget is spent, its space is exhausted, or somebody stops it. One thread."""

    def __init__(
        self,
        *,
        problem: Problem,
        budget: SearchBudget,
        log: SearchLog,
        engine: Engine,
        dispatcher: Dispatcher,
        surroundings: Surroundings | None = None,
    ) -> None:
        """A loop before its first step.

        Args:
            problem: What is asked.
            budget: How much it may spend, over all interruptions.
            log: Where everything is stored.
            engine: A fresh one.
            dispatcher: Makes the evaluations.
            surroundings: Who watches and who stops it; None: nobody.
        """
        self.state = SearchState(problem, evaluations=budget.evaluations)
        self.engine = engine
        self.log = log
        around = surroundings or Surroundings()
        self._problem, self._budget, self._dispatcher = problem, budget, dispatcher
        self._archive, self._lease = log.archive, log.lease
        self._observer, self._stop, self._clock = around.observer, around.stop, around.clock
        self._scaling: Scaling | None = None  #: As it is stored.
        self._volumes: dict[int, float] = {}  #: Of the generations that are stored, by number.
        self._reuse: Reuse | None = None  #: Asked anew by each controller.
        self._waiting: deque[Pending] = deque()
        self._flying: dict[str, Pending] = {}
        self._applied: list[tuple[EvaluationRecord, Effects]] = []  #: To be stored together.
        self._calibration: Calibration | None = None
        self._breaker, self._notices, self._pace = Breaker(), Notices(), Pace(self._clock)
        self._reported = self._clock()

    @property
    def unfinished(self) -> list[Pending]:
        """The trainings that are under way, or wait for a worker."""
        return [*self._waiting, *self._flying.values()]

    # --- the story ----------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Go on from where the archive stands.

        Raises:
            LeaseLost: if another controller took the search over.
            StoreError: if the database fails, or holds what can't be read.
            GasearchError: if everything fails for one cause.
        """
        self.resume()
        self._reuse = Reuse(self._problem, self._archive, self._lease.search_id)
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

    def resume(self) -> None:
        """Apply the stored log: afterwards state and engine stand where those stood that wrote it.

        Raises:
            StoreError: if the log can't be read, or isn't whole.
        """
        record = self._archive.search(self._problem.name)
        if record.reference_ideal is not None and record.reference_point is not None:
            self._scaling = Scaling(ideal=record.reference_ideal, reference=record.reference_point)
        self._volumes = {one.number: one.hypervolume for one in self._archive.generations(self._lease.search_id)}
        with gc_paused():  # no cycles arise, and all that is made would be walked over again and again
            for event in self.log.events(self._problem):
                effects = self.state.apply(event, is_stored=True)
                if isinstance(event, Proposed):
                    self.engine.adopt(event.candidate)
                if effects.scored is not None:
                    self._learn(effects.scored)
        self._waiting.extend(map(self._pending, self.state.open.values()))
        self._waiting.extend(self._again(*training) for training in self.state.repeated)  # as they waited
        self._pace.begin(self.state, spent_s=record.active_seconds)

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

        What an earlier search has evaluated alike is completed at once, and asked for again.
        """
        ahead = 1 if self._dispatcher.slots > 1 else 0
        while True:
            free = self._dispatcher.free + ahead - len(self._waiting)
            most = self.state.replication.most_candidates - len(self.state.keys)
            fresh = self._ask(min(max(free, self.engine.lookahead), most))
            is_reused = self._take_over(fresh) > 0 and self._verdict() is None
            if not is_reused and (fresh or not self._is_freeing_budget()):
                break

    def _is_freeing_budget(self) -> bool:
        """Once all is completed: whether nothing is left to be trained again, so that more candidates may be asked for.

        Else what is in doubt waits for its next training.
        """
        is_idle = not self._waiting and not self._flying
        if not is_idle or not self.state.replication.is_kept:
            return False
        self._train_again()
        return self.state.replication.is_free

    def _ask(self, count: int) -> list[Pending]:
        fresh: list[Pending] = []
        records: list[CandidateRecord] = []
        while len(records) < count and (candidate := self.engine.ask()) is not None:
            self.state.apply(Proposed(candidate=candidate))
            pending = self._pending(candidate)
            records.append(self._problem.record(candidate, pending.network))
            fresh.append(pending)
        if records:
            self._archive.add_candidates(self._lease, records)
        self._waiting.extend(fresh)
        return fresh

    def _take_over(self, fresh: list[Pending]) -> int:
        """Complete what an earlier search has measured of these; returns how many that are."""
        assert self._reuse is not None, "nothing is proposed before the loop runs"
        found = self._reuse.outcomes(fresh, self._calibration)
        for pending, result in found:
            self._waiting.remove(pending)
            self._record(pending, result)
        self._commit()
        return len(found)

    def _train_again(self) -> None:
        """Let the members of the front whose rank is in doubt be trained once more, all of one round at once."""
        state = self.state
        records = state.replication.next_round(state.frontier.front.numbers, state.statistics.completed)
        if not records:
            return
        for record in records:
            state.apply(Repeated(number=record.candidate, replicate=record.replicate))
        self._archive.add_replicates(self._lease, records)
        self._waiting.extend(self._again(record.candidate, record.replicate) for record in records)

    # --- evaluating ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Keep every worker busy."""
        while self._waiting and self._dispatcher.free > 0:
            pending = self._waiting.popleft()
            self._flying[pending.key] = pending
            self._dispatcher.submit(self._problem.request(pending, calibration=self._calibration))

    def _settle(self, results: list[EvaluationResult]) -> None:
        for result in results:
            pending = self._flying.get(result.key)
            if pending is None or pending.attempt != result.attempt:
                message = f"{result.key}, attempt {result.attempt}: not used"
                self._archive.add_event(self._lease, EventRecord(kind="late", message=message))
                continue
            del self._flying[result.key]
            if isinstance(result.outcome, Failure) and result.outcome.is_retryable:
                self._retry(pending, result, result.outcome)
            else:
                self._record(pending, result)
        self._commit()

    def _retry(self, pending: Pending, result: EvaluationResult, failure: Failure) -> None:
        """Let an attempt that may end differently next time be made again, as long as one is left."""
        failed = (*self.state.failed_attempts(pending.number), failure.kind)
        if not may_go_on(failed):
            self._record(pending, result)
            self._commit()
            self._archive.add_event(self._lease, quarantine_event(pending, failure, failed))
            return
        event = attempted(pending.number, result)
        assert event is not None, "it is of a failure"
        effects = self.state.apply(event)
        self._applied.append((self._bounded(self._problem.evaluation(pending, result, arrival=-1)), effects))
        self._commit()
        self._archive.add_event(self._lease, retry_event(pending, failure))
        self._breaker.note_retry(failure)
        self._waiting.appendleft(replace(pending, attempt=self.state.next_attempt(pending.number)))

    def _record(self, pending: Pending, result: EvaluationResult) -> None:
        """Apply an outcome, to be stored with those that came with it; with what follows from it."""
        state, arrival = self.state, self.state.statistics.completed
        if pending.replicate:
            result = replace(result, outcome=state.replication.pooled(pending.number, result.outcome))
        effects = state.apply(completed(pending.number, pending.replicate, result))
        assert effects.outcome is not None, "an outcome is judged"
        if effects.outcome is not result.outcome:
            result = replace(result, outcome=effects.outcome)
        record = self._problem.evaluation(
            pending, result, arrival=arrival, gain=effects.gain, hypervolume=effects.hypervolume
        )
        if result.worker != REUSED:
            self._breaker.note(effects.outcome)
        self._applied.append((self._bounded(record), effects))
        if len(self._applied) >= self.engine.until_closing:
            self._commit()

    def _bounded(self, record: EvaluationRecord) -> EvaluationRecord:
        """The record of an attempt that is applied already, without the length of what the store needn't keep."""
        statistics = self.state.statistics
        outcome = bounded(record.result.outcome, failed_before=statistics.failures + statistics.retries - 1)
        if outcome is record.result.outcome:
            return record
        return replace(record, result=replace(record.result, outcome=outcome))

    def _commit(self) -> None:
        """Store what was applied in one transaction; then let evolution learn from it, and tell who watches."""
        applied, self._applied = self._applied, []
        if not applied:
            return
        if not self._archive.add_evaluations(self._lease, [(record, effects.change) for record, effects in applied]):
            attempts = ", ".join(f"{one.result.attempt} at candidate {one.candidate}" for one, _ in applied)
            raise StoreError(
                f"of the attempts {attempts} one is stored already, with another outcome: this controller's knowledge "
                f"is out of date; gasearch resume {self._problem.name}"
            )
        for record, effects in applied:
            if effects.scored is not None:
                self._learn(effects.scored)
                self._observer.on_outcome(record)
        for notice in self._notices.of(self.state):
            self._observer.on_notice(notice)
        if self._clock() - self._reported >= PROGRESS_S:
            self._report()

    def _learn(self, scored: Scored) -> None:
        """Let evolution learn from an outcome, and close the generations that are complete by it."""
        closed = self.engine.completed_generations
        self.engine.tell(scored)
        for number in range(closed, self.engine.completed_generations):
            self._close_generation(number)

    def _close_generation(self, number: int) -> None:
        """Apply the end of a generation; store its statistics, and the scaling that it fixed."""
        stored = self._volumes.get(number)
        event = GenerationClosed(number=number, scaling=self._scaling, hypervolume=stored or 0.0)
        scaling = self.state.apply(event, is_stored=stored is not None).scaling
        if scaling is not None:
            self._archive.set_reference(self._lease, ideal=scaling.ideal, point=scaling.reference)
        if stored is None:
            record = self.state.generation_record(number, finished_at=datetime.now(UTC))
            self._archive.add_generation(self._lease, record)

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
        self._breaker.require_closed(f"gasearch resume {self._problem.name}", slots=self._dispatcher.slots)
        reason = ending(self._budget, self.state, seconds=self._pace.spent_s)
        return None if reason is None else Verdict(state=SearchStatus.FINISHED, reason=reason)

    def _final(self, verdict: Verdict) -> Verdict:
        """The verdict; a search that ended has failed where it measured nothing."""
        statistics = self.state.statistics
        if verdict.state is not SearchStatus.FINISHED or not statistics.completed or statistics.measured:
            return verdict
        return Verdict(state=SearchStatus.FAILED, reason=f"{verdict.reason}, and not one gave a measurement")

    def _exhausted(self) -> Verdict:
        return Verdict(
            state=SearchStatus.FINISHED, reason=f"{len(self.state.keys)} networks are evaluated; {EXHAUSTED}"
        )

    # --- the pieces ---------------------------------------------------------------------------------------------

    def _pending(self, candidate: Candidate) -> Pending:
        state, stopping = self.state, None
        if state.early_stopping is not None:
            known = state.known_wvalues(candidate)
            stopping = state.early_stopping.rule(candidate.number, known=known, completed=candidate.completed)
        key = candidate.genome.key
        return Pending(
            number=candidate.number,
            key=key,
            network=self._problem.decode(candidate.genome),
            seed=training_seed(self._problem.seed, key),
            attempt=state.next_attempt(candidate.number),
            parents=tuple([state.keys[number] for number in candidate.parents]),
            stopping=stopping,
        )

    def _again(self, number: int, replicate: int) -> Pending:
        key = self.state.keys[number]
        return Pending(
            number=number,
            key=key,
            network=network_from_json(self._archive.network(self._lease.search_id, key).network_json),
            seed=training_seed(self._problem.seed, key, replicate),
            attempt=self.state.next_attempt(number),
            replicate=replicate,
        )

    def _report(self) -> None:
        self._reported = self._clock()
        self._observer.on_progress(
            self._pace.progress(
                self.state,
                name=self._problem.name,
                budget=self._budget,
                in_flight=len(self._flying),
                slots=self._dispatcher.slots,
            )
        )
