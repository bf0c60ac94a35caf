"""The meter completes what a training measured, by latency and where it is counted by energy."""

import dataclasses
import sys

import numpy as np
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.measure import meter as meter_module
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.latency import Latency
from gasearch_workers.measure.meter import LatencyMeter
from gasearch_workers.messages import (
    Calibration,
    DeviceCommand,
    EvaluationResult,
    Failure,
    FailureKind,
    Measurement,
    Prepared,
)

from tests.workers.integer_networks import random_blueprint, random_network
from tests.workers.measure.counters import write_zone

CALIBRATION = Calibration(device=device_name(), reference_latency_ms=0.1)
ESTIMATED = Measurement(accuracy=0.5, energy_j=1e-9, energy_source="estimate")


def result_of(outcome):
    return EvaluationResult(
        key="k", attempt=1, worker="w", device="cpu", started_at=0.0, finished_at=1.0, outcome=outcome
    )


def prepared(**changes):
    network = random_network(random_blueprint(np.random.default_rng(0), family="mlp"), np.random.default_rng(0))
    given = Prepared(
        graph=to_onnx(network).SerializeToString(),
        input_shape=network.plan.input_shape,
        input_dtype=network.input.dtype,
        categories=network.plan.categories,
    )
    return dataclasses.replace(given, **changes)


@pytest.fixture
def instant_latency(monkeypatch):
    latency = Latency(latency_ms=0.5, spread_ms=0.1, device=device_name())
    monkeypatch.setattr(meter_module, "measure_latency", lambda *_, **__: latency)


@pytest.mark.parametrize(
    ("is_wanted", "measured_j", "expected"),
    [(True, 0.25, (0.25, "rapl")), (True, None, (1e-9, "estimate")), (False, 0.25, (1e-9, "estimate"))],
)
def test_a_measured_energy_takes_the_place_of_the_estimate_where_it_is_wanted_and_had(
    tmp_path, monkeypatch, instant_latency, is_wanted, measured_j, expected
):
    write_zone(tmp_path, "intel-rapl:0", "package-0")
    monkeypatch.setattr(meter_module, "measure_energy", lambda call, rapl: call() or measured_j)
    done = LatencyMeter(powercap=tmp_path).complete(
        result_of(ESTIMATED), prepared(is_energy_wanted=is_wanted), CALIBRATION
    )
    assert (done.outcome.energy_j, done.outcome.energy_source) == expected
    assert (done.outcome.accuracy, done.outcome.latency_ms, done.outcome.latency_spread_ms) == (0.5, 0.5, 0.1)


def test_without_a_counter_the_estimate_stays(tmp_path, instant_latency):
    done = LatencyMeter(powercap=tmp_path).complete(result_of(ESTIMATED), prepared(is_energy_wanted=True), CALIBRATION)
    assert (done.outcome.energy_j, done.outcome.energy_source) == (1e-9, "estimate")


def test_a_failure_is_not_measured(tmp_path):
    failed = result_of(Failure(kind=FailureKind.DIVERGED, message=""))
    assert LatencyMeter(powercap=tmp_path).complete(failed, prepared(graph=b""), CALIBRATION) == failed


def saying(text, *, metrics=("ram_bytes",)):
    """A command that prints a text."""
    return DeviceCommand(arguments=(sys.executable, "-c", f"print({text!r})"), metrics=metrics, timeout_s=30.0)


def test_a_command_of_the_users_measures_where_no_latency_is_wanted(tmp_path):
    asked = prepared(graph=b"", is_timed=False, command=saying('{"ram_bytes": 12}'), files=(("model.gap", b"x"),))
    done = LatencyMeter(powercap=tmp_path).complete(result_of(ESTIMATED), asked, None)
    assert done.outcome == dataclasses.replace(ESTIMATED, others=(("ram_bytes", 12.0),))


def test_a_command_that_gives_no_answer_is_a_failure_of_the_users_with_what_it_wrote(tmp_path):
    asked = prepared(graph=b"", is_timed=False, command=saying("no board"))
    done = LatencyMeter(powercap=tmp_path).complete(result_of(ESTIMATED), asked, None)
    assert (done.outcome.kind, done.outcome.output) == (FailureKind.USER_ERROR, "no board\n")
    assert done.outcome.message.startswith("measure.command (")
    assert "must print one JSON object and nothing else; got 'no board'" in done.outcome.message
    assert not done.outcome.is_retryable


def test_latency_and_command_complete_a_measurement_together(tmp_path, instant_latency):
    asked = prepared(command=saying('{"energy_j": 3}', metrics=("energy_j",)))
    done = LatencyMeter(powercap=tmp_path).complete(result_of(ESTIMATED), asked, CALIBRATION)
    assert (done.outcome.latency_ms, done.outcome.energy_j, done.outcome.energy_source) == (0.5, 3.0, "command")


def test_a_known_calibration_of_this_device_is_gone_on_with(tmp_path):
    foreign = Calibration(device="another CPU", reference_latency_ms=0.2)
    assert LatencyMeter(powercap=tmp_path).calibrate((foreign, CALIBRATION)) == CALIBRATION


def test_a_graph_that_does_not_run_fails_its_evaluation_and_nothing_else(tmp_path):
    done = LatencyMeter(powercap=tmp_path).complete(result_of(ESTIMATED), prepared(graph=b"no graph"), CALIBRATION)
    assert done.outcome.kind is FailureKind.CRASHED
    assert done.key == "k"
