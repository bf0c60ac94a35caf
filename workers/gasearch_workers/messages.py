"""All that crosses the border between controller and worker: frozen values, standard library only.

Both sides import this file and nothing else of each other, so a worker image needs `workers/` alone and the
controller needs no torch to describe a network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, Literal, get_args

FULL_PRECISION = 32  #: Bits that mean "not quantized".

TaskKind = Literal["classification", "regression", "tagging", "rating"]
#: What one sample is. "image": (channels, height, width) uint8. "table": (features,) float32, category codes last.
#: "tokens": word ids (length,) int32, or (length, features) with several codes per token. "ids": (columns,) int32.
InputKind = Literal["image", "table", "tokens", "ids"]
Downsampling = Literal["stride", "max_pool"]
Pruning = Literal["structured", "unstructured"]
Scalar = str | int | float | bool

#: Kinds of tasks whose target is a number, not a class.
NUMERIC_KINDS: frozenset[TaskKind] = frozenset({"regression", "rating"})

#: The score by which recipes are tuned, trainings ended early, and curves drawn.
PRIMARY: Mapping[TaskKind, str] = {
    "classification": "accuracy",
    "tagging": "entity_f1",
    "regression": "rmse",
    "rating": "rmse",
}


# --- what is to be evaluated ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer slot of a network, as the genome expresses it.

    `linear`: a dense layer. `conv`: k x k convolution. `separable`: k x k depthwise, then 1 x 1. `residual`: two
    k x k convolutions around a skip connection. `embedding`: a table of vectors per column of codes, always the first
    layer. `conv1d`: convolution over k tokens. `gru`: a gated recurrent unit in both directions. `transformer`:
    self-attention and two dense layers, each with a skip connection and layer normalization. Installed packages may
    add kinds, see `network.layer_kinds`.
    """

    kind: str
    width: int  #: Output features or channels, at least 1; of `gru` per direction; of `transformer` the inner features.
    kernel: int = 1  #: Odd side of the square kernel, or tokens of a `conv1d`; 1 for other layers.
    stride: int = 1  #: 1 or 2.
    downsample: Downsampling = "stride"  #: How a layer with stride 2 halves its side.
    heads: int = 1  #: Of `transformer`.
    rows: int = 0  #: Of `embedding`: the most frequent words that have a vector; 0: all.
    weight_bits: int = FULL_PRECISION  #: 1 (binary) to 8, or 32 for float.
    activation_bits: int = FULL_PRECISION  #: Of the layer's output: 2..8, or 32; the last layer's output is float.
    sparsity: float = 0.0  #: Share of the channels, heads and units (structured) or weights removed, 0 to below 1.
    pruning: Pruning = "structured"  #: What `sparsity` removes.
    rank: float = 1.0  #: Share of the full rank of each weight matrix, above 0 to 1; 1 is not factored.
    extras: tuple[tuple[str, Scalar], ...] = ()  #: Options that only this kind has, by name; of an added kind.

    def option(self, name: str) -> Scalar:
        """An option that only this kind has.

        Raises:
            KeyError: if the layer has no such option.
        """
        return dict(self.extras)[name]


LAYER_FIELDS: tuple[str, ...] = tuple(name for name in Layer.__slots__ if name != "extras")  #: What any kind may have.


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A whole network: `network.plan` makes primitive steps of it, `gasearch_workers.modules.build` a torch module.

    The last layer is the head: `linear`, its width the number of outputs.
    """

    family: str  #: See `network.families`, which says what a sample of it is.
    input_shape: tuple[int, ...]  #: Of one sample, see `InputKind`.
    layers: tuple[Layer, ...]
    #: Number of codes per column of codes: the last ones of a table, all of tokens, ids.
    categories: tuple[int, ...] = ()
    is_regression: bool = False  #: The output is a number in the target's unit, not logits.
    trained: str = ""  #: Digest of the trained network whose weights it begins with; "": it begins with drawn ones.

    @property
    def outputs(self) -> int:
        """Number of outputs (classes; tags per token; 1 for a regression)."""
        return self.layers[-1].width


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A point of a custom space: the value of each decision that expresses, in the space's order."""

    values: tuple[tuple[str, Scalar], ...]

    def as_dict(self) -> dict[str, Scalar]:
        """The choices as the mapping that a custom evaluator takes."""
        return dict(self.values)


