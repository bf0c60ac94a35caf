"""Runs of an artifact's files in a process of their own, with a limit of time and one of memory.

A file may be a stranger's, or damaged: an endless loop, a crash or a tensor of 100 GB ends that process alone, and is
what came of the run.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.machine.isolated import Isolated
from gasearch_workers.measure.footprint import footprint
from gasearch_workers.measure.latency import calibrate, measure_latency
from gasearch_workers.measure.plain_latency import plain_latency
from gasearch_workers.messages import Microcontroller
from gasearch_workers.runtimes.runtime import RUNTIMES, Runtime
from gasearch_workers.runtimes.tflite_micro import arena_bytes
from gasearch_workers.training.resident import use_one_thread

LIMIT_S: Final = 600.0  #: Of a run, where nobody says otherwise.


class ArtifactRuns:
    """Runs the forms of one artifact; a runtime that isn't isolated runs in this process."""

    def __init__(self, directory: Path, *, seconds: float = LIMIT_S, memory_bytes: int | None = None) -> None:
        """Start nothing yet.

        Args:
            directory: Of the artifact.
            seconds: That a run may take.
            memory_bytes: That the process may take; None: see `machine.isolated`.
        """
        self._directory, self._seconds = directory, seconds
        self._process = Isolated(f"{__name__}:answer", memory_bytes=memory_bytes)

    def __enter__(self) -> ArtifactRuns:
        """Itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process."""
        self._process.close()

    def outputs(self, runtime: Runtime, x: NDArray[Any]) -> NDArray[Any]:
        """The outputs of raw samples (B, *input_shape), as the runtime gives them.

        Raises:
            NotThere: if the runtime's own installation is broken.
            Faulty: if there are none; also below.
        """
        if not runtime.is_isolated:
            return np.asarray(runtime.run(self._directory, x))
        _, content = self._call("outputs", runtime, x)
        return _array(content)

    def plain_latency(self, runtime: Runtime, sample: NDArray[Any]) -> tuple[float, float]:
        """The latency of a call of a form that is opened once, and its spread, in ms."""
        if not runtime.is_isolated:
            assert runtime.open is not None
            return plain_latency(runtime.open(self._directory), sample)
        answer, _ = self._call("plain_latency", runtime, sample)
        return float(answer["latency_ms"]), float(answer["spread_ms"])

    def paired_latency(self, file: str, sample: NDArray[Any]) -> tuple[float, float]:
        """The latency of an ONNX file in turns with the reference network, and its spread, in ms."""
        asked = {"what": "paired_latency", "path": str(self._directory / file)}
        answer, _ = self._process.call(asked, _bytes(sample), seconds=self._seconds)
        return float(answer["latency_ms"]), float(answer["spread_ms"])

    def arena_bytes(self, file: str) -> int | None:
        """What TFLite Micro takes for a TFLite file."""
        asked = {"what": "arena_bytes", "path": str(self._directory / file)}
        answer, _ = self._process.call(asked, seconds=self._seconds)
        return None if answer["arena_bytes"] is None else int(answer["arena_bytes"])

    def footprint(self, cpu: Microcontroller, compiler: str) -> dict[str, Any]:
        """The `Footprint` of the C form on a CPU, as a mapping.

        Args:
            cpu: The CPU.
            compiler: One of `CROSS_COMPILERS`; "": the first that is here.
        """
        asked = {"what": "footprint", "path": str(self._directory), "cpu": cpu, "compiler": compiler}
        answer, _ = self._process.call(asked, seconds=self._seconds)
        return answer

    def _call(self, what: str, runtime: Runtime, x: NDArray[Any]) -> tuple[dict[str, Any], bytes]:
        asked = {"what": what, "runtime": runtime.name, "path": str(self._directory)}
        return self._process.call(asked, _bytes(x), seconds=self._seconds)


def answer(asked: dict[str, Any], given: bytes) -> tuple[dict[str, Any], bytes]:
    """Do what `ArtifactRuns` asks for: what its process runs."""
    use_one_thread()
    path = Path(asked["path"])
    match asked["what"]:
        case "outputs":
            return {}, _bytes(np.asarray(RUNTIMES.get(asked["runtime"]).run(path, _array(given))))
        case "plain_latency":
            runtime = RUNTIMES.get(asked["runtime"])
            assert runtime.open is not None
            latency_ms, spread_ms = plain_latency(runtime.open(path), _array(given))
            return {"latency_ms": latency_ms, "spread_ms": spread_ms}, b""
        case "paired_latency":
            timed = measure_latency(path.read_bytes(), _array(given), calibration=calibrate())
            return {"latency_ms": timed.latency_ms, "spread_ms": timed.spread_ms}, b""
        case "footprint":
            return asdict(footprint(path, asked["cpu"], asked["compiler"])), b""
        case _:
            return {"arena_bytes": arena_bytes(path.read_bytes())}, b""


def _bytes(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(content: bytes) -> NDArray[Any]:
    found: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return found
