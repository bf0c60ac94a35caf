"""The steps in integers: each gives the reference's integers for the same inputs, or one beside it now and then."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.export.tflite_integer import is_integer
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import Plan, Step

from tests.workers.export.two_layers import network_of
from tests.workers.integer_networks import random_network, random_raw
from tests.workers.tflite_runs import (
    agreement,
    error_of,
    litert_tensors,
    micro_tensors,
    operators,
    parse,
    run_both,
    step_differences,
)

READERS = (litert_tensors, micro_tensors)
#: Share of integers that may be one beside. Kernels that round twice miss many of a mean of six places, of few sums
#: that are spread over 8 bits, and of integers that are put on another grid.
MOST_AT_8_BITS, MOST_BELOW = 0.25, 0.01


def require_near(network, x, read):
    """Assert that each step gives the nearest integers, or one beside a few."""
    found = step_differences(network, x, read)
    assert {item.step.name for item in network.steps if item.output_grid is not None} <= found.keys()
    loose = {step.name for step in network.plan.steps if step.op == "concat" or step.output_bits == 8}
    for name, (share, largest) in found.items():
        assert largest <= 1, name
        assert share <= (MOST_AT_8_BITS if name in loose else MOST_BELOW), name


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("kind", "stride"), [("linear", 1), ("conv", 1), ("conv", 2), ("separable", 2), ("residual", 2)]
)
@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(2, 2), (4, 4), (8, 8)])
def test_integers_are_the_nearest_or_one_beside(read, kind, stride, weight_bits, activation_bits):
    rng = np.random.default_rng(5)
    network = network_of(kind, rng, weight_bits=weight_bits, activation_bits=activation_bits, stride=stride)
    require_near(network, random_raw(rng, network, 20), read)


@pytest.mark.parametrize("read", READERS)
def test_binary_pruned_and_pooled_layers_are_kept(read):
    layers = [
        Layer(kind="conv", width=8, kernel=3, stride=2, downsample="max_pool", weight_bits=1, activation_bits=3),
        Layer(kind="conv", width=12, kernel=3, weight_bits=4, activation_bits=5, sparsity=0.5, pruning="unstructured"),
        Layer(kind="conv", width=12, kernel=3, weight_bits=8, activation_bits=8, rank=0.5),
        Layer(kind="linear", width=4, weight_bits=8),
    ]
    made = Blueprint(family="cnn", input_shape=(3, 9, 7), layers=tuple(layers))
    rng = np.random.default_rng(6)
    network = random_network(made, rng)
    assert any(step.name.endswith(".down") for step in network.plan.steps)
    require_near(network, random_raw(rng, network, 20), read)


def test_weights_have_a_scale_for_each_output_and_whole_biases_theirs():
    network = network_of("separable", np.random.default_rng(0), weight_bits=3)
    model = parse(to_tflite(network))
    tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}
    depthwise, pointwise = tensors["layer1.depthwise.weight"], tensors["layer1.pointwise.weight"]
    assert list(depthwise.shape) == [1, 3, 3, 12]
    assert (depthwise.quantization.quantizedDimension, len(depthwise.quantization.scale)) == (3, 12)
    assert list(pointwise.shape) == [12, 1, 1, 12]
    source = tensors["layer1.depthwise"].quantization.scale[0]
    bias = tensors["layer1.pointwise.bias"]
    assert bias.quantization.scale == pytest.approx(pointwise.quantization.scale * source, rel=1e-6)
    assert set(pointwise.quantization.zeroPoint) == {0}


def test_logits_that_lie_close_together_stay_apart(tmp_path):
    """8 bits for a hundred logits would tie many of them."""
    made = Blueprint(
        family="mlp", input_shape=(16,), layers=(Layer(kind="linear", width=32), Layer(kind="linear", width=100))
    )
    rng = np.random.default_rng(1)
    network = random_network(made, rng)
    head = network.steps[-1]
    spread = dataclasses.replace(head, bias=np.linspace(-30, 30, 100, dtype=np.float32))
    network = dataclasses.replace(network, steps=(*network.steps[:-1], spread))
    x = random_raw(rng, network, 200)
    for outputs in run_both(network, x, tmp_path).values():
        assert agreement(outputs, network, x, tie=0.002) == 1.0
        assert error_of(outputs, network, x) < 0.01


def test_products_and_concatenations_take_inputs_on_different_grids(tmp_path):
    """Layer kinds of installed packages are built of them."""
    steps = (
        Step(name="a", op="linear", inputs=("input",), input_shape=(6,), output_shape=(8,), input_bits=8, output_bits=8,
             is_output_signed=True, weight_bits=4),
        Step(name="b", op="linear", inputs=("input",), input_shape=(6,), output_shape=(8,), input_bits=8, output_bits=4,
             has_relu=True, weight_bits=4),
        Step(name="c", op="product", inputs=("a", "b"), input_shape=(8,), output_shape=(8,), input_bits=8,
             output_bits=8, is_output_signed=True),
        Step(name="d", op="concat", inputs=("a", "c", "b"), input_shape=(8,), output_shape=(24,), input_bits=8,
             output_bits=6, is_output_signed=True),
        Step(name="e", op="linear", inputs=("d",), input_shape=(24,), output_shape=(3,), input_bits=6, output_bits=32,
             is_output_signed=True, weight_bits=8),
    )  # fmt: skip
    rng = np.random.default_rng(2)
    grids = {
        "a": Grid(scale=0.0513, zero_point=128, bits=8),
        "b": Grid(scale=0.317, zero_point=0, bits=4),
        "c": Grid(scale=0.1007, zero_point=128, bits=8),
        "d": Grid(scale=0.2031, zero_point=32, bits=6),
    }
    numbers = [
        IntegerStep(
            step=step,
            weight=rng.integers(-7, 8, step.weight_shape).astype(np.int8) if step.has_weights else None,
            weight_scale=np.full(step.scales, 0.08, np.float32) if step.has_weights else None,
            bias=rng.normal(size=step.biases).astype(np.float32) if step.has_weights else None,
            output_grid=grids.get(step.name),
        )
        for step in steps
    ]
    ones = np.ones(6, np.float32)
    transform = InputTransform(
        dtype="float32", mean=0 * ones, deviation=ones, grid=Grid(scale=8 / 255, zero_point=128, bits=8)
    )
    network = IntegerNetwork(
        plan=Plan(input_shape=(6,), input_bits=8, steps=steps), input=transform, steps=tuple(numbers)
    )
    assert all(is_integer(item, network.grids) for item in network.steps)
    x = rng.normal(size=(50, 6)).astype(np.float32)
    for read in READERS:
        require_near(network, x, read)
    assert {"MUL", "CONCATENATION", "MINIMUM"} <= set(operators(to_tflite(network)))
    for outputs in run_both(network, x, tmp_path).values():
        assert error_of(outputs, network, x) < 0.08
