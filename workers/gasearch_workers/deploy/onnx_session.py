"""Running an exported model with ONNX Runtime, as it is measured and verified: one thread that never spins."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_CPUINFO = Path("/proc/cpuinfo")


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """A session on one CPU thread, with exact kernels.

    x86 CPUs without VNNI add pairs of 8-bit products in 16 bits, with saturation; `x64quantprecision` makes ONNX
    Runtime take other kernels. Where VNNI is exact by itself those give the same bits three times slower (a CNN of
    widths 64-128-256 on a Xeon with VNNI: 0.43 ms against 0.14), so it is asked for only where it is needed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if not has_vnni(_read_cpuinfo()):
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(model: bytes, x: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
    """The outputs of raw samples `x` (B, *input_shape), computed `batch` samples at a time.

    Logits (B, outputs), of a tagger (B, tokens, tags); predictions (B, 1) of a regression.
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
def _read_cpuinfo() -> str:
    """What Linux says of the CPU; "" elsewhere."""
    try:
        return _CPUINFO.read_text(errors="replace")
    except OSError:
        return ""
