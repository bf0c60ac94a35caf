"""The steps that the graph computes in integers."""

import dataclasses

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_graph import float_steps, to_onnx
from gasearch_workers.export.onnx_integer import is_integer
from gasearch_workers.network.integer import Grid

from tests.workers.export.two_layers import network_of
from tests.workers.graph_checks import operators, require_nearest_integers
from tests.workers.integer_networks import random_samples


def test_a_quantized_network_runs_in_integer_operators_only():
    rng = np.random.default_rng(1)
    assert operators(network_of("conv", rng)) == [
        "QLinearConv",
        "QLinearConv",
        "QLinearGlobalAveragePool",
        "Flatten",
        "QGemm",
    ]
    assert operators(network_of("residual", rng, stride=2)).count("QLinearAdd") == 2
    assert float_steps(network_of("residual", rng, stride=2)) == ()


def test_activations_below_8_bits_are_clipped_to_their_grid():
    network = network_of("conv", np.random.default_rng(1), activation_bits=3)
    model = to_onnx(network)
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    assert [node.op_type for node in model.graph.node].count("Clip") == 2
    assert constants["layer0.high"] == 7
    assert constants["layer0.high"].dtype == np.uint8


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_a_mean_whose_grid_no_integer_kernel_takes_computes_in_float(scale):
    """ONNX Runtime fails at run time where nearly all that a pool averages is 0, so that its grid is very fine."""
    network = network_of("conv", np.random.default_rng(8))
    steps = list(network.steps)
    place = next(place for place, item in enumerate(steps) if item.step.op == "global_pool")
    steps[place] = dataclasses.replace(steps[place], output_grid=Grid(scale=scale, zero_point=0, bits=8))
    network = dataclasses.replace(network, steps=tuple(steps))
    assert float_steps(network) == ("pool",)
    require_nearest_integers(network, random_samples(np.random.default_rng(1), network.input, (3, 9, 8), 20))


def test_a_step_computes_in_integers_only_where_its_input_its_weights_and_its_output_are():
    network = network_of("conv", np.random.default_rng(1))
    item, grids = network.steps[0], {"input": network.input.grid, "layer0": network.steps[0].output_grid}
    assert is_integer(item, grids)
    assert not is_integer(item, grids | {"input": None})
    assert not is_integer(item, grids | {"layer0": None})
    assert not is_integer(dataclasses.replace(item, weight_scale=None), grids)
