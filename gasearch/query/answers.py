"""Answers to questions about a search: values in native units, ready to print.

`row()` of each is flat where it can be, and holds only what JSON can hold.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gasearch.storage.records import SearchStatus

Row = dict[str, Any]  #: Flat; only what JSON can hold.


class Answer:
    """A dataclass that is answered."""

    __slots__ = ()

    def row(self) -> Row:
        """The answer as a JSON object."""
        return json_object(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary(Answer):
    """Where a search stands."""

    name: str
    state: SearchStatus
    reason: str  #: Why it has this state; "" while running.
    is_active: bool  #: Whether a controller holds it and, as far as one can see from here, lives.
    owner: str | None
    objectives: dict[str, Literal["max", "min"]]  #: By metric, in the spec's order.
    told: int  #: Evaluations with a final outcome.
    budget: int | None  #: Evaluations allowed; None where only time limits it.
    hours: float | None  #: Wall hours allowed; None without such a limit.
    algorithm: str  #: Such as "nsga2".
    mode: str  #: "steady-state" or "generational".
    candidates: int
    failures: dict[str, int]  #: Per kind, of those completed.
    causes: dict[str, str]  #: Per kind, the newest failure of that kind: "KEY: message".
    stopped: int  #: Trainings that were stopped early, of those completed; they are no failures.
    stopped_seconds: float | None  #: What such a training took on average; None where none was made here.
    finished_seconds: float | None  #: What a training to its end took on average.
    saved_seconds: float | None  #: What stopping has saved, had those taken as long as others; None where unknown.
    surrogate_seconds: float | None  #: What choosing a network may take, CPU; None: unbounded, or no surrogate.
    reused: int  #: Outcomes taken over from an earlier search, of those completed.
    replicates: int  #: Further trainings of a network with a fresh seed, of those completed.
    retries: int
    front_size: int
    hypervolume: float | None  #: Scaled, of all that was measured; None before the first generation fixes its scaling.
    best: dict[str, float]  #: Best value per objective within the constraints; without those that have none.
    finalized: int  #: Networks with a final training that succeeded.
    verified: int  #: Networks whose newest verification passed.
    best_final: str | None  #: The key of the finalist that is best by the first objective; None without any.
    finals_fault: str  #: Why what came after the search can't be read, and isn't counted here; "" where it can.
    best_final_metrics: dict[str, float]  #: Its means, deviations and losses; see `gasearch.query.finals.Finalist`.
    generation: int  #: Of the newest candidate; -1 when there is none.
    active_seconds: float  #: Wall time that controllers have spent on it.
    busy_seconds: float  #: Time that workers have spent on evaluations, retried ones included.
    worker_seconds: float  #: Wall time counted once for each worker there was.
    utilisation: float | None  #: The former over the latter, 0..1; None where less time was counted than was spent.
    created_at: datetime
    updated_at: datetime

    @property
    def is_abandoned(self) -> bool:
        """Says that its controller died without giving it up."""
        return self.state is SearchStatus.RUNNING and not self.is_active


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchDescription(Answer):
    """The question that a search was asked, and where it stands."""

    summary: SearchSummary
    spec: dict[str, Any]
    data: dict[str, Any]  #: Shape, type, counts and content hash of the data.
    space_size: float  #: Number of distinct networks, or an upper bound.
    space_fingerprint: str
    version: str  #: Of gasearch.


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint(Answer):
    """One measured network as an answer."""

    key: str
    number: int
    metrics: dict[str, float]  #: Native units.
    blueprint: dict[str, Any]
    is_on_front: bool
    is_verified: bool | None = None  #: Whether its newest verification passed; None where the search never had one.

    def row(self) -> Row:
        """`key`, each metric under its name, `verified` where any network of the search is, `blueprint`."""
        verified = {} if self.is_verified is None else {"verified": self.is_verified}
        return {"key": self.key, **_json_values(self.metrics), **verified, "blueprint": self.blueprint}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt that was made again, as what stopped it may not have been the network's fault."""

    attempt: int
    replicate: int  #: 0 in the first training.
    failure: str
    message: str
    worker: str
    traceback: str  #: Where it failed, as Python prints it; "" where that isn't known.
    output: str  #: The end of what it printed and logged.

    def __str__(self) -> str:
        """One line."""
        return f"attempt {self.attempt} failed, {self.failure}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDetails(Answer):
    """All that is known of one candidate."""

    key: str
    number: int
    generation: int
    parents: tuple[int, ...]
    operator: str
    is_on_front: bool
    metrics: dict[str, float]  #: Of several trainings the means, with `trainings` and the spreads among them.
    failure: str | None  #: Its kind, or "stopped"; then there are no metrics.
    failure_message: str | None
    traceback: str  #: Of the failure; "" where there is none.
    output: str  #: The end of what it printed and logged before it failed.
    attempts: list[FailedAttempt]  #: Those that were made again.
    worker: str | None
    device: str | None
    latency_device: str | None
    energy_source: str | None  #: "rapl", "estimate" or "command", where there is an energy_j.
    versions: str
    seed: int | None
    curve: list[dict[str, Any]]
    blueprint: dict[str, Any]

    def row(self) -> Row:
        """`key`, each metric under its name, then the rest; `blueprint` last.

        What a metric is named like (an evaluator's own `seed`, say) stands under `field_name` instead.
        """
        others = json_object(self)
        metrics = others.pop("metrics")
        key, rest = others.pop("key"), {self.field_name(name): value for name, value in others.items()}
        return {"key": key, **metrics, **rest}

    def field_name(self, name: str) -> str:
        """How the row calls a field that is no metric: by its name, or with "network_" in front of it."""
        return f"network_{name}" if name in self.metrics else name


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationStats(Answer):
    """A finished generation; in steady state as many outcomes as the population has networks."""

    generation: int
    evaluations: int  #: Completed so far in the whole search, failures included.
    failures: int  #: Of these.
    front_size: int
    hypervolume: float
    hypervolume_lost: float  #: To further trainings since the generation before, whose means are worse.
    best: dict[str, float]  #: Best value per objective so far.
    finished_at: datetime

    def row(self) -> Row:
        """Flat: the best values stand as `best_<metric>`."""
        fields = json_object(self)
        finished_at, best = fields.pop("finished_at"), fields.pop("best")
        return fields | {f"best_{metric}": value for metric, value in best.items()} | {"finished_at": finished_at}


