"""Running a TFLite file with the interpreter of TFLite Micro, as a microcontroller does: one sample at a time.

Its kernels are the portable ones. They round sums twice where LiteRT's round once, so an integer differs by one now and
then.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.runtimes.litert import channels_last

#: Bytes of the memory that an interpreter may use here, for each byte of the file and each element of its tensors.
PER_FILE_BYTE, PER_ELEMENT, LEAST_ARENA = 16, 16, 2**20
_TOTAL: Final = re.compile(r"Arena allocation total (\d+) bytes")
_STDERR: Final = 2
_redirected = threading.Lock()


def version() -> str | None:
    """Of TFLite Micro; None where it isn't installed."""
    try:
        return installed("tflite-micro")
    except PackageNotFoundError:
        return None


def run_tflite_micro(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples.

    A file that was cut off is refused. One in which bytes were changed may end the process: `verify` runs it in one of
    its own.

    Args:
        path: The file.
        x: Raw samples (B, *input_shape): of images (B, C, H, W), as everywhere else.

    Raises:
        ArtifactError: if it is no TFLite file, or TFLite Micro lacks an operator of it.
        OSError: if it can't be read.
    """
    try:
        interpreter = _open(path.read_bytes())
        outputs = []
        for sample in channels_last(x):
            interpreter.set_input(sample[None], 0)
            interpreter.invoke()
            outputs.append(interpreter.get_output(0))
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path} can't be run by TFLite Micro: {error}") from error
    return np.concatenate(outputs)


def arena_bytes(content: bytes) -> int | None:
    """How much memory a TFLite file needs beside itself, as TFLite Micro's recording allocator reports it here.

    Tensors and what the kernels keep, on a machine whose pointers have 64 bits: the interpreter's own records are about
    half as large on a microcontroller. What the program on the stack takes is not in it. None where TFLite Micro isn't
    installed, or reports nothing.

    Args:
        content: The file.

    Raises:
        ArtifactError: if it is no TFLite file, or TFLite Micro lacks an operator of it.
    """
    if version() is None:
        return None
    try:
        interpreter = _open(content)
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"the TFLite file can't be run by TFLite Micro: {error}") from error
    found = _TOTAL.search(_printed_by(interpreter.print_allocations))
    return int(found.group(1)) if found else None


def _open(content: bytes) -> Any:
    """An interpreter with memory enough.

    Raises:
        ValueError: if it is no whole TFLite file.
        RuntimeError: if an operator is unknown.
    """
    from tflite_micro import runtime

    try:
        model = runtime.convert_bytearray_to_object(content)
        elements = sum(math.prod(tensor.shape) for graph in model.subgraphs for tensor in graph.tensors)
    except Exception as error:  # the generated code raises whatever it stumbles on
        raise ValueError(f"it is no whole TFLite file ({error})") from error
    arena = LEAST_ARENA + PER_FILE_BYTE * len(content) + PER_ELEMENT * elements
    return runtime.Interpreter.from_bytes(content, arena_size=arena)


def _printed_by(function: Callable[[], object]) -> str:
    """What C code writes to the process's stderr while the function runs; others' words meanwhile come along."""
    sys.stderr.flush()
    with _redirected, tempfile.TemporaryFile() as file:
        kept = os.dup(_STDERR)
        try:
            os.dup2(file.fileno(), _STDERR)
            function()
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
        file.seek(0)
        return file.read().decode(errors="replace")
