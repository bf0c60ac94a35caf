"""The two kinds of Ray actors: those that train, and the one that measures latency.

Plain classes: `gasearch.dispatch.ray_pool` makes actors of them. A network travels to the measuring actor as the bytes
of its ONNX graph, through Ray's object store and not through the controller.
"""

from __future__ import annotations

from workers.custom import CustomEvaluator
from workers.data.dataset import Dataset
from workers.evaluate import Evaluator
from workers.measure.meter import LatencyMeter, Prepared
from workers.messages import Calibration, EvaluationRequest, EvaluationResult
from workers.training.allocator import keep_freed_memory


class TrainingWorker:
    """Lives as long as the search; the data stays resident on its device. Without data it only calls evaluators."""

    def __init__(self, data: Dataset | None, device: str) -> None:
        keep_freed_memory()
        self._custom = CustomEvaluator()
        self._trainer = None if data is None else Evaluator(data, device=device)

    def prepare(self, request: EvaluationRequest) -> tuple[EvaluationResult, Prepared | None]:
        """All of an evaluation but the latency; the second value is what remains to be timed, None if nothing does."""
        if self._trainer is None or request.task.evaluator is not None:
            return self._custom.evaluate(request), None
        return self._trainer.prepare(request)

    def ping(self) -> str:
        """The device that it trains on."""
        return self._custom.device if self._trainer is None else self._trainer.device


class MeasuringWorker:
    """Holds the latency slot: the only process of the search that times networks, one at a time."""

    def __init__(self) -> None:
        self._meter = LatencyMeter()

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The yardstick of this device."""
        return self._meter.calibrate(known)

    def finish(self, result: EvaluationResult, prepared: Prepared | None, calibration: Calibration) -> EvaluationResult:
        """The result with the latency in it."""
        return result if prepared is None else self._meter.complete(result, prepared, calibration)
