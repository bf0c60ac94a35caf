"""What a network takes in the forms for microcontrollers, measured during a search."""

import re
from dataclasses import replace

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation import deployed as module
from gasearch_workers.evaluation.deployed import NotMeasured, deployed_metrics, why_not_here
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.export.exporters import EXPORTERS, TFLITE
from gasearch_workers.measure.emulators import emulator
from gasearch_workers.measure.footprint import CPUS, Footprint
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import DEPLOYED, Failure, FailureKind, Microcontroller, Recipe
from gasearch_workers.runtimes.tflite_micro import arena_bytes, version

from tests.doubles.requests import request_for
from tests.workers.evaluation.test_evaluate import mlp
from tests.workers.integer_networks import random_blueprint, random_network

C = ("flash_bytes", "instructions", "ram_bytes")
needs_tools = pytest.mark.skipif(
    toolchain() is None or emulator() is None, reason="no cross compiler, or no emulator, is installed"
)
needs_micro = pytest.mark.skipif(version() is None, reason="TFLite Micro isn't installed")


@pytest.fixture(scope="module")
def network():
    return random_network(random_blueprint(np.random.default_rng(0), family="mlp"), np.random.default_rng(0))


def test_each_metric_belongs_to_a_form_and_the_cpus_are_those_of_the_footprint():
    assert set(DEPLOYED.values()) <= set(EXPORTERS.names())
    assert Microcontroller.__args__ == CPUS


def test_nothing_is_written_where_nothing_is_wanted(network):
    assert deployed_metrics(network, frozenset({"latency_ms"}), "cortex-m4") == {}


@needs_micro
def test_the_arena_is_that_of_the_written_file(network):
    found = deployed_metrics(network, frozenset({"arena_bytes"}), "cortex-m4")
    content = TFLITE.write(network, np.zeros((0, *network.plan.input_shape), np.float32))["model.tflite"]
    assert found == {"arena_bytes": arena_bytes(content)}


@needs_tools
def test_flash_ram_and_instructions_are_those_of_the_cpu(network):
    small, large = (deployed_metrics(network, frozenset(C), cpu) for cpu in ("cortex-m0plus", "cortex-m4"))
    assert set(small) == set(large) == set(C)
    assert small["instructions"] > large["instructions"] > 0


def test_what_is_not_installed_is_told_with_what_to_install(network, monkeypatch):
    monkeypatch.setattr(module, "toolchain", lambda name: None)
    monkeypatch.setattr(module, "micro_version", lambda: None)
    found = why_not_here(DEPLOYED)
    assert set(found) == set(DEPLOYED)
    assert "pip install 'gasearch[firmware]'" in found["flash_bytes"]
    assert "pip install 'gasearch[tflite]'" in found["arena_bytes"]
    with pytest.raises(NotMeasured, match=r"^ram_bytes can't be measured: it needs a cross compiler: apt-get install"):
        deployed_metrics(network, frozenset({"ram_bytes"}), "cortex-m4")
    monkeypatch.setattr(module, "toolchain", lambda name: object())
    monkeypatch.setattr(module, "emulator", lambda: None)
    assert why_not_here(C) == {
        "instructions": "it needs an emulator: apt-get install qemu-system-arm, or pip install 'gasearch[firmware]'"
    }


def test_a_compiler_that_fails_fails_the_evaluation_with_its_words(network, monkeypatch):
    broken = Footprint(cpu="cortex-m4", flash_bytes=None, absent={"flash_bytes": "ld: out of luck"})
    monkeypatch.setattr(module, "why_not_here", lambda wanted, compiler: {})
    monkeypatch.setattr(module, "footprint", lambda folder, cpu, compiler: broken)
    with pytest.raises(NotMeasured, match=r"^flash_bytes can't be measured: ld: out of luck$"):
        deployed_metrics(network, frozenset({"flash_bytes"}), "cortex-m4")


def test_an_evaluation_measures_what_it_is_asked_for_beside_all_else(monkeypatch):
    evaluator, asked = Evaluator(load_dataset("digits")), []

    def footprint(folder, cpu, compiler):
        asked.append((cpu, compiler, sorted(path.name for path in folder.iterdir())))
        return Footprint(cpu="cortex-m0plus", flash_bytes=900, ram_bytes=80, instructions=7)

    monkeypatch.setattr(module, "why_not_here", lambda wanted, compiler: {})
    monkeypatch.setattr(module, "footprint", footprint)
    request = request_for(mlp(), recipe=Recipe(epochs=1, batch_size=64))
    wanted = frozenset({"flash_bytes", "instructions"})
    outcome = evaluator.evaluate(replace(request, measures=wanted, cpu="cortex-m0plus", toolchain="zig")).outcome
    assert dict(outcome.others) == {"flash_bytes": 900, "instructions": 7}
    assert asked == [("cortex-m0plus", "zig", ["model.c", "model.gap", "model.h", "vectors.h"])]
    assert outcome.latency_ms is None


def test_a_network_that_the_form_can_not_hold_is_infeasible_before_its_training():
    evaluator = Evaluator(load_dataset("digits"))
    floats = replace(mlp(), layers=tuple(replace(one, weight_bits=32, activation_bits=32) for one in mlp().layers))
    request = request_for(floats, recipe=Recipe(epochs=1, batch_size=64))
    outcome = evaluator.evaluate(replace(request, measures=frozenset({"flash_bytes"}))).outcome
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.curve) == (FailureKind.INFEASIBLE, ())
    assert re.match(r"c can't hold a network that takes floats; forms that can hold", outcome.message)
