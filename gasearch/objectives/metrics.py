"""The metrics by name: what each one is, its unit and range, and what decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from gasearch_workers.messages import DEPLOYED, TaskKind
from gasearch_workers.messages import spread_of as spread_of  # all ask for it here

Dimension = Literal["share", "number", "count", "bytes", "time", "energy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    dimension: Dimension
    unit: str = ""  #: Native unit: that of stored values, of bounds and of JSON; "" for shares, counts and numbers.
    is_maximized: bool | None = None  #: Whether more is better; None where nobody can say.
    is_arithmetic: bool = False  #: Whether the network alone decides it, before any training.
    lowest: float = 0.0  #: No value lies below.
    highest: float = float("inf")  #: No value lies above.


def _cost(name: str) -> Metric:
    return Metric(name=name, dimension="count", is_maximized=False, is_arithmetic=True)


def _score(name: str) -> Metric:
    return Metric(name=name, dimension="share", is_maximized=True, highest=1.0)


METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        _score("accuracy"),
        _score("macro_f1"),
        _score("entity_f1"),
        _score("auc"),
        Metric(name="rmse", dimension="number", is_maximized=False),
        _cost("params"),
        _cost("macs"),
        _cost("flops"),
        _cost("bops"),
        Metric(name="model_bytes", dimension="bytes", unit="B", is_maximized=False, is_arithmetic=True),
        Metric(name="peak_memory_bytes", dimension="bytes", unit="B", is_maximized=False, is_arithmetic=True),
        Metric(name="latency_ms", dimension="time", unit="ms", is_maximized=False),
        Metric(name="latency_spread_ms", dimension="time", unit="ms", is_maximized=False),
        Metric(name="train_seconds", dimension="time", unit="s", is_maximized=False),
        Metric(name="energy_j", dimension="energy", unit="J", is_maximized=False),
        # Of accuracies a difference of shares, of errors one in the target's unit.
        Metric(name="generalization_gap", dimension="number", is_maximized=False, lowest=float("-inf")),
        Metric(name="images_seen", dimension="count", is_maximized=False),
        Metric(name="flash_bytes", dimension="bytes", unit="B", is_maximized=False),
        Metric(name="ram_bytes", dimension="bytes", unit="B", is_maximized=False),
        Metric(name="instructions", dimension="count", is_maximized=False),
        Metric(name="arena_bytes", dimension="bytes", unit="B", is_maximized=False),
        Metric(name="efficiency", dimension="number"),  # see `gasearch_workers.messages.derived_metrics`
    )
}

#: How good a network is at each kind of task.
SCORES: Final[dict[TaskKind, tuple[str, ...]]] = {
    "classification": ("accuracy", "macro_f1", "auc"),
    "tagging": ("accuracy", "entity_f1", "macro_f1"),
    "regression": ("rmse",),
    "rating": ("rmse",),
}

#: What every task measures besides.
_COMMON: Final[tuple[str, ...]] = (
    "params",
    "macs",
    "flops",
    "bops",
    "model_bytes",
    "peak_memory_bytes",
    "latency_ms",
    "latency_spread_ms",
    "train_seconds",
    "energy_j",
    "generalization_gap",
    "images_seen",
    "efficiency",
    *DEPLOYED,
)

#: The metrics for which a network is timed: these themselves, and those that are computed with the latency.
TIMED: Final = frozenset({"latency_ms", "latency_spread_ms", "energy_j", "efficiency"})


def measured_metrics(kind: TaskKind | None) -> tuple[str, ...]:
    """What a task of that kind measures; all that any task measures where the kind isn't known yet."""
    scores = [name for task, names in SCORES.items() if kind in (task, None) for name in names]
    return (*dict.fromkeys(scores), *_COMMON)


#: Endings by which the name of a custom evaluator's own metric says its unit.
_ENDINGS: Final[tuple[tuple[str, Dimension, str], ...]] = (
    ("_bytes", "bytes", "B"),
    ("_ms", "time", "ms"),
    ("_seconds", "time", "s"),
)


def metric_named(name: str) -> Metric:
    """The metric of that name; an unknown name is a custom evaluator's own, its unit read from the name's ending."""
    known = METRICS.get(name)
    if known is not None:
        return known
    for ending, dimension, unit in _ENDINGS:
        if name.endswith(ending):
            return Metric(name=name, dimension=dimension, unit=unit)
    return Metric(name=name, dimension="number", lowest=float("-inf"))


def usual_direction(name: str) -> bool | None:
    """True where more is better, False where less is; None for a metric that only its inventor knows."""
    return metric_named(name).is_maximized
