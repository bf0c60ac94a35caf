"""The loop: ask, store, dispatch, collect, store, tell. The only file that knows all the steps.

Everything that it holds can be rebuilt from the archive: `_replay` lets the engine adopt the stored candidates, and
tells it the stored answers in their stored order. So a kill at any instant costs only the evaluations in flight.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.endings import EXHAUSTED, SearchBudget, Spent, ending
from gasearch.errors import GasearchError, StoreError
from gasearch.evolution.engine import Candidate, Engine, Prediction, Scored
from gasearch.feasibility import Feasibility
from gasearch.fitness import Fitness, FrontChange, MissingMetric, Objective, fitness_of
from gasearch.frontier import Frontier
from gasearch.limits import Limit
from gasearch.ownership import StopSignal
from gasearch.pareto import Scaling
from gasearch.progress import Observer
from gasearch.replication import Trained, doubtful, pooled
from gasearch.rungs import Rungs, stopped_by
from gasearch.space.genome import Genome
from gasearch.storage.archive import Archive
from gasearch.storage.records import (
    REUSED,
    CandidateRecord,
    EvaluationRecord,
    EventRecord,
    ExpectedMetric,
    Lease,
    ReplicateRecord,
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
    Measurement,
    Network,
    Outcome,
    Recipe,
    StoppingRule,
    Task,
    network_from_json,
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
    costs: Callable[[Genome], Mapping[str, float]] = lambda genome: {}  #: The metrics that arithmetic knows.
    replicates: float = 0.0  #: Share of the evaluations kept for training members of the front again.
    noisy: tuple[str, ...] = ()  #: The objectives that another seed changes.
    context: str = ""  #: What outcomes depend on besides the network, see `NewSearch.context`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run of the loop ended."""

    state: SearchState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A stored candidate without a final outcome, or one to be trained again."""

    number: int
    key: str
    network: Network
    seed: int  #: Of the training.
    attempt: int
    parents: tuple[str, ...]  #: Keys of the networks whose weights it may begin with.
    replicate: int = 0
    stopping: StoppingRule | None = None
    known: tuple[float | None, ...] = ()  #: Per objective its worth, where that is known without a training.


def training_seed(search_seed: int, key: str, replicate: int = 0) -> int:
    """The seed of a network's training: 31 bits, from the search's seed and the network's key alone.

    So searches with the same seed train the same network alike, and can take over each other's outcomes unchanged.
    """
    digest = hashlib.blake2b(f"{search_seed}/{key}/{replicate}/training".encode(), digest_size=4).digest()
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
        self._spent_s, self._weights_folder = spent_s, weights_folder
        self._fidelity = problem.fidelity or Fidelity(epochs=problem.recipe.epochs)
        self._keys: dict[int, str] = {}  #: By number.
        self._frontier = Frontier()
        self._closed: dict[int, float] = {}  #: Generations whose statistics are stored, with their hypervolume.
        self._trained: dict[int, Trained] = {}  #: What may be trained again, where that is wanted.
        self._fitness: dict[int, Fitness] = {}  #: Of these.
        self._replicates = 0  #: Decided so far.
        self._is_reserve_free = False  #: Whether what was kept for replicates goes to new candidates.
        self._is_sharing = False  #: Whether another search may have evaluated the same.
        self._waiting: deque[_Pending] = deque()
        self._flying: dict[str, _Pending] = {}
        self._calibration: Calibration | None = None
        self._tally = Tally(problem.objectives, clock)
        self._feasibility = Feasibility(problem.limits)
        self._device_s = 0.0  #: Time that workers were busy.
        self._device_s_before = 0.0  #: By earlier controllers.
        self._device_s_at: list[float] = []  #: The same, at each outcome.
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
        self._replay()
        self._is_sharing = self._has_kin()
        self._tally.begin()
        self._device_s_before = self._device_s
        if "latency_ms" in self._problem.measures:
            self._calibrate()
        self._reuse([pending for pending in self._waiting if not pending.replicate])
        verdict = self._verdict()
        while verdict is None:
            self._dispatch()  # first: what was proposed ahead keeps a free worker busy while more is proposed
            self._propose()
            verdict = self._verdict()  # what was taken over may have ended it
            if verdict is not None:
                break
            self._dispatch()
            if not self._waiting and not self._flying:
                verdict = self._exhausted()
                break
            self._settle(self._dispatcher.collect(COLLECT_S))
            verdict = self._verdict()
        self._drain()
        self._report()
        return verdict

    # --- going on -----------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        """Let the engine adopt every stored candidate, having told it just what it knew when it proposed that one."""
        search_id = self._lease.search_id
        self._closed = {one.number: one.hypervolume for one in self._archive.generations(search_id)}
        outcomes = self._archive.evaluations(search_id)
        unanswered: dict[int, Candidate] = {}
        again = dict.fromkeys((one.candidate, one.replicate) for one in self._archive.replicates(search_id))
        self._replicates = len(again)
        for stored in self._archive.candidates(search_id):
            while self._tally.told < stored.told:
                record = next(outcomes, None)
                if record is None:
                    raise StoreError(
                        f"search {self._problem.name!r}: candidate {stored.number} was proposed after {stored.told} "
                        f"outcomes, but the database has {self._tally.told}: restore a backup"
                    )
                self._recall(record, unanswered, again)
            candidate = _candidate(stored, self._problem.objectives)
            self._engine.adopt(candidate)
            self._keys[stored.number] = stored.key
            self._generation = stored.generation
            unanswered[stored.number] = candidate
        for record in outcomes:
            self._recall(record, unanswered, again)
        failed = self._archive.attempts(search_id)
        self._tally.retries = sum(failed.values())
        retried_s = self._archive.counts(search_id).busy_seconds - self._device_s
        self._device_s += retried_s
        self._device_s_at = [spent_s + retried_s for spent_s in self._device_s_at]  # when, nobody knows
        for number, candidate in unanswered.items():
            self._waiting.append(replace(self._pending(candidate), attempt=failed.get(number, 0) + 1))
        for number, replicate in again:  # in the order in which they waited
            again_now = self._again(number, replicate)
            self._waiting.append(replace(again_now, attempt=again_now.attempt + failed.get(number, 0)))
        self._is_reserve_free = len(self._keys) > self._most_candidates()

    def _recall(
        self, record: EvaluationRecord, unanswered: dict[int, Candidate], again: dict[tuple[int, int], None]
    ) -> None:
        candidate = unanswered.pop(record.candidate, None)
        again.pop((record.candidate, record.replicate), None)
        outcome, fitness = self._judge(record.result.outcome)
        if record.replicate:
            fitness = fitness or self._fitness.get(record.candidate)
        self._frontier.note(record.candidate, fitness, told=self._tally.told + 1, is_replicate=record.replicate > 0)
        if record.result.worker != REUSED:
            self._device_s += _busy_s(record.result)
        known = self._known_worths(candidate) if candidate is not None and _is_stopped(outcome) else ()
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
            count = min(max(free, self._engine.lookahead), self._most_candidates() - len(self._keys))
            fresh = self._ask(count)
            is_reused = self._reuse(fresh) > 0 and self._verdict() is None
            if not is_reused and (fresh or not self._is_freeing_reserve()):
                break

    def _is_freeing_reserve(self) -> bool:
        """Once all is told: whether nothing is left to be trained again, so that further candidates may be asked for.

        Else what is in doubt waits for its next training.
        """
        is_idle = not self._waiting and not self._flying
        if not is_idle or not self._problem.replicates or self._is_reserve_free:
            return False
        self._train_again()
        return self._is_reserve_free

    def _ask(self, count: int) -> list[_Pending]:
        fresh: list[_Pending] = []
        records: list[CandidateRecord] = []
        while len(records) < count and (candidate := self._engine.ask()) is not None:
            pending = self._pending(candidate)
            self._keys[candidate.number] = candidate.genome.key
            self._generation = candidate.generation
            records.append(_record(candidate, pending.network, self._problem.objectives))
            fresh.append(pending)
        if records:
            self._archive.add_candidates(self._lease, records)
        self._waiting.extend(fresh)
        return fresh

    def _most_candidates(self) -> int:
        """How many candidates the budget has room for beside the replicates, decided or to come."""
        most = self._budget.evaluations
        reserve = 0 if self._is_reserve_free else int(self._problem.replicates * most)
        return most - max(self._replicates, reserve)

    def _reuse(self, fresh: list[_Pending]) -> int:
        """Take over what an earlier search with the same context has measured; returns how many outcomes."""
        if not self._is_sharing or not fresh:
            return 0
        known = self._archive.reusable(self._problem.context, [pending.key for pending in fresh])
        usable = [pending for pending in fresh if pending.key in known and self._is_usable(known[pending.key], pending)]
        for pending in usable:
            self._waiting.remove(pending)
            result = replace(known[pending.key].result, attempt=pending.attempt, worker=REUSED)
            if pending.stopping is not None and isinstance(result.outcome, Measurement):
                stopped = stopped_by(pending.stopping, result.outcome)
                result = replace(result, outcome=stopped or result.outcome)
            self._record(pending, result)
        return len(usable)

    def _has_kin(self) -> bool:
        """Whether the database has another search with the same context, to be asked for each candidate."""
        context = self._problem.context
        return bool(context) and any(
            other.context == context and other.id != self._lease.search_id for other in self._archive.searches()
        )

    def _is_usable(self, record: EvaluationRecord, pending: _Pending) -> bool:
        outcome = record.result.outcome
        if not isinstance(outcome, Measurement) or record.seed != pending.seed:
            return False
        is_timed_here = self._calibration is None or outcome.latency_device == self._calibration.device
        return is_timed_here and self._judge(outcome)[1] is not None

    def _train_again(self) -> None:
        """Let the members of the front whose rank is in doubt be trained once more, all of one round at once."""
        room = self._budget.evaluations - self._tally.told
        numbers = doubtful(self._trained, self._frontier.front.numbers, self._problem.objectives, self._problem.noisy)[
            :room
        ]
        if not numbers:
            self._is_reserve_free = True
            return
        records = [
            ReplicateRecord(candidate=number, replicate=self._trained[number].trainings, told=self._tally.told)
            for number in numbers
        ]
        self._archive.add_replicates(self._lease, records)
        self._replicates += len(records)
        self._waiting.extend(self._again(record.candidate, record.replicate) for record in records)

    # --- evaluating ---------------------------------------------------------------------------------------------

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
            self._device_s += _busy_s(result)
            if isinstance(result.outcome, Failure) and result.outcome.is_retryable and _may_retry(pending):
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
        outcome = result.outcome
        if pending.replicate and isinstance(outcome, Measurement):
            before = self._trained[pending.number].measurement
            outcome = pooled(before, outcome, noisy=self._problem.noisy)
        outcome, fitness = self._judge(outcome)
        told, volume = self._tally.told, self._frontier.hypervolume
        change = self._frontier.note(pending.number, fitness, told=told + 1, is_replicate=pending.replicate > 0)
        gain = None if pending.replicate else self._frontier.gain_since(volume)
        evaluation = self._evaluation(pending, replace(result, outcome=outcome), arrival=told, gain=gain)
        self._archive.add_evaluation(self._lease, evaluation, change)
        if pending.replicate:
            fitness = fitness or self._fitness.get(pending.number)
        self._learn(pending.number, outcome, fitness, replicate=pending.replicate, known=pending.known)
        notice = self._feasibility.notice()
        if notice is not None:
            self._observer.on_notice(notice)
        if self._clock() - self._reported >= PROGRESS_S:
            self._report()

    def _learn(
        self,
        number: int,
        outcome: Outcome,
        fitness: Fitness | None,
        *,
        replicate: int,
        known: tuple[float | None, ...] = (),
    ) -> None:
        """Tell evolution, and count. The same for what was just stored and for what is replayed."""
        self._tally.add(outcome, fitness)
        self._feasibility.note(self._keys[number], outcome, fitness)
        self._device_s_at.append(self._device_s)
        if self._rungs is not None:
            self._rungs.note(outcome, fitness, number=number, known=known)
        if self._problem.replicates:
            self._remember(number, outcome, fitness, replicate)
        if replicate:
            self._tally.rejudge(self._fitness.values())
        expected = None
        if self._rungs is not None and isinstance(outcome, Failure) and _is_stopped(outcome):
            expected = self._rungs.expected_end(outcome, known)
        closed = self._engine.completed_generations
        self._engine.tell(Scored(number=number, fitness=fitness, expected=expected))
        for generation in range(closed, self._engine.completed_generations):
            self._close_generation(generation)

    def _remember(self, number: int, outcome: Outcome, fitness: Fitness | None, replicate: int) -> None:
        """Keep what is needed to train the network again and to weigh that."""
        known = self._trained.get(number)
        if isinstance(outcome, Measurement) and fitness is not None and fitness.is_feasible:
            self._trained[number] = Trained(
                number=number, measurement=replace(outcome, curve=()), trainings=replicate + 1
            )
            self._fitness[number] = fitness
        elif replicate and known is not None and isinstance(outcome, Failure):
            self._trained[number] = replace(known, trainings=replicate + 1)
        else:
            self._trained.pop(number, None)
            self._fitness.pop(number, None)

    def _close_generation(self, number: int) -> None:
        """Store a generation's statistics; the first one fixes the scale of the hypervolume."""
        if self._frontier.scaling is None:
            scaling = self._frontier.fix(self._tally.told, self._fixed_scaling)
            if scaling is not None and self._fixed_scaling is None:
                self._archive.set_reference(self._lease, ideal=scaling.ideal, point=scaling.reference)
        if number in self._closed:
            self._frontier.recall(self._tally.told, self._closed[number])
            return
        volume = self._frontier.measure(self._tally.told)
        self._archive.add_generation(
            self._lease,
            self._tally.generation(number, front_size=len(self._frontier.front), hypervolume=volume),
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
            return Verdict(state=SearchState.STOPPED, reason=self._stop.reason)
        if self._tally.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise GasearchError(
                f"{self._tally.failures_in_a_row} evaluations in a row failed, the last one with: "
                f"{self._tally.last_failure}. "
                f"Mend the cause, then go on with: gasearch resume {self._problem.name} "
                "(what failed stays failed; a new search tries it again)"
            )
        spent = Spent(
            told=self._tally.told,
            seconds=self._spent_s + self._tally.elapsed_s,
            device_seconds=self._device_s,
        )
        reason = ending(self._budget, spent, self._frontier, self._device_s_at)
        return None if reason is None else Verdict(state=SearchState.FINISHED, reason=reason)

    def _exhausted(self) -> Verdict:
        return Verdict(
            state=SearchState.FINISHED,
            reason=f"{len(self._keys)} networks are evaluated; {EXHAUSTED}",
        )

    # --- the pieces ---------------------------------------------------------------------------------------------

    def _pending(self, candidate: Candidate) -> _Pending:
        known = self._known_worths(candidate)
        stopping = None
        if self._rungs is not None:
            stopping = self._rungs.rule(candidate.number, known=known, told=candidate.told)
        return _Pending(
            number=candidate.number,
            key=candidate.genome.key,
            network=self._problem.decode(candidate.genome),
            seed=training_seed(self._problem.seed, candidate.genome.key),
            attempt=1,
            parents=tuple(self._keys[number] for number in candidate.parents),
            stopping=stopping,
            known=known,
        )

    def _known_worths(self, candidate: Candidate) -> tuple[float | None, ...]:
        """Per objective what is known before any training: exact from arithmetic, else optimistic from the surrogate.

        Scores are left out: they are what a training reports.
        """
        if self._rungs is None:
            return ()
        costs = self._problem.costs(candidate.genome)
        predicted: Iterable[Prediction | None] = candidate.predicted or (None,) * len(self._problem.objectives)
        found: list[float | None] = []
        for objective, prediction in zip(self._problem.objectives, predicted, strict=True):
            if objective.metric in costs:
                found.append(objective.worth(costs[objective.metric]))
            elif objective.metric in self._problem.noisy or prediction is None:
                found.append(None)
            else:
                found.append(prediction.mean + prediction.deviation)
        return tuple(found)

    def _again(self, number: int, replicate: int) -> _Pending:
        key = self._keys[number]
        network = self._archive.network(self._lease.search_id, key)
        return _Pending(
            number=number,
            key=key,
            network=network_from_json(network.network_json),
            seed=training_seed(self._problem.seed, key, replicate),
            attempt=replicate * MAX_ATTEMPTS + 1,
            parents=(),
            replicate=replicate,
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
            parents=pending.parents if self._problem.recipe.is_inheriting else (),
            weights_folder=self._weights_folder,
            stopping=pending.stopping,
        )

    def _evaluation(
        self, pending: _Pending, result: EvaluationResult, *, arrival: int, gain: float | None = None
    ) -> EvaluationRecord:
        return EvaluationRecord(
            candidate=pending.number,
            replicate=pending.replicate,
            arrival=arrival,
            result=result,
            seed=pending.seed,
            epochs=self._fidelity.epochs,
            data_share=self._fidelity.data_share,
            gain=gain,
        )

    def _judge(self, outcome: Outcome) -> tuple[Outcome, Fitness | None]:
        """The fitness; an outcome that lacks a metric that the search is about becomes a failure."""
        try:
            return outcome, fitness_of(outcome, self._problem.objectives, self._problem.limits)
        except MissingMetric as missing:
            return Failure(kind=FailureKind.USER_ERROR, message=str(missing.args[0])), None

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
                front_size=len(self._frontier.front),
                hypervolume=self._frontier.hypervolume,
                busy=self._busy_share(),
            )
        )

    def _busy_share(self) -> float | None:
        """Share of the workers' time that went into evaluations, those in flight not counted yet."""
        capacity = self._tally.elapsed_s * self._dispatcher.slots
        return min(1.0, (self._device_s - self._device_s_before) / capacity) if capacity > 0 else None


