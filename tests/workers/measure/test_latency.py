"""The paired protocol on scripted clocks, and once on the real one."""

import gc
import math
import statistics

import numpy as np
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.measure import latency as module
from gasearch_workers.measure.device import device_name
from gasearch_workers.measure.latency import (
    BLOCKS_FACTOR,
    MOMENTS,
    Protocol,
    calibrate,
    inference_call,
    measure_latency,
    paired_ratios,
    sample_input,
)
from gasearch_workers.measure.reference_model import SHAPE, reference_model
from gasearch_workers.messages import Blueprint, Calibration, Layer

from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network

SHORT = Protocol(warmup_calls=3, blocks=4, pairs=8, limit_s=10.0)


class ScriptedMachine:
    """Calls that take the time they are given, times the slowness of the moment, on a clock that only they move."""

    def __init__(self, slowness=lambda call: 1.0):
        self.now_ns, self.calls, self.log, self._slowness = 1_000, 0, [], slowness

    def clock(self):
        return self.now_ns

    def call(self, name, duration_us):
        def run():
            self.now_ns += round(1_000 * duration_us * self._slowness(self.calls))
            self.calls += 1
            self.log.append(name)

        return run

    def ratios(self, candidate_us, reference_us, protocol=SHORT):
        candidate, reference = self.call("candidate", candidate_us), self.call("reference", reference_us)
        return paired_ratios(candidate, reference, protocol=protocol, clock=self.clock)


def small_model():
    layers = (Layer(kind="conv", width=8, kernel=3, weight_bits=8, activation_bits=8),)
    head = Layer(kind="linear", width=4, weight_bits=8)
    blueprint = Blueprint(family="cnn", input_shape=(1, 8, 8), layers=(*layers, head))
    return to_onnx(random_network(blueprint, np.random.default_rng(0))).SerializeToString()


def test_the_ratio_of_steady_calls_is_the_ratio_of_their_times():
    assert ScriptedMachine().ratios(50, 200) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("calls", [5, 16, 40])
