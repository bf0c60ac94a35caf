"""Specs to test with, as the mappings that a file would hold."""

import copy
from typing import Any

CNN = {
    "name": "sample",
    "space": {"family": "cnn", "layers": [1, 3], "width": [8, 16], "kernel": [3, 5]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
}
MLP = {
    "name": "sample",
    "space": {"family": "mlp", "layers": 2, "width": [8, 16]},
    "objectives": {"accuracy": "max", "params": "min"},
}
TEXT = {
    "name": "sample",
    "task": {"dataset": "sentences.tsv"},
    "space": {"family": "text", "layers": [0, 2], "width": [8, 16]},
    "objectives": {"accuracy": "max", "params": "min"},
}
TAGGER = {
    "name": "sample",
    "task": {"dataset": "train.conll"},
    "space": {"family": "tagger", "layers": [1, 2], "width": [8, 16]},
    "objectives": {"entity_f1": "max", "params": "min"},
}
RATINGS = {
    "name": "sample",
    "task": {"dataset": "ratings.csv"},
    "space": {"family": "recommender", "layers": [0, 2], "width": [8, 16]},
    "objectives": {"rmse": "min", "params": "min"},
}
CUSTOM = {
    "name": "sample",
    "task": {"evaluator": "package.module:evaluate"},
    "space": {
        "family": "custom",
        "decisions": {
            "op": {"choices": ["none", "conv", "pool"]},
            "width": {"choices": [8, 16, 32], "when": {"op": ["conv"]}},
            "bias": {"choices": [True, False], "when": {"width": [16, 32]}},
        },
    },
    "objectives": {"error": "min", "cost": "min"},
}
REMOVED = object()


def changed(base: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The spec with one value changed, added or `REMOVED`; the path is dotted, "" for none."""
    spec = copy.deepcopy(base)
    section, keys = spec, path.split(".")
    for key in keys[:-1]:
        section = section.setdefault(key, {})
    if value is REMOVED:
        del section[keys[-1]]
    else:
        section[keys[-1]] = value
    return spec
