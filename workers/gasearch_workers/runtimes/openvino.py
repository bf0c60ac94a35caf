"""OpenVINO on the CPU: one thread, one stream, no precision that it would choose for itself.

Nothing is sent to anyone: OpenVINO 2026.4 reports its import to Google Analytics by the package openvino_telemetry,
which is hidden from it here; it goes on without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_file import read_graph

_BATCH = 256  #: Samples that are computed at a time.
#: By default it takes bfloat16 for floats where the CPU has it.
CONFIGURATION: Final = {
    "INFERENCE_NUM_THREADS": "1",
    "NUM_STREAMS": "1",
    "INFERENCE_PRECISION_HINT": "f32",
    "EXECUTION_MODE_HINT": "ACCURACY",
    "PERFORMANCE_HINT": "LATENCY",
}


def version() -> str | None:
    """Of the installed OpenVINO, None where it isn't; without the half second that importing it takes."""
    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return None


def run(model: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples (B, *input_shape) by an ONNX file: logits (B, outputs), or as its last step gives."""
    return open_model(model)(x)


def open_model(model: Path) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """What runs an ONNX file that is compiled once; see `run`."""
    core, content = _openvino().Core(), read_graph(model)
    compiled = core.compile_model(core.read_model(content), "CPU", CONFIGURATION)

    def compute(x: NDArray[Any]) -> NDArray[np.float32]:
        parts = [compiled(x[at : at + _BATCH])[0] for at in range(0, len(x), _BATCH)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])

    return compute


def _openvino() -> Any:
    """The package; a program that has imported it by itself keeps what it has."""
    if "openvino" in sys.modules or "openvino_telemetry" in sys.modules:
        return import_module("openvino")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # what Python documents as "not to be found"
    try:
        return import_module("openvino")
    finally:
        del sys.modules["openvino_telemetry"]