def test_a_neighbour_that_slows_both_alike_changes_nothing(calls):
    busy = ScriptedMachine(slowness=lambda call: 2.5 if call // calls % 2 else 1.0)
    assert busy.ratios(80, 100) == pytest.approx([0.8] * 4)


def test_interrupted_calls_do_not_count():
    interrupted = ScriptedMachine(slowness=lambda call: 1.0 if call % 5 == 0 else 1.0 + call % 7)
    assert interrupted.ratios(80, 100, Protocol(blocks=4, pairs=20)) == pytest.approx([0.8] * 4)


def test_the_two_networks_take_turns_in_going_first():
    machine = ScriptedMachine()
    machine.ratios(10, 10, Protocol(warmup_calls=0, blocks=2, pairs=4))
    assert machine.log[:4] == ["candidate", "reference", "reference", "candidate"]
    assert machine.log.count("candidate") == machine.log.count("reference") == 8


def test_warm_up_calls_are_not_timed():
    boosted = ScriptedMachine(slowness=lambda call: 0.5 if call < 6 and call % 2 == 0 else 1.0)
    assert boosted.ratios(100, 100) == pytest.approx([1.0] * 4)


def test_slow_networks_get_two_short_blocks():
    slow = ScriptedMachine()
    assert slow.ratios(500_000, 100, Protocol(limit_s=1.0)) == pytest.approx([5_000] * 2)
    assert slow.log.count("candidate") == 2 + 2 * 10


def test_a_clock_too_coarse_for_the_calls_gives_finite_ratios():
    assert ScriptedMachine().ratios(0, 0) == pytest.approx([1.0] * 4)


def test_garbage_is_not_collected_while_calls_are_timed_and_again_afterwards():
    seen = []
    paired_ratios(lambda: seen.append(gc.isenabled()), lambda: None, protocol=SHORT, clock=ScriptedMachine().clock)
    assert not any(seen)
    assert gc.isenabled()


RATIOS = [0.5, 0.49, 0.51, 0.5, 0.5]


@pytest.fixture
def machine(monkeypatch):
    """A machine on which a network takes 50 us, the reference 100."""
    scripted = ScriptedMachine()
    monkeypatch.setattr(module, "inference_call", lambda *_: scripted.call("candidate", 50))
    monkeypatch.setattr(module, "reference_call", lambda: scripted.call("reference", 100))
    return scripted


def measured(machine, *, reference_ms=0.1, pause=lambda _: None, **protocol):
    calibration = Calibration(device=device_name(), reference_latency_ms=reference_ms)
    return measure_latency(
        b"",
        sample_input((1, 8, 8), "uint8"),
        calibration=calibration,
        protocol=Protocol(**protocol),
        clock=machine.clock,
        pause=pause,
    )


def test_latency_is_the_median_ratio_times_the_reference_s(machine, monkeypatch):
    monkeypatch.setattr(module, "paired_ratios", lambda *_, **__: RATIOS)
    found = measured(machine)
    assert found.latency_ms == pytest.approx(0.05)
    assert found.device == device_name()


def test_the_spread_holds_what_the_blocks_tell_and_what_other_moments_make_of_it(machine, monkeypatch):
    assert measured(machine).spread_ms == pytest.approx(0.05 * MOMENTS)
    monkeypatch.setattr(module, "paired_ratios", lambda *_, **__: RATIOS)
    of_blocks = BLOCKS_FACTOR * statistics.stdev(RATIOS) / 0.5
    assert measured(machine).spread_ms == pytest.approx(0.05 * math.hypot(of_blocks, MOMENTS))


@pytest.mark.parametrize("reference_ms", [0.15, 0.2, 0.08])
def test_the_spread_holds_the_error_of_a_reference_latency_that_was_taken_at_another_moment(machine, reference_ms):
    found = measured(machine, reference_ms=reference_ms)
    assert abs(found.latency_ms - 0.05) <= found.spread_ms


def test_a_disturbed_measurement_is_repeated_and_the_calmest_counts(machine, monkeypatch):
    rounds = iter([[0.5, 0.9, 0.7, 0.6, 0.5], RATIOS, [0.1] * 5])
    monkeypatch.setattr(module, "paired_ratios", lambda *_, **__: next(rounds))
    pauses = []
    found = measured(machine, pause=pauses.append)
    assert (found.latency_ms, pauses) == (pytest.approx(0.05), [Protocol().pause_s])


def test_a_machine_that_stays_disturbed_is_measured_as_often_as_the_protocol_says_and_no_more(machine, monkeypatch):
    rounds = iter([[0.5, 0.9, 0.7, 0.6, 0.5], [0.5, 0.6, 0.5, 0.5, 0.5], [0.1, 0.9, 0.5, 0.2, 0.3]])
    monkeypatch.setattr(module, "paired_ratios", lambda *_, **__: next(rounds))
    found = measured(machine, rounds=3)
    assert found.latency_ms == pytest.approx(0.05)
    assert 0.1 * 0.5 * 0.15 < found.spread_ms < 0.1 * 0.5 * 0.25
    assert next(rounds, None) is None


def test_a_calibration_of_another_device_is_refused():
    calibration = Calibration(device="Abacus 9000", reference_latency_ms=0.1)
    with pytest.raises(ValueError, match=r"a calibration of '.+' is needed here; got one of 'Abacus 9000'"):
        measure_latency(small_model(), sample_input((1, 8, 8), "uint8"), calibration=calibration)


def test_the_reference_measured_against_itself_has_the_ratio_1():
    call, other = (inference_call(reference_model(), sample_input(SHAPE, "uint8")) for _ in range(2))
    assert statistics.median(paired_ratios(call, other, protocol=Protocol(), clock=module.time.perf_counter_ns)) == (
        pytest.approx(1.0, abs=0.2)
    )


def test_a_real_calibration_and_measurement_are_positive_and_name_this_device():
    calibration = calibrate()
    found = measure_latency(small_model(), sample_input((1, 8, 8), "uint8"), calibration=calibration)
    assert calibration.device == found.device == device_name()
    assert 0 < found.latency_ms < calibration.reference_latency_ms  # 8 x 8 x 8 outputs against 32 x 32 x 16 and more
    assert found.spread_ms >= 0


def test_calibration_takes_the_calm_blocks_of_a_half_busy_machine(monkeypatch):
    machine = ScriptedMachine(slowness=lambda call: 3.0 if call // 300 % 2 else 1.0)
    monkeypatch.setattr(module, "reference_call", lambda: machine.call("reference", 100))
    assert calibrate(machine.clock, pause=lambda _: None).reference_latency_ms == pytest.approx(0.1)


@pytest.mark.parametrize(("busy_until_s", "moments"), [(0.0, 2), (0.3, 3), (0.8, 4), (60.0, 2)])
def test_calibration_waits_until_two_moments_agree_on_the_lowest(monkeypatch, busy_until_s, moments):
    """A machine whose slowness changes while it is busy; equally busy all the time it can't be told from a slow one."""
    machine = ScriptedMachine()
    passed = []

    def pause(seconds):
        passed.append(seconds)
        machine.now_ns += round(seconds * 1e9)

    def slowness(call):
        return 1.0 if machine.now_ns > busy_until_s * 1e9 else 2.0 if busy_until_s > 9 else 2.0 - 0.5 * len(passed)

    machine._slowness = slowness
    monkeypatch.setattr(module, "reference_call", lambda: machine.call("reference", 100))
    found = calibrate(machine.clock, pause=pause).reference_latency_ms
    assert found == pytest.approx(0.2 if busy_until_s > 9 else 0.1)
    assert len(passed) == moments - 1


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("float32", -2, 2)])
def test_the_sample_has_the_datas_shape_type_and_range(dtype, low, high):
    sample = sample_input((3, 16, 16), dtype)
    assert sample.shape == (1, 3, 16, 16)
    assert sample.dtype == dtype
    assert (sample.min(), sample.max()) == (pytest.approx(low, abs=1), pytest.approx(high, abs=1))


@pytest.mark.parametrize(
    ("shape", "categories"), [((40,), (7,)), ((25, 2), (30, 4)), ((2,), (5, 900)), ((9,), (2,)), ((3,), (1,))]
)
def test_sampled_codes_exist_in_their_columns_and_no_token_is_padding(shape, categories):
    sample = sample_input(shape, "int32", categories)
    assert sample.shape == (1, *shape)
    assert sample.dtype == np.int32
    assert (sample < np.array(categories)).all()
    assert (sample > 0).all() or 1 in categories
    assert (sample >= 0).all()


def test_a_sampled_row_of_a_table_ends_with_its_codes():
    sample = sample_input((6,), "float32", (3, 1))
    assert sample.dtype == np.float32
    assert (sample[:, :4] == sample_input((6,), "float32")[:, :4]).all()
    assert sample[0, 4] in (1.0, 2.0)
    assert sample[0, 5] == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_each_family_can_be_timed(family):
    rng = np.random.default_rng(3)
    network = random_network(random_blueprint(rng, family=family, is_compressed=True), rng)
    found = measure_latency(
        to_onnx(network).SerializeToString(),
        sample_input(network.plan.input_shape, network.input.dtype, network.plan.categories),
        calibration=Calibration(device=device_name(), reference_latency_ms=0.1),
        protocol=Protocol(warmup_calls=1, blocks=2, pairs=2, rounds=1),
    )
    assert found.latency_ms > 0
