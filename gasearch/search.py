"""The loop: ask, store, dispatch, collect, store, tell. The only file that knows all the steps.

Everything that it holds can be rebuilt from the archive: `_replay` asks the engine the stored questions again and tells
it the stored answers in their stored order. So a kill at any instant costs only the evaluations in flight.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.errors import GasearchError, StoreError
from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.fitness import Fitness, FrontChange, MissingMetric, Objective, fitness_of
from gasearch.limits import Limit
from gasearch.ownership import StopSignal
from gasearch.pareto import ParetoFront, Scaling
from gasearch.progress import Observer
from gasearch.space.genome import Genome
from gasearch.storage.archive import Archive
from gasearch.storage.records import (
    CandidateRecord,
    EvaluationRecord,
    EventRecord,
    Lease,
    SearchState,
)
from gasearch.tally import Tally
from workers.messages import (
    Calibration,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    Fidelity,
    Network,
    Outcome,
    Recipe,
    Task,
    network_to_json,
)

MAX_ATTEMPTS = 2  #: A lost evaluation is tried once more, then recorded as a failure.
MAX_FAILURES_IN_A_ROW = 20  #: With nothing measured in between, the fault is not the networks'.
COLLECT_S = 1.0
DRAIN_S = 10.0
PROGRESS_S = 0.2  #: Least time between two reports of progress.


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a search asks; the same over its whole life."""

    name: str
    seed: int
    task: Task
    recipe: Recipe
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    decode: Callable[[Genome], Network]
    measures: frozenset[str] = frozenset()  #: The dear metrics to ask workers for.
    time_limit_s: float | None = None
    fidelity: Fidelity | None = None  #: None: the recipe's epochs on the whole training split.


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBudget:
    """How much a search may spend, over all interruptions."""

    evaluations: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run of the loop ended."""

    state: SearchState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A stored candidate without a final outcome."""

    number: int
    key: str
    network: Network
    seed: int  #: Of the training.
    attempt: int
    parents: tuple[str, ...]  #: Keys of the networks whose weights it may begin with.


