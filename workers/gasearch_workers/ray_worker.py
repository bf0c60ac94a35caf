"""The two kinds of Ray actors: those that train, and the one that measures latency.

Plain classes: `gasearch.dispatch.ray_pool` makes actors of them. A network travels to the measuring actor as the bytes
of its ONNX graph, through Ray's object store and not through the controller.
"""

from __future__ import annotations

import os

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Prepared, WorkerTerms
from gasearch_workers.trial.host import TrialHost
from gasearch_workers.trial.limits import share_of_memory


class TrainingWorker:
    """Lives as long as the search; each evaluation runs in its trial's process, which holds the data on its device.

    Of one thread: the trial's process ends with the thread that started it.
    """

    def __init__(self, data: Dataset | None, device: str, terms: WorkerTerms | None = None) -> None:
        terms = terms or WorkerTerms()
        self._host = TrialHost(
            data,
            device=device,
            environment=terms.environment,
            memory_limit_bytes=share_of_memory(_neighbours(terms)) if terms.shares_memory else None,
            adopts_orphans=True,
        )

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """All of an evaluation but the latency; the second value is what remains to be timed, None if nothing does."""
        return self._host.prepare(request)

    def ping(self) -> str:
        """The device that it trains on, once it can."""
        return self._host.device


class MeasuringWorker:
    """Holds the latency slot: the only process of the search that times networks, one at a time."""

    def __init__(self) -> None:
        from gasearch_workers.measure.meter import LatencyMeter  # loads ONNX Runtime, which no training worker needs

        self._meter = LatencyMeter()

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The yardstick of this device."""
        return self._meter.calibrate(known)

    def finish(self, result: EvaluationResult, prepared: Prepared | None, calibration: Calibration) -> EvaluationResult:
        """The result with the latency in it."""
        return result if prepared is None else self._meter.complete(result, prepared, calibration)


def _neighbours(terms: WorkerTerms) -> int:
    """Workers of the search, this one included, that its node has room for."""
    resources = _node_resources()
    rooms = [] if terms.neighbours is None else [terms.neighbours]
    for name, share in (("CPU", terms.cpus), ("GPU", terms.gpus)):
        if share > 0 and name in resources:
            rooms.append(int(resources[name] / share))
    return max(1, min(rooms, default=os.cpu_count() or 1))


def _node_resources() -> dict[str, float]:
    """What Ray has on this node; nothing where it doesn't say."""
    import ray

    if not ray.is_initialized():
        return {}
    here = ray.get_runtime_context().get_node_id()
    found: list[dict[str, float]] = [node["Resources"] for node in ray.nodes() if node["NodeID"] == here]
    return found[0] if found else {}
