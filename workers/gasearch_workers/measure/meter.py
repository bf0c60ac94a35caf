"""What measures the networks of a search, one at a time: one process, on the one device that all of it comes from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gasearch_workers.machine.memory_errors import is_out_of_memory
from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.measure.command import CommandError, measure_by_command
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.energy import POWERCAP, find_rapl, measure_energy
from gasearch_workers.measure.latency import calibrate, inference_call, measure_latency, sample_input
from gasearch_workers.messages import (
    Calibration,
    DeviceCommand,
    EvaluationResult,
    FailureKind,
    Measurement,
    Outcome,
    Prepared,
)
from gasearch_workers.results import failure


class LatencyMeter:
    """Times networks on this machine's CPU, or by the user's command. One per search holds the latency slot."""

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

    def complete(
        self, result: EvaluationResult, prepared: Prepared, calibration: Calibration | None
    ) -> EvaluationResult:
        """The result with latency and spread in its measurement; a graph that doesn't run makes it a failure.

        Where energy is wanted and a counter gives it, it takes the place of the estimate. A command of the user's
        measures after that: what it gives takes the place of ours, and what is no answer makes it a failure.

        Args:
            result: Of the training.
            prepared: The graph to time, what it takes, and the command.
            calibration: Of this device; None where no latency is wanted.
        """
        if not isinstance(result.outcome, Measurement):
            return result
        watch = Stopwatch()
        outcome: Outcome = result.outcome
        if prepared.is_timed and calibration is not None:
            outcome = self._timed(result.outcome, prepared, calibration)
        if prepared.command is not None and isinstance(outcome, Measurement):
            outcome = _measured_by(prepared.command, prepared, result.key, outcome)
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


def _measured_by(command: DeviceCommand, prepared: Prepared, key: str, measurement: Measurement) -> Outcome:
    try:
        return measure_by_command(command, prepared.files, key=key, measured=measurement)
    except CommandError as error:
        return dataclasses.replace(failure(FailureKind.USER_ERROR, error), traceback="", output=error.output)
    except OSError as error:  # no room for the folder, or for one more process
        return failure(FailureKind.WORKER_LOST, error, is_named=True)
