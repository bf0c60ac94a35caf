"""The searches of the chaos tests: small, and each with all that a search may do."""

from __future__ import annotations

from typing import Any

OPTIONS = {"choices": list(range(8))}
CUSTOM: dict[str, Any] = {
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {
        "family": "custom",
        "decisions": {"a": OPTIONS, "b": OPTIONS, "c": OPTIONS, "d": OPTIONS | {"when": {"a": [0, 1, 2, 3]}}},
    },
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 12, "surrogate": False},
    "budget": {"evaluations": 120},
    "workers": {"count": 0},
}
#: A search that uses every part of the archive: yardsticks, a scaling, generations, further trainings, failures.
TRAINED: dict[str, Any] = {
    "seed": 5,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 2], "width": [4, 8, 16], "weight_bits": [2, 4], "activation_bits": [4, 8]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    "constraints": ["latency_ms <= 4.9"],
    "evolution": {"population": 6, "surrogate": False, "replicates": 0.3},
    "early_stop": False,
    "start": {"reuse": False},  # of the undisturbed one's outcomes
    "budget": {"evaluations": 24},
    "workers": {"count": 0},
}  # fmt: skip


def in_mode(mode: str, spec: dict[str, Any] = CUSTOM, **evolution: Any) -> dict[str, Any]:
    """The spec in a mode: "generational" or "steady-state"."""
    return spec | {"evolution": spec["evolution"] | {"mode": mode} | evolution}


def with_budget(spec: dict[str, Any], **budget: Any) -> dict[str, Any]:
    """The spec with another budget."""
    return spec | {"budget": budget}
