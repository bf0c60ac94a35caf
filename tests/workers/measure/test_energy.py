"""Counters on a made-up powercap folder, the meter that reads them, and what the estimate says of networks."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.measure.energy import Rapl, energy_estimate, find_rapl, mac_picojoules, measure_energy
from gasearch_workers.messages import (
    Blueprint,
    Layer,
)
from gasearch_workers.network.plan import plan
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.integer_networks import FAMILIES, random_blueprint
from tests.workers.measure.counters import RANGE_UJ, write_zone


class ScriptedPackage:
    """A package that draws power while time passes, and more per call, on a clock that only they move."""

    def __init__(self, powercap, *, idle_w, call_j, call_s=0.001, start_uj=0):
        self.counter = write_zone(powercap, "intel-rapl:0", "package-0", start_uj)
        self.now, self.joules = 0.0, start_uj / 1e6
        self.idle_w, self.call_j, self.call_s = idle_w, call_j, call_s

    def clock(self):
        return self.now

    def sleep(self, seconds, extra_j=0.0):
        self.now += seconds
        self.joules += self.idle_w * seconds + extra_j
        self.counter.write_text(f"{round(self.joules * 1e6) % (RANGE_UJ + 1)}\n")

    def call(self):
        self.sleep(self.call_s, self.call_j)

    def measure(self, powercap):
        return measure_energy(self.call, find_rapl(powercap), clock=self.clock, sleep=self.sleep)


# --- counter ----------------------------------------------------------------------------------------------------


def test_packages_are_counted_and_not_their_parts(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0")
    write_zone(tmp_path, "intel-rapl:0:0", "core")
    write_zone(tmp_path, "intel-rapl:1", "psys")
    write_zone(tmp_path, "intel-rapl:2", "package-1")
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    found = find_rapl(tmp_path)
    assert [counter.parent.name for counter in found.packages] == ["intel-rapl:0", "intel-rapl:2"]
    assert found.read() == (1_000, 1_000)


def test_a_machine_without_counters_has_none(tmp_path):
    assert find_rapl(tmp_path / "nothing") is None
    assert find_rapl(tmp_path) is None


def test_a_counter_that_this_user_may_not_read_is_none(tmp_path):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0")
    counter.unlink()
    counter.mkdir()  # as unreadable to root as to anyone
    assert find_rapl(tmp_path) is None


def test_a_counter_that_says_no_number_is_none(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", "n/a")
    assert find_rapl(tmp_path) is None


@given(st.integers(0, RANGE_UJ), st.integers(0, RANGE_UJ))
def test_a_counter_that_wrapped_around_goes_on_from_zero(first, spent):
    rapl = Rapl(packages={Path("energy_uj"): RANGE_UJ})
    assert rapl.spent_j((first,), ((first + spent) % (RANGE_UJ + 1),)) == pytest.approx(spent / 1e6)


# --- measurement ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start_uj", [0, RANGE_UJ - 1_000_000])
def test_the_energy_of_a_call_is_what_it_adds_to_the_idle_power(tmp_path, start_uj):
    package = ScriptedPackage(tmp_path, idle_w=20.0, call_j=0.003, start_uj=start_uj)
    assert package.measure(tmp_path) == pytest.approx(0.003, rel=1e-3)


def test_it_is_taken_over_half_a_second_of_calls_at_least(tmp_path):
    package = ScriptedPackage(tmp_path, idle_w=20.0, call_j=0.003)
    calls = []
    measure_energy(
        lambda: (calls.append(1), package.call()), find_rapl(tmp_path), clock=package.clock, sleep=package.sleep
    )
    assert 500 <= len(calls) <= 502


def test_a_call_that_adds_nothing_has_no_measured_energy(tmp_path):
    assert ScriptedPackage(tmp_path, idle_w=20.0, call_j=0.0).measure(tmp_path) is None


def test_counters_that_vanish_amid_the_calls_give_none(tmp_path):
    package = ScriptedPackage(tmp_path, idle_w=20.0, call_j=0.003)
    rapl = find_rapl(tmp_path)
    package.sleep = lambda seconds: package.counter.unlink()
    assert measure_energy(package.call, rapl, clock=package.clock, sleep=package.sleep) is None


# --- estimate ---------------------------------------------------------------------------------------------------


def dense(width=10, bits=8, features=100):
    layer = Layer(kind="linear", width=width, weight_bits=bits, activation_bits=bits)
    return Blueprint(family="mlp", input_shape=(features,), layers=(layer, Layer(kind="linear", width=3)))


def test_the_estimate_adds_macs_and_bytes_of_every_step():
    head = Layer(kind="linear", width=4, weight_bits=4)
    blueprint = Blueprint(family="mlp", input_shape=(10,), layers=(head,))
    macs = 40 * (0.2 * 4 * 8 / 64 + 0.1)
    moved = 40 / 2 + 4 * 4 + 10 + 4 * 4  # weights, biases, input, output
    assert energy_estimate(plan(blueprint)) == pytest.approx(1e-12 * (macs + moved * 100 / 8))


def test_a_network_beyond_the_cache_pays_for_dram():
    small, large = (energy_estimate(plan(dense(width=width, features=1_000))) / width for width in (1_000, 1_100))
    assert large > 10 * small


def test_a_table_costs_the_rows_that_are_looked_up():
    def of(rows):
        layers = (Layer(kind="embedding", width=8), Layer(kind="linear", width=2))
        return energy_estimate(plan(Blueprint(family="text", input_shape=(20,), categories=(rows,), layers=layers)))

    assert of(100) == of(200)


def test_a_float_factor_makes_the_product_float():
    assert mac_picojoules(32, 8) == mac_picojoules(8, 32) == mac_picojoules(32, 32) == pytest.approx(4.6)
    assert mac_picojoules(8, 8) == pytest.approx(0.3)


def raised(blueprint, number, field):
    """The blueprint with one precision raised to the next one that there is."""
    layers = list(blueprint.layers)
    bits = getattr(layers[number], field)
    higher = {8: 32, 32: 32}.get(bits, bits + 1)
    layers[number] = dataclasses.replace(layers[number], **{field: higher})
    return dataclasses.replace(blueprint, layers=tuple(layers))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_more_bits_never_take_less_energy(family, seed, data):
    blueprint = random_blueprint(np.random.default_rng(seed), family=family, is_compressed=True)
    number = data.draw(st.integers(0, len(blueprint.layers) - 1))
    field = data.draw(st.sampled_from(["weight_bits", "activation_bits"]))
    before, after = energy_estimate(plan(blueprint)), energy_estimate(plan(raised(blueprint, number, field)))
    assert after >= before * (1 - 1e-12)


@given(width=st.integers(1, 60), more=st.integers(1, 60), bits=st.sampled_from([1, 2, 4, 8, 32]))
def test_more_macs_take_more_energy(width, more, bits):
    assert energy_estimate(plan(dense(width + more, bits))) > energy_estimate(plan(dense(width, bits)))


def test_the_controller_can_import_it_without_any_library():
    probe = "import sys, gasearch_workers.measure.energy; print(sorted({'numpy', 'torch', 'onnx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
