"""The closed form of the peak memory against a trace: an executor that allocates real arrays and drops each in time."""

import gc
import subprocess
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.memory import peak_memory_bytes, weight_bytes
from gasearch_workers.network.plan import plan
from onnx import numpy_helper

from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network


class Memory:
    """Gives arrays and knows, from their own finalizers, how many bytes of them live: now, and at most so far."""

    def __init__(self):
        self.live = self.peak = 0

    def array(self, shape, dtype):
        found = np.full(shape, 1, dtype)
        self.live += found.nbytes
        self.peak = max(self.peak, self.live)
        weakref.finalize(found, self._free, found.nbytes)
        return found

    def _free(self, nbytes):
        self.live -= nbytes


def element(bits):
    return np.float32 if bits == 32 else np.uint8


def make_weights(step, memory):
    """All that a step keeps in memory, as the deployed graph holds it."""
    if not step.has_weights:
        return []
    weight = memory.array(step.weight_shape, np.float32 if step.weight_bits == 32 else np.int8)
    return [weight, memory.array(step.scales, np.float32), memory.array(step.biases, np.float32)]


def take_in(layout, memory):
    """The tensors "input" and "codes" of one raw sample, as far as the network reads them; views where it can be."""
    names = {name for step in layout.steps for name in step.inputs}
    is_image = layout.input_kind == "image"
    raw = memory.array(layout.input_shape, np.uint8 if is_image else np.float32)
    tensors = {}
    if "codes" in names:
        tensors["codes"] = raw[len(raw) - len(layout.categories) :] if layout.input_kind == "table" else raw[...]
    if "input" in names and is_image and layout.input_bits != 32:
        tensors["input"] = raw[...]
    elif "input" in names:
        numbers = layout.input_shape if is_image else (layout.numbers,)
        tensors["input"] = memory.array(numbers, element(layout.input_bits))
    return tensors


def run(layout, memory):
    """The plan step by step: each output is a new array (of `flatten` a view); tensors go when nobody reads them."""
    weights = [make_weights(step, memory) for step in layout.steps]
    tensors = take_in(layout, memory)
    for number, step in enumerate(layout.steps):
        if step.op == "flatten":
            output = tensors[step.inputs[0]].reshape(step.output_shape)
        else:
            output = memory.array(step.output_shape, element(step.output_bits))
        if step.op == "attention":
            memory.array((step.heads, step.output_shape[0], step.output_shape[0]), np.float32)
        tensors[step.name] = output
        del output
        read_later = {name for later in layout.steps[number + 1 :] for name in later.inputs}
        tensors = {name: tensor for name, tensor in tensors.items() if name in read_later or number + 1 == len(weights)}
    return tensors, weights


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peak_is_that_of_a_run_that_drops_each_tensor_after_its_last_use(family):
    rng = np.random.default_rng(11)
    for number in range(60):
        layout = plan(random_blueprint(rng, family=family, is_compressed=number % 2 == 1, layers=(0, 4)))
        memory = Memory()
        run(layout, memory)
        assert peak_memory_bytes(layout) == memory.peak


def traced_peak(layout):
    """Most bytes that Python's allocator had given at once while the plan ran."""
    gc.collect()
    tracemalloc.start()
    try:
        run(layout, Memory())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peak_is_what_the_allocator_gave_within_5_percent_and_16_kb(family):
    rng = np.random.default_rng(12)
    blueprint = random_blueprint(rng, family=family, side=(40, 60), widths=(256,), layers=(2, 3))
    layout = plan(blueprint)
    run(layout, Memory())  # whatever is imported or cached on first use
    given = min(traced_peak(layout) for _ in range(3))  # what else the process does meanwhile only adds
    assert peak_memory_bytes(layout) == pytest.approx(given, rel=0.05, abs=16_000)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [(2, 4, 8), (32,)])
def test_weights_weigh_what_the_deployed_graph_holds_within_10_percent(family, bits):
    rng = np.random.default_rng(1)
    counted = held = 0
    for _ in range(8):
        blueprint = random_blueprint(rng, family=family, bits=bits, widths=(32, 64), layers=(1, 3))
        network = random_network(blueprint, rng, samples=8)
        counted += sum(weight_bytes(step) for step in network.plan.steps)
        held += sum(numpy_helper.to_array(constant).nbytes for constant in to_onnx(network).graph.initializer)
    assert 0.9 * held <= counted <= held  # the graph has grids, shapes and clamps besides


def image_plan(*layers, side=16):
    return plan(Blueprint(family="cnn", input_shape=(1, side, side), layers=layers))


def test_a_skip_connection_keeps_its_source_alive_beside_the_branch():
    residual = Layer(kind="residual", width=1, kernel=3, weight_bits=8, activation_bits=8)
    head = Layer(kind="linear", width=2, weight_bits=8)
    weights = 2 * (9 + 4 + 4) + (2 + 2 * 8)
    # The sum's two summands and the sum itself; the image, which is the skip, is one of the summands.
    assert peak_memory_bytes(image_plan(residual, head)) == weights + 3 * 16 * 16


def test_float_networks_hold_four_bytes_per_value_and_the_raw_image_only_until_it_is_normalized():
    conv = Layer(kind="conv", width=2, kernel=1)
    head = Layer(kind="linear", width=2)
    weights = 4 * (2 + 2) + 4 * (4 + 2)
    assert peak_memory_bytes(image_plan(conv, head)) == weights + 4 * (1 + 2) * 16 * 16


def test_fewer_bits_below_8_save_no_memory_because_kernels_take_bytes():
    def of(bits):
        return peak_memory_bytes(
            image_plan(
                Layer(kind="conv", width=4, kernel=3, weight_bits=bits, activation_bits=bits),
                Layer(kind="linear", width=2, weight_bits=bits),
            )
        )

    assert of(2) == of(8) < of(32)


def test_an_attention_holds_its_scores_while_it_runs():
    def of(heads):
        layers = (Layer(kind="embedding", width=4), Layer(kind="transformer", width=2, heads=heads))
        head = Layer(kind="linear", width=2)
        layout = plan(Blueprint(family="transformer", input_shape=(50,), categories=(9,), layers=(*layers, head)))
        return peak_memory_bytes(layout)

    assert of(4) - of(2) == 4 * 2 * 50 * 50


def test_the_controller_can_import_it_without_any_library():
    probe = "import sys, gasearch_workers.network.memory; print(sorted({'numpy', 'torch', 'onnx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