def training_seed(search_seed: int, number: int) -> int:
    """The seed of a candidate's training: 31 bits, from the search's seed and the candidate's number alone."""
    digest = hashlib.blake2b(f"{search_seed}/{number}/training".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


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
        spent_s: float = 0.0,
        weights_folder: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._problem, self._budget = problem, budget
        self._archive, self._lease = archive, lease
        self._engine, self._dispatcher = engine, dispatcher
        self._observer, self._stop, self._clock = observer, stop, clock
        self._spent_s, self._weights_folder = spent_s, weights_folder
        self._fidelity = problem.fidelity or Fidelity(epochs=problem.recipe.epochs)
        self._keys: dict[int, str] = {}  #: By number, where weights are inherited.
        self._front = ParetoFront()
        self._scaling: Scaling | None = None
        self._hypervolume: float | None = None  #: Of the front at the end of the newest generation.
        self._stored_volumes: dict[int, float] = {}  #: By generation: a replay need not compute them again.
        self._first_fitness: list[Fitness] = []  #: Until the scaling is fixed.
        self._waiting: deque[_Pending] = deque()
        self._flying: dict[str, _Pending] = {}
        self._calibration: Calibration | None = None
        self._tally = Tally(problem.objectives, clock)
        self._asked = 0
        self._generation = -1
        self._reported = clock()

    # --- the story ----------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Go on from where the archive stands.

        Raises:
            LeaseLost: if another controller took the search over.
            StoreError: if the database fails, or what it holds isn't what this seed and version give.
            GasearchError: if everything fails for one cause.
        """
        self._replay()
        self._tally.begin()
        if "latency_ms" in self._problem.measures:
            self._calibrate()
        verdict = self._verdict()
        while verdict is None:
            self._propose()
            self._dispatch()
            self._settle(self._dispatcher.collect(COLLECT_S))
            verdict = self._verdict()
        self._drain()
        self._report()
        return verdict

    def _replay(self) -> None:
        """Ask the engine for every stored candidate, having told it just what it knew when it proposed that one."""
        search_id = self._lease.search_id
        self._stored_volumes = {one.number: one.hypervolume for one in self._archive.generations(search_id)}
        outcomes = self._archive.evaluations(search_id)
        unanswered: dict[int, _Pending] = {}
        for stored in self._archive.candidates(search_id):
            while self._tally.told < stored.told:
                self._recall(next(outcomes), unanswered)
            candidate = self._engine.ask()
            self._require_equal(candidate, stored)
            assert candidate is not None
            unanswered[stored.number] = self._pending(candidate)
        for record in outcomes:
            self._recall(record, unanswered)
        failed = self._archive.attempts(search_id)
        self._tally.retries = sum(failed.values())
        for number, pending in unanswered.items():
            self._waiting.append(replace(pending, attempt=failed.get(number, 0) + 1))

    def _recall(self, record: EvaluationRecord, unanswered: dict[int, _Pending]) -> None:
        del unanswered[record.candidate]
        outcome, fitness = self._judge(record.result.outcome)
        self._change_front(record.candidate, fitness)
        self._learn(record.candidate, outcome, fitness)

    def _calibrate(self) -> None:
        known = self._archive.calibrations(self._lease.search_id)
        self._calibration = self._dispatcher.calibrate(known)
        if known and self._calibration not in known:
            self._observer.on_notice(
                f"latency was measured on {known[0].device} so far, from here on it is measured on "
                f"{self._calibration.device}: compare with care"
            )
        self._archive.add_calibration(self._lease, self._calibration)

    def _propose(self) -> None:
        """Ask for as many candidates as free workers want, or as may be asked ahead; store them all at once."""
        free = self._dispatcher.free - len(self._waiting)
        count = min(max(free, self._engine.lookahead), self._budget.evaluations - self._asked)
        records: list[CandidateRecord] = []
        while len(records) < count and (candidate := self._engine.ask()) is not None:
            pending = self._pending(candidate)
            records.append(_record(candidate, pending.network))
            self._waiting.append(pending)
        if records:
            self._archive.add_candidates(self._lease, records)

    def _dispatch(self) -> None:
        """Keep every worker busy."""
        while self._waiting and self._dispatcher.free > 0:
            pending = self._waiting.popleft()
            self._flying[pending.key] = pending
            self._dispatcher.submit(self._request(pending))

    def _settle(self, results: list[EvaluationResult]) -> None:
        for result in results:
            pending = self._flying.get(result.key)
            if pending is None or pending.attempt != result.attempt:
                self._archive.add_event(
                    self._lease, EventRecord(kind="late", message=f"{result.key}, attempt {result.attempt}: not used")
                )
                continue
            del self._flying[result.key]
            if isinstance(result.outcome, Failure) and result.outcome.is_retryable and pending.attempt < MAX_ATTEMPTS:
                self._retry(pending, result, result.outcome)
            else:
                self._record(pending, result)

    def _retry(self, pending: _Pending, result: EvaluationResult, failure: Failure) -> None:
        self._archive.add_evaluation(self._lease, self._evaluation(pending, result, arrival=-1), FrontChange())
        self._archive.add_event(
            self._lease, EventRecord(kind="retry", message=failure.message, candidate=pending.number)
        )
        self._tally.retries += 1
        self._waiting.appendleft(replace(pending, attempt=pending.attempt + 1))

    def _record(self, pending: _Pending, result: EvaluationResult) -> None:
        """Store the outcome with what it changes, then tell it."""
        outcome, fitness = self._judge(result.outcome)
        change = self._change_front(pending.number, fitness)
        if outcome is not result.outcome:
            result = replace(result, outcome=outcome)
        evaluation = self._evaluation(pending, result, arrival=self._tally.told)
        self._archive.add_evaluation(self._lease, evaluation, change)
        self._learn(pending.number, outcome, fitness)
        if self._clock() - self._reported >= PROGRESS_S:
            self._report()

    def _learn(self, number: int, outcome: Outcome, fitness: Fitness | None) -> None:
        """Tell evolution, and count. The same for what was just stored and for what is replayed."""
        self._tally.add(outcome, fitness)
        if self._scaling is None and fitness is not None and fitness.is_feasible:
            self._first_fitness.append(fitness)
        closed = self._engine.completed_generations
        self._engine.tell(Scored(number=number, fitness=fitness))
        if self._engine.completed_generations > closed:
            self._close_generation(closed)

    def _close_generation(self, number: int) -> None:
        if self._scaling is None and self._first_fitness:
            self._scaling = Scaling.of(self._first_fitness)
            self._archive.set_reference(self._lease, ideal=self._scaling.ideal, point=self._scaling.reference)
            self._first_fitness.clear()
        if number in self._stored_volumes:
            self._hypervolume = self._stored_volumes.pop(number)
            return
        self._hypervolume = None if self._scaling is None else self._front.hypervolume(self._scaling)
        self._archive.add_generation(
            self._lease,
            self._tally.generation(number, front_size=len(self._front), hypervolume=self._hypervolume),
        )

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
            return Verdict(state=SearchState.STOPPED, reason=self._stop.reason)
        if self._tally.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise GasearchError(
                f"{self._tally.failures_in_a_row} evaluations in a row failed, the last one with: "
                f"{self._tally.last_failure}. "
                f"Mend the cause, then go on with: gasearch resume {self._problem.name} "
                "(what failed stays failed; a new search tries it again)"
            )
        if self._tally.told >= self._budget.evaluations:
            return Verdict(state=SearchState.FINISHED, reason=f"all {self._budget.evaluations} evaluations are done")
        seconds = self._budget.seconds
        if seconds is not None and self._spent_s + self._tally.elapsed_s >= seconds:
            return Verdict(state=SearchState.FINISHED, reason=f"the budget of {seconds / 3600:g} hours is spent")
        if self._engine.is_exhausted and not self._waiting and not self._flying:
            return Verdict(
                state=SearchState.FINISHED,
                reason=f"{self._tally.told} networks are evaluated; no further one of the space meets the constraints",
            )
        return None

    # --- the pieces ---------------------------------------------------------------------------------------------

    def _pending(self, candidate: Candidate) -> _Pending:
        self._asked += 1
        self._generation = candidate.generation
        network = self._problem.decode(candidate.genome)
        parents: tuple[str, ...] = ()
        if self._problem.recipe.is_inheriting:
            self._keys[candidate.number] = candidate.genome.key
            parents = tuple(self._keys[number] for number in candidate.parents)
        return _Pending(
            number=candidate.number,
            key=candidate.genome.key,
            network=network,
            seed=training_seed(self._problem.seed, candidate.number),
            attempt=1,
            parents=parents,
        )

    def _request(self, pending: _Pending) -> EvaluationRequest:
        return EvaluationRequest(
            key=pending.key,
            attempt=pending.attempt,
            network=pending.network,
            recipe=self._problem.recipe,
            task=self._problem.task,
            seed=pending.seed,
            fidelity=self._fidelity,
            measures=self._problem.measures,
            time_limit_s=self._problem.time_limit_s,
            calibration=self._calibration,
            parents=pending.parents,
            weights_folder=self._weights_folder,
        )

    def _evaluation(self, pending: _Pending, result: EvaluationResult, *, arrival: int) -> EvaluationRecord:
        return EvaluationRecord(
            candidate=pending.number,
            arrival=arrival,
            result=result,
            seed=pending.seed,
            epochs=self._fidelity.epochs,
            data_share=self._fidelity.data_share,
        )

    def _judge(self, outcome: Outcome) -> tuple[Outcome, Fitness | None]:
        """The fitness; an outcome that lacks a metric that the search is about becomes a failure."""
        try:
            return outcome, fitness_of(outcome, self._problem.objectives, self._problem.limits)
        except MissingMetric as missing:
            return Failure(kind=FailureKind.USER_ERROR, message=str(missing.args[0])), None

    def _change_front(self, number: int, fitness: Fitness | None) -> FrontChange:
        return FrontChange() if fitness is None else self._front.add(number, fitness)

    def _require_equal(self, candidate: Candidate | None, stored: CandidateRecord) -> None:
        if candidate is None or candidate.number != stored.number or candidate.genome.key != stored.key:
            got = "nothing" if candidate is None else f"network {candidate.genome.key}"
            raise StoreError(
                f"search {self._problem.name!r}: candidate {stored.number} is network {stored.key} in the database, "
                f"but this version of gasearch proposes {got}; resume it with the version that began it"
            )

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
                front_size=len(self._front),
                hypervolume=self._hypervolume,
            )
        )


def _record(candidate: Candidate, network: Network) -> CandidateRecord:
    return CandidateRecord(
        number=candidate.number,
        key=candidate.genome.key,
        genes=candidate.genome.genes,
        parents=candidate.parents,
        operator=candidate.operator,
        generation=candidate.generation,
        told=candidate.told,
        network_json=network_to_json(network),
    )
