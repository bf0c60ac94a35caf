"""Running an exported model with ONNX Runtime, as it is measured and verified: one thread that never spins."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_runtime import onnxruntime
from gasearch_workers.export.onnx_stretch import EXACT_KERNELS

_PROVIDERS = ["CPUExecutionProvider"]
_CPUINFO = Path("/proc/cpuinfo")


def open_session(model: bytes | str) -> onnxruntime.InferenceSession:
    """A session on one CPU thread, else with default options, of a graph as bytes, or of a file by its path.

    A file may name others of its folder for its tensors: ONNX Runtime reads these, and none that lies elsewhere.

    Only a model that names it (one trained with `recipe.full_range`) gets the exact kernels, where the CPU has no VNNI.
    With VNNI they give the same bits three times slower (a CNN of widths 64-128-256 on a Xeon: 0.43 ms against 0.14).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=_PROVIDERS)
    named = session.get_modelmeta().custom_metadata_map
    if not EXACT_KERNELS.keys() <= named.keys() or has_vnni(read_cpuinfo()):
        return session
    for name, value in EXACT_KERNELS.items():
        options.add_session_config_entry(name, value)
    return onnxruntime.InferenceSession(model, options, providers=_PROVIDERS)


def run_onnx(model: bytes, x: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
    """The outputs of raw samples: logits (B, outputs), of a tagger (B, tokens, tags), or predictions (B, 1).

    Args:
        model: The graph as bytes.
        x: Raw samples (B, *input_shape).
        batch: How many are computed at a time.
    """
    session = open_session(model)
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    parts = [session.run([target.name], {source.name: x[at : at + batch]})[0] for at in range(0, len(x), batch)]
    return np.concatenate(parts)


def has_vnni(cpuinfo: str) -> bool:
    """Whether the text of /proc/cpuinfo names an x86 CPU that adds 8-bit products in 32 bits; "" doesn't."""
    flags = re.search(r"^flags\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return flags is not None and not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags.group(1).split())


@cache
def read_cpuinfo() -> str:
    """What Linux says of the CPU; "" elsewhere."""
    try:
        return _CPUINFO.read_text(errors="replace")
    except OSError:
        return ""
