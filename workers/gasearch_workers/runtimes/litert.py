"""Running a TFLite file with LiteRT (once TensorFlow Lite), on one CPU thread, with its default kernels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.artifact import ArtifactError

BATCH = 256  #: How many samples are computed at a time.


def version() -> str | None:
    """Of LiteRT; None where it isn't installed."""
    try:
        return installed("ai-edge-litert")
    except PackageNotFoundError:
        return None


def run_litert(path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples.

    A file that was cut off is refused. One in which bytes were changed may end the process: `verify` runs it in one of
    its own.

    Args:
        path: The file.
        x: Raw samples (B, *input_shape): of images (B, C, H, W), as everywhere else.

    Raises:
        ArtifactError: if it is no TFLite file, or LiteRT lacks an operator of it.
        OSError: if it can't be read.
    """
    return open_litert(path)(x)


def open_litert(path: Path) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """What runs a file that is opened once; see `run_litert`.

    Raises:
        ArtifactError: if it is no TFLite file, or LiteRT lacks an operator of it.
        OSError: if it can't be read.
    """
    from ai_edge_litert.interpreter import Interpreter

    content = path.read_bytes()
    with _refusals_of(path), _stderr_muted():
        interpreter = Interpreter(model_content=content, num_threads=1)
        (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape: tuple[int, ...] = ()

    def compute(part: NDArray[Any]) -> NDArray[np.float32]:
        nonlocal shape
        if part.shape != shape:
            with _stderr_muted():
                interpreter.resize_tensor_input(source["index"], part.shape, strict=True)
                interpreter.allocate_tensors()
            shape = part.shape
        interpreter.set_tensor(source["index"], part)
        interpreter.invoke()
        outputs: NDArray[np.float32] = interpreter.get_tensor(target["index"])
        return outputs

    def run(x: NDArray[Any]) -> NDArray[np.float32]:
        samples = channels_last(x)
        with _refusals_of(path):
            return np.concatenate([compute(samples[at : at + BATCH]) for at in range(0, len(samples), BATCH)])

    return run


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """Without what C++ writes to stderr: LiteRT greets ("INFO: Created ... delegate"), and heeds no log level."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _refusals_of(path: Path) -> Iterator[None]:
    """What LiteRT refuses, as an error that names the file."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"{path} can't be run by LiteRT: {error}") from error


def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    """Samples as a TFLite file takes them: images (B, C, H, W) -> (B, H, W, C), others as they are."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x