def _may_retry(pending: _Pending) -> bool:
    return pending.attempt < (pending.replicate + 1) * MAX_ATTEMPTS


def _is_stopped(outcome: Outcome) -> bool:
    return isinstance(outcome, Failure) and outcome.kind is FailureKind.STOPPED


def _busy_s(result: EvaluationResult) -> float:
    return max(0.0, result.finished_at - result.started_at)


def _record(candidate: Candidate, network: Network, objectives: tuple[Objective, ...]) -> CandidateRecord:
    return CandidateRecord(
        number=candidate.number,
        key=candidate.genome.key,
        genes=candidate.genome.genes,
        parents=candidate.parents,
        operator=candidate.operator,
        generation=candidate.generation,
        told=candidate.told,
        network_json=network_to_json(network),
        predicted=tuple(
            ExpectedMetric(metric=one.metric, mean=one.worth(expected.mean), deviation=expected.deviation)
            for one, expected in zip(objectives, candidate.predicted, strict=bool(candidate.predicted))
        ),
    )


def _candidate(stored: CandidateRecord, objectives: tuple[Objective, ...]) -> Candidate:
    return Candidate(
        number=stored.number,
        genome=Genome(genes=stored.genes, key=stored.key),
        generation=stored.generation,
        parents=stored.parents,
        operator=stored.operator,
        told=stored.told,
        predicted=tuple(
            Prediction(mean=objective.worth(expected.mean), deviation=expected.deviation)  # its own inverse
            for objective, expected in zip(objectives, stored.predicted, strict=bool(stored.predicted))
        ),
    )