def layers_text(blueprint: dict[str, Any]) -> str:
    """A network in one line: "conv 16 k3 s2 w4 a8 | linear 10 w8", or "op1=pool width1=8"."""
    if "choices" in blueprint:
        return " ".join(f"{name}={value}" for name, value in blueprint["choices"].items())
    return " | ".join(_layer_text(layer) for layer in blueprint["layers"])


def _layer_text(layer: dict[str, Any]) -> str:
    traced = layer.get("extras", {}) if layer["kind"] == "traced" else {}
    parts = [f"{traced['name']}: {traced['op']}" if traced else str(layer["kind"]), str(layer["width"])]
    shown = (("kernel", "k", 1), ("stride", "s", 1), ("weight_bits", "w", 32), ("activation_bits", "a", 32))
    parts += [f"{letter}{layer[name]}" for name, letter, plain in shown if layer.get(name, plain) != plain]
    rest = (("rows", 0), ("heads", 1), ("sparsity", 0.0), ("rank", 1.0))
    parts += [f"{name} {layer[name]:g}" for name, plain in rest if layer.get(name, plain) != plain]
    if layer.get("sparsity") and layer.get("pruning") == "unstructured":
        parts.append("unstructured")
    if layer.get("stride", 1) > 1 and layer.get("downsample", "stride") != "stride":
        parts.append(str(layer["downsample"]))
    return " ".join(parts)


def json_object(value: Any) -> Row:
    """A dataclass as an object of what JSON can hold."""
    return {field.name: _json_values(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _json_values(value: Any) -> Any:
    """Dataclasses as objects, tuples as arrays, times in ISO 8601, numbers that aren't finite as null."""
    match value:
        case SearchStatus():
            return str(value)
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): _json_values(item) for key, item in value.items()}
        case list() | tuple():
            return [_json_values(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return json_object(value) if dataclasses.is_dataclass(value) else value
