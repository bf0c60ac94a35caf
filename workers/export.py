"""From an evaluation to files: train once more, write the artifact, and measure what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from workers.artifact import require_free, write_artifact
from workers.data.dataset import Dataset, Split
from workers.evaluate import Evaluator, versions
from workers.measure.latency import calibrate, measure_latency
from workers.messages import Blueprint, EvaluationRequest
from workers.onnx_graph import to_onnx
from workers.onnx_session import run_onnx


def export(
    request: EvaluationRequest, directory: Path, *, evaluator: Evaluator, data: Dataset, claimed: Mapping[str, float]
) -> Path:
    """Train the request's network as its evaluation did and write it to a folder.

    `model.json` holds what the search claims beside what the written graph gives: its accuracy on the validation and
    the test split, run by ONNX Runtime, and its latency here.

    Raises:
        ArtifactError: if the folder holds something else; before the training.
        OSError: if the folder can't be written.
        Diverged, MemoryError: if what the search could train can't be trained here.
    """
    require_free(directory)
    assert isinstance(request.network, Blueprint)
    trained = evaluator.train(request)
    graph = to_onnx(trained.network).SerializeToString()
    latency = measure_latency(
        graph, shape=trained.network.plan.input_shape, dtype=trained.network.input.dtype, calibration=calibrate()
    )
    description: dict[str, Any] = {
        "key": request.key,
        "seed": request.seed,
        "recipe": asdict(request.recipe),
        "data": data.describe(),
        "versions": versions(),
        "claimed": dict(claimed),
        "measured": {
            "validation_accuracy": graph_accuracy(graph, data.validation),
            "test_accuracy": graph_accuracy(graph, data.test),
            "latency_ms": latency.latency_ms,
            "latency_spread_ms": latency.spread_ms,
            "latency_device": latency.device,
        },
    }
    write_artifact(directory, trained.network, blueprint=request.network, description=description)
    return directory


def graph_accuracy(graph: bytes, split: Split) -> float:
    """Share of the samples, 0..1, that the integer graph gets right."""
    logits = run_onnx(graph, split.x)  # (count, *input) -> (count, classes)
    return float(np.mean(logits.argmax(axis=1) == split.y))
