"""The question of a search, what it aims at, and the messages and records about each evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gasearch_workers.messages import (
    Calibration,
    DeviceCommand,
    EvaluationRequest,
    EvaluationResult,
    Failure,
    FailureKind,
    Fidelity,
    Microcontroller,
    Network,
    Outcome,
    Recipe,
    StoppingRule,
    Task,
    network_to_json,
)

from gasearch.errors import StoreError
from gasearch.evolution.engine import Candidate, Prediction
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Fitness, MissingMetric, Objective, fitness_of
from gasearch.search.early_stopping import EarlyStop
from gasearch.space.genome import Genome
from gasearch.storage.records import CandidateRecord, EvaluationRecord, ExpectedMetric

_EXACT = 2.0**53  #: Whole numbers below it are the same as floating-point numbers.


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What the state of a search depends on: objectives and limits, how trainings are stopped and repeated."""

    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    seed: int = 0
    replicates: float = 0.0  #: Share of the evaluations kept for training members of the front again.
    noisy: tuple[str, ...] = ()  #: The objectives that another seed changes.
    early_stop: EarlyStop | None = None  #: None: every training goes on to its end.

    def judge(self, outcome: Outcome) -> tuple[Outcome, Fitness | None]:
        """The fitness; an outcome that lacks a metric that the search is about becomes a failure."""
        try:
            return outcome, fitness_of(outcome, self.objectives, self.limits)
        except MissingMetric as missing:
            return Failure(kind=FailureKind.USER_ERROR, message=str(missing.args[0])), None

    def known_wvalues(self, candidate: Candidate) -> tuple[float | None, ...]:
        """Per objective the wvalue that needs no training of a candidate; here none."""
        return (None,) * len(self.objectives)

    @property
    def reported_steps(self) -> tuple[float, ...]:
        """The early stopping steps at which an evaluator of the user's must report; here none."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A training that is to be made: the first of a stored candidate, or a further one."""

    number: int
    key: str
    network: Network
    seed: int  #: Of the training.
    attempt: int = 1  #: The next free number of the candidate's: each further training goes on counting.
    parents: tuple[str, ...] = ()  #: Keys of the networks whose weights it may begin with.
    replicate: int = 0
    stopping: StoppingRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Aims):
    """The question of a search; the same over its whole life."""

    name: str
    task: Task
    recipe: Recipe
    decode: Callable[[Genome], Network]
    #: How the genes and the network of a stored candidate disagree; None where they don't.
    disagreement: Callable[[CandidateRecord], str | None] = lambda stored: None
    measures: frozenset[str] = frozenset()  #: The expensive metrics to ask workers for.
    command: DeviceCommand | None = None  #: What measures networks besides.
    cpu: Microcontroller = "cortex-m4"  #: Whose flash, RAM and instructions are measured.
    toolchain: str = ""  #: By which cross compiler they are, with its version; "": by none.
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None  #: None: what the worker thinks fit.
    disk_limit_bytes: int | None = None
    fidelity: Fidelity | None = None  #: None: the recipe's epochs on the whole training split.
    costs: Callable[[Genome], Mapping[str, float]] = lambda genome: {}  #: The metrics that arithmetic knows.
    counted: frozenset[str] = frozenset()  #: The names of these.
    weights_folder: str | None = None  #: Where trained weights are kept; None: nowhere.
    context: str = ""  #: What outcomes depend on besides the network, see `NewSearch.context`.
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  #: By key the metrics known from elsewhere.

    @property
    def compiler(self) -> str:
        """The name of the cross compiler alone."""
        return self.toolchain.partition(" ")[0]

    @property
    def reported_steps(self) -> tuple[float, ...]:
        """The early stopping steps, where an evaluator of the user's must report at them; our trainings do."""
        return () if self.early_stop is None or self.task.evaluator is None else self.early_stop.steps

    def known_wvalues(self, candidate: Candidate) -> tuple[float | None, ...]:
        """Per objective what is known before any training: exact from arithmetic, else optimistic from the surrogate.

        Scores are left out: they are what a training reports.
        """
        predicted: Iterable[Prediction | None] = candidate.predicted or (None,) * len(self.objectives)
        found: list[float | None] = []
        for objective, prediction in zip(self.objectives, predicted, strict=True):
            if objective.metric in self.counted:
                found.append(self._counted_wvalue(candidate, objective, prediction))
            elif objective.metric in self.noisy or prediction is None:
                found.append(None)
            else:
                found.append(prediction.mean + prediction.deviation)
        return tuple(found)

    def _counted_wvalue(self, candidate: Candidate, objective: Objective, prediction: Prediction | None) -> float:
        """A wvalue by arithmetic; where it stands in the prediction, it need not be counted again.

        Counting takes 0.1 ms, and a resume asks this of everything that was stopped.
        """
        if prediction is not None and prediction.deviation == 0.0 and abs(prediction.mean) < _EXACT:
            return int(prediction.mean)
        return objective.wvalue(self.costs(candidate.genome)[objective.metric])

    # --- to workers ---------------------------------------------------------------------------------------------

    def request(self, pending: Pending, *, calibration: Calibration | None) -> EvaluationRequest:
        """The request to a worker."""
        return EvaluationRequest(
            key=pending.key,
            attempt=pending.attempt,
            network=pending.network,
            recipe=self.recipe,
            task=self.task,
            seed=pending.seed,
            fidelity=self._fidelity,
            measures=self.measures,
            time_limit_s=self.time_limit_s,
            memory_limit_bytes=self.memory_limit_bytes,
            disk_limit_bytes=self.disk_limit_bytes,
            calibration=calibration,
            command=self.command,
            cpu=self.cpu,
            toolchain=self.compiler,
            parents=pending.parents if self.recipe.is_inheriting else (),
            weights_folder=self.weights_folder,
            stopping=pending.stopping,
        )

    @property
    def _fidelity(self) -> Fidelity:
        return self.fidelity or Fidelity(epochs=self.recipe.epochs)

    # --- to and from the store ----------------------------------------------------------------------------------

    def evaluation(
        self,
        pending: Pending,
        result: EvaluationResult,
        *,
        arrival: int,
        gain: float | None = None,
        hypervolume: float | None = None,
    ) -> EvaluationRecord:
        """The record of an attempt.

        Args:
            pending: What was to be made.
            result: What came of it.
            arrival: Its place among the outcomes; -1: it is made again.
            gain: By how much the hypervolume grew; None where that isn't known.
            hypervolume: After it; None where it wasn't taken.
        """
        fidelity = self._fidelity
        return EvaluationRecord(
            candidate=pending.number,
            replicate=pending.replicate,
            arrival=arrival,
            result=result,
            seed=pending.seed,
            epochs=fidelity.epochs,
            data_share=fidelity.data_share,
            gain=gain,
            hypervolume=hypervolume,
        )

    def record(self, candidate: Candidate, network: Network) -> CandidateRecord:
        """The record of a candidate."""
        return CandidateRecord(
            number=candidate.number,
            key=candidate.genome.key,
            genes=candidate.genome.genes,
            parents=candidate.parents,
            operator=candidate.operator,
            generation=candidate.generation,
            completed=candidate.completed,
            network_json=network_to_json(network),
            predicted=tuple(
                ExpectedMetric(metric=one.metric, mean=one.wvalue(expected.mean), deviation=expected.deviation)
                for one, expected in zip(self.objectives, candidate.predicted, strict=bool(candidate.predicted))
            ),
        )

    def require_agreement(self, stored: CandidateRecord) -> None:
        """Check that a stored candidate is the network that its genes make here.

        Raises:
            StoreError: if it isn't: all that followed would be another search's.
        """
        text = self.disagreement(stored)
        if text is not None:
            raise StoreError(
                f"search {self.name!r}: candidate {stored.number} {text}: it was proposed under another spec, or in "
                "another version of gasearch. Restore a backup, or begin a new search with its front by "
                f"start.searches: [{self.name}]"
            )

    def candidate(self, stored: CandidateRecord) -> Candidate:
        """A candidate as it was stored."""
        return Candidate(
            number=stored.number,
            genome=Genome(genes=stored.genes, key=stored.key),
            generation=stored.generation,
            parents=stored.parents,
            operator=stored.operator,
            completed=stored.completed,
            predicted=tuple(
                [
                    Prediction(mean=one.wvalue(expected.mean), deviation=expected.deviation)  # its own inverse
                    for one, expected in zip(self.objectives, stored.predicted, strict=bool(stored.predicted))
                ]
            ),
        )


def training_seed(search_seed: int, key: str, replicate: int = 0) -> int:
    """The seed of a network's training: 31 bits, from the search's seed and the network's key alone.

    So searches with the same seed train the same network alike, and can take over each other's outcomes unchanged.

    Args:
        search_seed: Of the search.
        key: Of the network.
        replicate: Which of its trainings it is, 0 for the first.
    """
    digest = hashlib.blake2b(f"{search_seed}/{key}/{replicate}/training".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1
