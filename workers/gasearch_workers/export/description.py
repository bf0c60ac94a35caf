"""What `model.json` says of a network: how raw values become its input, what its outputs mean, and each step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.onnx_graph import float_steps
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.packed_layout import step_bytes
from gasearch_workers.network.steps import INPUT, Plan, Step

VOCABULARY_NAME: Final = "vocabulary.json"  #: Only where the input has codes and their meaning is known.


def describe(
    network: IntegerNetwork, files: Mapping[str, bytes], columns: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """Input, output, steps and files of an artifact, as JSON values.

    Args:
        network: That is written.
        files: Its files but the description itself.
        columns: Names of a table's features in their order, where they have any.
        labels: Names of the outputs in their order, where they have any.
    """
    plan = network.plan
    in_float = set(float_steps(network))
    return {
        "input": {
            "name": INPUT,
            "shape": ["batch", *plan.input_shape],
            "dtype": network.input.dtype,
            "kind": plan.input_kind,
            "columns": list(columns),
            "categories": list(plan.categories),
            "vocabulary": VOCABULARY_NAME if VOCABULARY_NAME in files else None,
        },
        "output": {
            "name": output_name(plan),
            "shape": ["batch", *plan.steps[-1].output_shape],
            "dtype": "float32",
            "labels": list(labels),
        },
        "steps": [_describe_step(step, is_float=step.name in in_float) for step in plan.steps],
        "files": describe_files(files),
    }


def describe_files(
    files: Mapping[str, bytes], notes: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Size and hash of each file, and what else is known of it."""
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **(notes or {}).get(name, {})}
        for name, content in files.items()
    }


def known_codes(plan: Plan) -> tuple[int, ...]:
    """How many codes of each column the network has a vector for: of words, those behind are all unknown to it."""
    rows = {max(step.column, 0): step.rows for step in plan.steps if step.op == "embedding"}
    return tuple(rows.get(column, size) for column, size in enumerate(plan.categories))


def _describe_step(step: Step, *, is_float: bool) -> dict[str, Any]:
    return {
        "name": step.name,
        "op": step.op,
        "input_bits": step.input_bits,
        "weight_bits": step.weight_bits if step.has_weights else None,
        "output_bits": step.output_bits,
        "output_shape": list(step.output_shape),
        "weights": step.weights,
        "kept_weights": step.nonzeros,
        "bytes": step_bytes(step),
        "computes_in": "float" if is_float else "integers",
    }
