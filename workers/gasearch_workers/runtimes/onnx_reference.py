"""ONNX's own reference implementation: every operator as the standard defines it, in NumPy, slowly.

It has DequantizeLinear as of opset 19 and later only: an older file is first brought there by ONNX's version converter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_file import read_graph

_BATCH = 256  #: Samples that are computed at a time.
_OPSET: Final = 19


def version() -> str:
    """Of the installed onnx."""
    import onnx

    return str(onnx.__version__)


def run(model: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples (B, *input_shape) by an ONNX file: logits (B, outputs), or as its last step gives."""
    from onnx import load_from_string, version_converter
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(version_converter.convert_version(load_from_string(read_graph(model)), _OPSET))
    (name,) = evaluator.input_names
    parts = [evaluator.run(None, {name: x[at : at + _BATCH]})[0] for at in range(0, len(x), _BATCH)]
    return np.concatenate(parts).astype(np.float32, copy=False)
