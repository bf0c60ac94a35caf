"""What times the networks of a search: one process, on the one device that all latencies come from."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

from workers.measure.device import device_name
from workers.measure.latency import calibrate, measure_latency
from workers.messages import Calibration, EvaluationResult, FailureKind, Measurement
from workers.result import failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network that is ready to be timed."""

    graph: bytes  #: The integer network as an ONNX file.
    input_shape: tuple[int, ...]  #: Of one sample.
    input_dtype: str


class LatencyMeter:
    """Times networks on this machine's CPU, one at a time. One per search holds the latency slot."""

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The yardstick of this device: the known one, so that a resumed search goes on with it, or a fresh one."""
        name = device_name()
        for calibration in known:
            if calibration.device == name:
                return calibration
        return calibrate()

    def complete(self, result: EvaluationResult, prepared: Prepared, calibration: Calibration) -> EvaluationResult:
        """The result with latency and spread in its measurement; a graph that doesn't run makes it a failure."""
        if not isinstance(result.outcome, Measurement):
            return result
        try:
            latency = measure_latency(
                prepared.graph, shape=prepared.input_shape, dtype=prepared.input_dtype, calibration=calibration
            )
        except Exception as error:  # whatever the runtime raises is this evaluation's failure, not the search's
            return dataclasses.replace(result, outcome=failure(FailureKind.CRASHED, error, is_named=True))
        measured = dataclasses.replace(
            result.outcome,
            latency_ms=latency.latency_ms,
            latency_spread_ms=latency.spread_ms,
            latency_device=latency.device,
        )
        return dataclasses.replace(result, outcome=measured, finished_at=time.time())
