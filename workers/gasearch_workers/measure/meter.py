"""What times the networks of a search: one process, on the one device that all latencies and energies come from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gasearch_workers.machine.memory_errors import is_out_of_memory
from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.energy import POWERCAP, find_rapl, measure_energy
from gasearch_workers.measure.latency import calibrate, inference_call, measure_latency, sample_input
from gasearch_workers.messages import Calibration, EvaluationResult, FailureKind, Measurement, Outcome, Prepared
from gasearch_workers.results import failure


class LatencyMeter:
    """Times networks on this machine's CPU, one at a time. One per search holds the latency slot."""

    def __init__(self, *, powercap: Path = POWERCAP) -> None:
        """Look for energy counters in Linux's powercap folder."""
        self._rapl = find_rapl(powercap)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """This device's reference latency: the known one, so that a resumed search goes on with it, or a fresh one."""
        name = device_name()
        for calibration in known:
            if calibration.device == name:
                return calibration
        return calibrate()

    def complete(self, result: EvaluationResult, prepared: Prepared, calibration: Calibration) -> EvaluationResult:
        """The result with latency and spread in its measurement; a graph that doesn't run makes it a failure.

        Where energy is wanted and a counter gives it, it takes the place of the estimate.

        Args:
            result: Of the training.
            prepared: The graph to time, and what it takes.
            calibration: Of this device.
        """
        if not isinstance(result.outcome, Measurement):
            return result
        watch = Stopwatch()
        outcome = self._timed(result.outcome, prepared, calibration)
        seconds = result.duration_s + watch.seconds  # the wait for this device is no work
        return dataclasses.replace(result, outcome=outcome, finished_at=Stopwatch.date(), seconds=seconds)

    def _timed(self, measurement: Measurement, prepared: Prepared, calibration: Calibration) -> Outcome:
        try:
            sample = sample_input(prepared.input_shape, prepared.input_dtype, prepared.categories)
            latency = measure_latency(prepared.graph, sample, calibration=calibration)
            energy_j = None
            if self._rapl is not None and prepared.is_energy_wanted:
                energy_j = measure_energy(inference_call(prepared.graph, sample), self._rapl)
        except Exception as error:  # whatever the runtime raises is this evaluation's failure, not the search's
            kind = FailureKind.OUT_OF_MEMORY if is_out_of_memory(error) else FailureKind.CRASHED
            return failure(kind, error, is_named=True)
        measured = dataclasses.replace(
            measurement,
            latency_ms=latency.latency_ms,
            latency_spread_ms=latency.spread_ms,
            latency_device=latency.device,
        )
        return measured if energy_j is None else dataclasses.replace(measured, energy_j=energy_j, energy_source="rapl")
