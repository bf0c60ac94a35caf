"""The values that go into the archive and come out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gasearch_workers.messages import EvaluationResult

from gasearch.space.decisions import Genes

#: The worker of an outcome that was taken over from an earlier search.
REUSED = "cache"


class SearchStatus(StrEnum):
    """Where a search stands in its life."""

    RUNNING = "running"  #: A controller owns it, or died while it did.
    STOPPED = "stopped"  #: Stopped by the user or by an error; resumable.
    FINISHED = "finished"  #: Its budget is spent, or its space is exhausted; more budget can extend it.
    FAILED = "failed"  #: It ended, and not one evaluation has a measurement.


class Verdict(StrEnum):
    """What came of running an artifact."""

    PASSED = "passed"  #: Every claim held within its tolerance.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSearch:
    """A search about to start."""

    name: str
    spec_json: str  #: The full validated spec.
    spec_hash: str  #: Of the parts that decide the result (not budget or workers).
    objectives: tuple[tuple[str, bool], ...]  #: (metric, is_maximized), in the spec's order.
    space_fingerprint: str
    space_size: float  #: Number of distinct networks, or an upper bound.
    data_json: str  #: Shape, type, counts and content hash of the data; "{}" for a custom evaluator.
    version: str  #: Of gasearch.
    evaluator_source: str = ""  #: Hashes of a custom evaluator's files when the search began; "" where it isn't known.
    context: str = ""  #: Hash of all that an outcome depends on besides the network; "": outcomes are not to be reused.


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord(NewSearch):
    """A stored search."""

    id: int
    state: SearchStatus
    reason: str  #: Why it has this state, one sentence; "" while running.
    is_stop_requested: bool
    created_at: datetime
    updated_at: datetime
    active_seconds: float  #: Wall time that controllers have spent on it, over all interruptions.
    worker_seconds: float  #: The same, counted once for each worker there was: what workers could have been busy.
    owner: str | None  #: Who holds the lease, e.g. "host/4711"; None when nobody does.
    is_owned: bool  #: Whether that lease is still valid by the database's clock.
    reference_point: tuple[float, ...] | None  #: Of the hypervolume, in maximized values; None before it is set.
    reference_ideal: tuple[float, ...] | None  #: The other corner of the scaling.


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write to one search. Every write's transaction checks the epoch."""

    search_id: int
    owner: str
    epoch: int  #: Fencing number; greater than that of every earlier owner.


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedMetric:
    """An expected value of a metric, in its native unit."""

    metric: str
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRecord:
    """A proposal, stored before it is dispatched."""

    number: int
    key: str
    genes: Genes
    parents: tuple[int, ...]
    operator: str
    generation: int
    completed: int
    network_json: str
    predicted: tuple[ExpectedMetric, ...] = ()  #: What the surrogate expected; () where there was none.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRecord:
    """A further training of a candidate with a fresh seed, stored before it is dispatched."""

    candidate: int
    replicate: int  #: 1 for the first further training.
    completed: int  #: How many outcomes there were when it was decided.


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """An outcome, stored before anything follows from it. (candidate, attempt) is unique.

    The outcome of a replicate holds the means over all trainings of the candidate so far; it replaces the one before.
    """

    candidate: int
    replicate: int = 0  #: 0 for the candidate's first training.
    gain: float | None = None  #: By how much it raised the front's scaled hypervolume; None where that isn't known.
    hypervolume: float | None = None  #: Scaled, of all that was measured until then; None where it wasn't taken.
    arrival: int  #: Position in the order in which the search applied outcomes; 0 is the first. -1: retried.
    result: EvaluationResult
    seed: int
    epochs: int
    data_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """Statistics of a finished generation."""

    number: int
    evaluations: int  #: So far in the whole search, failures included.
    failures: int  #: Of these.
    front_size: int
    hypervolume: float  #: In the scaling of the search's reference, 0..1.1**objectives.
    best: tuple[float, ...]  #: Best value per objective so far, in native units; () if there is none.
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A decision that no seed determines: retry, time-out, change of owner, stop, extension."""

    kind: str
    message: str
    candidate: int | None = None
    at: datetime | None = None  #: Set by the store.


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedNetwork(CandidateRecord):
    """A candidate joined with its measurement, as readers want it."""

    metrics: dict[str, float] = field(default_factory=dict)  #: All that were measured, `flops` among them.
    is_on_front: bool = False
    arrival: int = -1
    failure: str | None = None  #: Failure kind; then `metrics` is empty.
    failure_message: str | None = None
    curve_json: str = "[]"
    worker: str | None = None
    device: str | None = None
    latency_device: str | None = None
    energy_source: str | None = None
    versions: str = ""
    seed: int | None = None
    gain: float | None = None  #: See `EvaluationRecord.gain`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The time that went into attempts of one outcome; what was taken over from an earlier search took none."""

    failure: str | None  #: Failure kind, "stopped" included; None: of the attempts that ended with a measurement.
    attempts: int  #: Retried ones included.
    seconds: float  #: Wall time of all of them, by the workers' clocks.


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a search is."""

    candidates: int
    completed: int  #: Evaluations with a final outcome, replicates included.
    failures: dict[str, int]  #: Per kind, of these; "stopped" is not among them.
    stopped: int  #: Trainings that were stopped early, of these.
    reused: int  #: Outcomes taken over from an earlier search, of these.
    replicates: int  #: Further trainings with a fresh seed, of these.
    retries: int
    front_size: int
    generation: int  #: Of the newest candidate; -1 when there is none.
    efforts: tuple[Effort, ...]  #: The time that each kind of outcome took, measurements first, then failures by kind.

    @property
    def busy_seconds(self) -> float:
        """Wall time of all attempts, by the workers' clocks."""
        return sum(effort.seconds for effort in self.efforts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt that failed, without what it printed."""

    candidate: int
    attempt: int
    key: str
    failure: str  #: Its kind.
    message: str
    is_retried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCounts:
    """Outcomes of the children of one operator."""

    operator: str
    children: int  #: Candidates with a final outcome.
    measured: int  #: Of these, with a measurement.
    entered: int  #: Of these, entered the front by it.
    gain: float  #: Sum of the hypervolume that they added.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A further training that lowered the hypervolume, as the mean is worse than what was measured before."""

    arrival: int  #: Of its outcome.
    key: str  #: Of the network.
    by: float  #: By how much, above 0.


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay of a candidate on the Pareto front."""

    entered: int  #: The arrival that brought it in.
    exited: int | None  #: The arrival that ended the stay; None while it lasts.
    exited_by: int | None  #: The candidate whose outcome that was: its own, where a further training lowered it.


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTrial:
    """One trial of `tune`."""

    key: str
    study: str
    number: int
    recipe_json: str
    value: float | None  #: None where the trial failed.
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRecord:
    """One training of a network from scratch at full budget. (key, recipe, number) is unique within a search."""

    id: int | None = None  #: Given by the store.
    key: str
    number: int  #: Of the seed, from 0.
    seed: int
    epochs: int
    recipe_json: str  #: Those epochs among it.
    failure: str | None = None  #: Its kind; None where the training succeeded.
    message: str = ""  #: Of the failure.
    metrics: tuple[tuple[str, float], ...] = ()  #: Those of an evaluation: scores on the validation split, and costs.
    test: tuple[tuple[str, float], ...] = ()  #: Scores of the packed network on the test split, read once.
    size_bytes: int = 0  #: Of the packed network, which `final_network` gives; 0 where the training failed.
    worker: str
    device: str
    versions: str
    seconds: float  #: Wall time by a monotonic clock.
    created_at: datetime | None = None  #: Set by the store.


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord:
    """An artifact as it was written. (key, digest) is unique within a search."""

    key: str
    digest: str  #: SHA-256 of its model.json.
    files: tuple[tuple[str, str], ...]  #: Every other file with its SHA-256.
    claimed: tuple[tuple[str, float], ...]  #: What the artifact claims, by name.
    created_at: datetime | None = None  #: Set by the store.


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRecord:
    """What came of running one file of an artifact by one runtime."""

    key: str
    digest: str  #: Of the artifact's model.json: a further export has another one.
    format: str  #: E.g. "qdq".
    runtime: str  #: E.g. "openvino".
    claimed: tuple[tuple[str, float], ...]
    measured: tuple[tuple[str, float], ...]
    verdict: Verdict
    message: str = ""  #: Why it failed, or what couldn't be measured.
    device: str
    created_at: datetime | None = None  #: Set by the store.