Network = Blueprint | Choices


# --- how it is to be evaluated ----------------------------------------------------------------------------------


Optimizer = Literal["adam", "adamw", "sgd", "rmsprop", "adafactor"]
Schedule = Literal["cosine", "constant"]
Augmentation = Literal["shift", "flip"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained."""

    epochs: int = 3  #: Passes over the training split; 0 only of a network that is trained already.
    batch_size: int = 128
    accumulate: int = 1  #: Batches whose gradients make one step of the optimizer.
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.003  #: Peak rate.
    schedule: Schedule = "cosine"
    warmup: float = 0.0  #: Share of all steps over which the rate rises from 0, 0 to below 1.
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  #: 0..1.
    momentum: float = 0.9  #: Used by `sgd` only.
    dropout: float = 0.0  #: Share of each hidden layer's outputs dropped while training, 0 to below 1.
    augment: tuple[
        Augmentation, ...
    ] = ()  #: Of images: "shift" (by up to an eighth of the side), "flip" (left and right).
    class_weights: Literal["none", "balanced"] = "none"  #: balanced: each class weighs the same in the loss.
    precision: Precision = "float32"  #: bfloat16: autocast while training; the deployed network is the same.
    patience: int = 0  #: Epochs without a better validation score after which training ends; 0: never early.
    teacher: str | None = (
        None  #: "largest" (of the space), or an artifact's folder or an .onnx file; None: no distillation.
    )
    distill_weight: float = 0.5  #: Of the teacher's part of the loss, 0..1.
    temperature: float = 2.0  #: Of the teacher's softmax.
    is_full_range: bool = False  #: 8-bit weights on 8-bit activations take -128..127, see `steps.largest_weight`.
    is_inheriting: bool = False  #: Start from the overlapping slices of the parent's weights.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How much of the full training an evaluation gets."""

    epochs: int
    data_share: float = 1.0  #: Share of the training split, 0 < share <= 1.


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The purpose of a network: a dataset, or a custom evaluator."""

    kind: TaskKind | None = "classification"  #: None for a custom evaluator.
    dataset: str | None = None  #: A built-in name or a path on the controller's machine.
    data_fingerprint: str | None = None  #: Content hash of the loaded data.
    evaluator: str | None = None  #: "package.module:function" of a custom evaluator.


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The reference network's latency on one device, which every relative measurement there refers to."""

    device: str  #: Name of the device that runs the network, e.g. the CPU model.
    reference_latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one inference at batch 1 on one thread."""

    latency_ms: float
    spread_ms: float  #: Measured again, 95 of 100 values lie within latency -+ spread.
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingPoint:
    """A point of a training at which it may end early, and what a training that stands there can still become."""

    step: float  #: Epochs (a fraction: that share of an epoch's samples); of a custom evaluator, its own steps.
    #: Per objective (slope, offset): slope x wvalue at this point + offset optimistically guesses that at the end.
    #: (): the training is only looked at, so that later ones can be judged here.
    ends: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """The condition of ending a training early: `stopping.reason_to_stop` applies it. Wvalues: greater is better."""

    objectives: tuple[tuple[str, bool], ...]  #: (metric, is_maximized), in the spec's order.
    #: Per objective its wvalue where that is known without a training (or an optimistic guess), else None: reported.
    known: tuple[float | None, ...]
    points: tuple[StoppingPoint, ...]  #: Steps ascending.
    front: tuple[tuple[float, ...], ...]  #: Wvalues of finished, feasible networks that no other one dominates.


#: The metrics of a network in a form for microcontrollers, each with the name of the form's exporter.
DEPLOYED: Mapping[str, str] = {"flash_bytes": "c", "ram_bytes": "c", "instructions": "c", "arena_bytes": "tflite"}
Microcontroller = Literal["cortex-m4", "cortex-m0plus"]  #: A CPU that `measure.footprint` knows.
CrossCompiler = Literal["arm-none-eabi-gcc", "zig"]
CROSS_COMPILERS: tuple[CrossCompiler, ...] = get_args(CrossCompiler)  #: The first one that is there is preferred.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCommand:
    """An installed program of the user's that measures networks on a device of theirs."""

    arguments: tuple[str, ...]  #: The program first; the folder with the network's files comes after them.
    metrics: tuple[str, ...]  #: The names of the numbers that it must give.
    timeout_s: float  #: Wall seconds for one network.
    formats: tuple[str, ...] = ()  #: Forms that the folder holds besides those of every artifact.
    folder: str = "."  #: Where it is run, if that is there.
    environment: tuple[str, ...] = ()  #: Variables that it gets besides those that hold no secret.


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """One evaluation to make. (key, attempt) identifies it: a late or repeated answer can't count twice."""

    key: str
    attempt: int  #: 1 for the first try.
    network: Network
    recipe: Recipe
    task: Task
    seed: int
    fidelity: Fidelity
    measures: frozenset[str] = frozenset()  #: Expensive metrics wanted; the exact ones are always given.
    time_limit_s: float | None = None  #: Wall seconds of training after which it ends as TIMED_OUT.
    memory_limit_bytes: int | None = None  #: Of its process and whatever that starts; beyond it ends as OUT_OF_MEMORY.
    disk_limit_bytes: int | None = None  #: Of a file that it writes, and of its temporary folder.
    calibration: Calibration | None = None  #: The reference latency on the measuring device; needed for "latency_ms".
    command: DeviceCommand | None = None  #: What measures the network besides, or instead.
    cpu: Microcontroller = "cortex-m4"  #: Whose flash, RAM and instructions are measured, where they are wanted.
    toolchain: str = ""  #: One of `CROSS_COMPILERS`, by which they are; "": the first that is there.
    parents: tuple[str, ...] = ()  #: Keys whose weights may be inherited, the first that is found is taken.
    weights_folder: str | None = None  #: Where trained weights are kept for the children; None: nowhere.
    stopping: StoppingRule | None = None  #: None: the training goes on to its end.
    is_final: bool = False  #: Whether the network itself is wanted, and its scores on the test split: for finalists.


# --- what came of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One validation of a training: after an epoch or at a point of early stopping."""

    epoch: float  #: 1 after the first epoch; within an epoch a fraction; of a custom evaluator its own step.
    train_loss: float | None
    #: Primary score of the quantized network on the validation split, where it was taken: accuracy, entity F1 of
    #: tagging, root of the mean squared error of regression and rating.
    accuracy: float | None
    metrics: tuple[tuple[str, float], ...] = ()  #: What a custom evaluator reported, or the validation took.


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The measurements of one network by one evaluation. None: not measured. Every number is finite."""

    #: Top-1 (of tagging: per token) of the quantized network on the validation split, 0..1.
    accuracy: float | None = None
    macro_f1: float | None = None  #: Mean over the classes of the F1 score, 0..1.
    entity_f1: float | None = None  #: F1 of whole entities (CoNLL), 0..1.
    auc: float | None = None  #: Area under the ROC curve, of several classes the mean of one against the rest, 0..1.
    rmse: float | None = None  #: Root of the mean squared error, in the target's unit.
    params: int | None = None  #: Weights that are kept, and biases, after batch normalization is folded.
    macs: int | None = None  #: Multiply-accumulates of one inference at batch 1.
    bops: int | None = None  #: Bit operations: sum over layers of MACs x weight bits x input activation bits.
    model_bytes: int | None = None  #: What the bit-packed file weighs, header included.
    peak_memory_bytes: int | None = None  #: Weights, and the activations that live at once, while it runs at batch 1.
    latency_ms: float | None = None  #: Median at batch 1, one thread, on `latency_device`.
    latency_spread_ms: float | None = None  #: Of 100 repeats 95 lie within latency -+ spread.
    latency_device: str | None = None
    train_seconds: float | None = None  #: Wall time of the training.
    energy_j: float | None = None  #: Of one inference at batch 1; `energy_source` says how it is known.
    #: "rapl" (a counter of the CPU), "estimate" (from the network's operations), or "command" (the user's own).
    energy_source: str | None = None
    generalization_gap: float | None = None  #: Training score minus validation score (for errors the other way round).
    #: Samples shown in training, each time counted; with inherited weights the parents' too.
    images_seen: int | None = None
    others: tuple[tuple[str, float], ...] = ()  #: A custom evaluator's own metrics.
    curve: tuple[CurvePoint, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no store and no ranking may hold: NaN and infinity.

        Raises:
            ValueError: naming the metric and the value.
        """
        values = [value for value in _standard_values(self) if value is not None]
        values += [value for _, value in self.others]
        if all(map(math.isfinite, values)) and (self.macs is None or math.isfinite(2 * self.macs)):
            return  # a long search reads a hundred thousand
        for name, value in self.metrics().items():
            if not math.isfinite(value):
                raise ValueError(f"metric {name!r} must be a finite number; got {value!r}")

    def metrics(self) -> dict[str, float]:
        """Every metric that was measured, by its name, and those that follow from them (see `derived_metrics`)."""
        pairs = zip(STANDARD_METRICS, _standard_values(self), strict=True)
        found: dict[str, float] = {name: value for name, value in pairs if value is not None}
        found |= derived_metrics(found)
        found.update(self.others)
        return found


#: The metrics that count something.
WHOLE_METRICS = frozenset(field.name for field in fields(Measurement) if field.type == "int | None")

#: The metrics that have a field of their own in `Measurement` (and a typed column in the store).
STANDARD_METRICS: tuple[str, ...] = tuple(
    field.name for field in fields(Measurement) if field.name in WHOLE_METRICS or field.type == "float | None"
)

_standard_values = attrgetter(*STANDARD_METRICS)


def spread_of(name: str) -> str:
    """The metric that says how far a metric's value may be off, in the same unit: half the width of its interval."""
    return "latency_spread_ms" if name == "latency_ms" else f"{name}_spread"


def derived_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that follow from measured ones, where those are all there.

    `flops`: 2 x MACs.

    `efficiency`: E = (T + R / V) / S with the training time T (train_seconds, in s), the computing resource R (flops of
    one inference), the inference speed V (inferences per s: 1000 / latency_ms) and the model's size S (model_bytes). A
    number to compare networks of one search by; its terms have no common unit. Smaller means a shorter training, fewer
    operations, a faster inference, but also a larger model, which the formula rewards: minimized, it needs model_bytes
    as another objective or a limit; maximized, it prefers slow networks that took long to train. So it has no usual
    direction.
    """
    found: dict[str, float] = {}
    macs = metrics.get("macs")
    if macs is None:
        return found
    found["flops"] = 2 * macs
    parts = [metrics.get(name) for name in ("train_seconds", "latency_ms", "model_bytes")]
    seconds, latency_ms, size = parts
    if seconds is not None and latency_ms is not None and size:
        efficiency = (seconds + 2.0 * macs * latency_ms / 1000.0) / size
        if math.isfinite(efficiency):
            found["efficiency"] = efficiency
    return found


class FailureKind(StrEnum):
    """Why an evaluation has no measurement."""

    INFEASIBLE = "infeasible"  #: The network can't exist on this input (decided without training).
    DIVERGED = "diverged"  #: The loss became NaN or infinite.
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    WORKER_LOST = "worker_lost"  #: The worker or its node went away, through no fault of the evaluation's.
    DIED = "died"  #: The evaluation's own process ended: an exit, a segmentation fault, a signal.
    USER_ERROR = "user_error"  #: The user's evaluator raised, or returned what is no metric.
    CRASHED = "crashed"  #: Our own code raised: a defect worth a report.
    STOPPED = "stopped"  #: Ended early, as what it could still reach is dominated already. Nothing went wrong.


#: What may end differently next time. A diverged, too slow or raising evaluation would do the same again.
RETRYABLE = frozenset({FailureKind.WORKER_LOST, FailureKind.DIED, FailureKind.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An evaluation that ended without a measurement. It has no fitness and enters no population or front."""

    kind: FailureKind
    message: str
    curve: tuple[CurvePoint, ...] = ()  #: Of a training that was stopped: its last point is where it ended.
    traceback: str = ""  #: The last frames in the user's code, or where a crash was, as Python prints them.
    output: str = ""  #: The end of what it printed and logged.
    is_certain: bool = False  #: Arithmetic says that every attempt ends so; only matters before it is stored.

    @property
    def is_retryable(self) -> bool:
        """True where another attempt may end differently."""
        return self.kind in RETRYABLE and not self.is_certain


Outcome = Measurement | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalForm:
    """A network that was trained to be kept, beside its measurement."""

    test: tuple[tuple[str, float], ...]  #: Every score of the task on the test split, which was read for this alone.
    packed: bytes  #: The integer network as a packed file, which `export.packed.unpack` reads.


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    """The answer of a worker."""

    key: str
    attempt: int
    worker: str  #: Host and process, e.g. "edge-3/4711".
    device: str  #: Where it was trained, e.g. "cpu" or "cuda:0".
    started_at: float  #: UTC, seconds since the epoch.
    finished_at: float  #: These two date it; how long it took is `seconds`.
    seconds: float | None = None  #: Wall time by a monotonic clock; None: of a version that didn't measure it.
    outcome: Outcome
    final: FinalForm | None = None  #: Of a measurement whose request asked for it.
    versions: str = ""  #: Library versions and thread count that the numbers depend on.

    @property
    def failure(self) -> Failure | None:
        """What went wrong; None for a measurement, or a training that was stopped early."""
        if isinstance(self.outcome, Failure) and self.outcome.kind is not FailureKind.STOPPED:
            return self.outcome
        return None

    @property
    def duration_s(self) -> float:
        """How long it took; of a version that didn't measure it, what the two dates say."""
        return max(0.0, self.finished_at - self.started_at) if self.seconds is None else self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network that is ready to be timed."""

    graph: bytes  #: The integer network as an ONNX file; b"" where it is not timed here.
    input_shape: tuple[int, ...]  #: Of one sample.
    input_dtype: str
    categories: tuple[int, ...] = ()  #: Number of codes per column of codes, as in the network's plan.
    is_timed: bool = True  #: Whether its latency is to be measured here.
    is_energy_wanted: bool = False  #: Whether to measure the energy too, about a second, where there is a counter.
    command: DeviceCommand | None = None  #: What measures it besides, or instead.
    files: tuple[tuple[str, bytes], ...] = ()  #: The artifact that the command gets: names and contents.


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTerms:
    """On which terms a worker runs evaluations, whatever it is asked."""

    paths: tuple[str, ...] = ()  #: Where the controller finds modules: evaluations look there, too.
    environment: tuple[str, ...] = ()  #: Variables of the node's that they see, besides those that hold no secret.
    neighbours: int | None = None  #: Workers of the search in all, itself included; None: as many as there is room for.
    cpus: float = 1.0  #: Of each, as Ray reserves them.
    gpus: float = 0.0
    #: Whether one that is asked for without a memory limit may use an equal share of its node's memory, no more.
    shares_memory: bool = True


# --- JSON -------------------------------------------------------------------------------------------------------


def network_to_json(network: Network) -> str:
    """A network as compact JSON with sorted keys: the form that the store keeps."""
    if isinstance(network, Choices):
        content: dict[str, Any] = {"choices": network.as_dict()}
    else:
        content = blueprint_content(network)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def blueprint_content(blueprint: Blueprint) -> dict[str, Any]:
    """The fields of a blueprint and its layers as JSON values, in their order; what few have is named where they do.

    `dataclasses.asdict`, which copies each value, takes the search three times as long.
    """
    content: dict[str, Any] = {name: getattr(blueprint, name) for name in blueprint.__slots__}
    if not blueprint.trained:
        del content["trained"]
    content["layers"] = [
        {name: getattr(layer, name) for name in LAYER_FIELDS} | ({"extras": dict(layer.extras)} if layer.extras else {})
        for layer in blueprint.layers
    ]
    return content


def network_from_json(text: str) -> Network:
    """The network that `network_to_json` wrote."""
    content: Mapping[str, Any] = json.loads(text)
    if "choices" in content:
        return Choices(values=tuple(content["choices"].items()))
    return Blueprint(
        family=content["family"],
        input_shape=tuple(content["input_shape"]),
        layers=tuple(
            Layer(**layer | {"extras": tuple(sorted(layer.get("extras", {}).items()))}) for layer in content["layers"]
        ),
        categories=tuple(content.get("categories", ())),
        is_regression=content.get("is_regression", False),
        trained=content.get("trained", ""),
    )
