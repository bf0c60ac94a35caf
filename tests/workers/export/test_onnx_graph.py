"""The exported graph computes what the integer network means, at any mix of precisions."""

import dataclasses

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.onnx_stretch import most_stretch
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.integer import Grid
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.export.reference import run_reference
from tests.workers.export.two_layers import network_of
from tests.workers.graph_checks import compare, operators, require_nearest_integers
from tests.workers.integer_networks import random_blueprint, random_network, random_samples

KINDS = ("linear", "conv", "separable", "residual")

#: Per activation bits: a value on the edge between two integers may fall to either, and weighs more on a coarse grid.
LARGEST_ERROR = {2: 0.25, 4: 0.06, 7: 0.01, 8: 0.01, FULL_PRECISION: 2e-3}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation_bits", [2, 4, 7, 8, FULL_PRECISION])
@pytest.mark.parametrize("weight_bits", [2, 3, 5, 8, FULL_PRECISION])
def test_every_kind_agrees_with_the_reference_at_its_bits(kind, weight_bits, activation_bits):
    rng = np.random.default_rng([weight_bits, activation_bits, KINDS.index(kind)])
    network = network_of(kind, rng, weight_bits=weight_bits, activation_bits=activation_bits)
    agreement, error = compare(network, rng)
    assert agreement >= (0.97 if activation_bits == 2 else 0.99)
    assert error < LARGEST_ERROR[activation_bits]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_every_step_gives_the_nearest_integers_whatever_kinds_and_precisions_are_mixed(seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_blueprint(rng), rng)
    x = random_samples(rng, network.input, network.plan.input_shape, 30)
    require_nearest_integers(network, x)


def test_the_predicted_class_is_the_references_in_99_of_100_samples_over_many_networks():
    rng = np.random.default_rng(11)
    same = []
    for number in range(24):
        bits = {"weight_bits": (2, 3, 4, 6, 8)[number % 5], "activation_bits": (4, 8)[number % 2]}
        network = network_of(KINDS[number % 4], rng, **bits)
        x = random_samples(rng, network.input, network.plan.input_shape, 250)
        found = run_onnx(to_onnx(network).SerializeToString(), x)
        same.append((found.argmax(axis=1) == run_reference(network, x).argmax(axis=1)).mean())
    assert np.mean(same) >= 0.99


@pytest.mark.parametrize(("kind", "dtype"), [("conv", onnx.TensorProto.UINT8), ("linear", onnx.TensorProto.FLOAT)])
def test_the_graph_takes_raw_data_in_batches_of_any_size(kind, dtype):
    rng = np.random.default_rng(2)
    network = network_of(kind, rng)
    (source,), (target,) = to_onnx(network).graph.input, to_onnx(network).graph.output
    assert (source.name, target.name) == ("input", "logits")
    assert source.type.tensor_type.elem_type == dtype
    assert source.type.tensor_type.shape.dim[0].dim_param == "batch"
    x = random_samples(rng, network.input, network.plan.input_shape, 7)
    model = to_onnx(network).SerializeToString()
    np.testing.assert_allclose(run_onnx(model, x, batch=3), run_onnx(model, x, batch=7), rtol=1e-6, atol=1e-6)


def test_a_zero_point_above_0_is_where_a_relu_clamps():
    network = network_of("conv", np.random.default_rng(4))
    steps = list(network.steps)
    grid = steps[0].output_grid
    steps[0] = dataclasses.replace(steps[0], output_grid=Grid(scale=2 * grid.scale, zero_point=100, bits=8))
    agreement, error = compare(dataclasses.replace(network, steps=tuple(steps)), np.random.default_rng(5))
    assert agreement >= 0.99
    assert error < 0.06


@pytest.mark.parametrize("tiny", [0.0, 1e-12, 1e-7])
def test_a_channel_that_normalization_has_killed_keeps_its_bias(tiny):
    network = network_of("conv", np.random.default_rng(6), weight_bits=4)
    steps = list(network.steps)
    scale = steps[0].weight_scale.copy()
    scale[:4] = tiny or scale[:4]
    weight = steps[0].weight.copy()
    weight[:4] *= tiny > 0
    bias = steps[0].bias.copy()
    bias[:4] = [0.9, 0.5, -0.4, 0.0]
    steps[0] = dataclasses.replace(steps[0], weight=weight, weight_scale=scale, bias=bias)
    agreement, error = compare(dataclasses.replace(network, steps=tuple(steps)), np.random.default_rng(7))
    assert agreement >= 0.99
    assert error < 0.06


def with_head_biases(network, biases):
    """The network with other biases in its last step."""
    *steps, head = network.steps
    return dataclasses.replace(network, steps=(*steps, dataclasses.replace(head, bias=np.float32(biases))))


def test_biases_far_below_a_weight_step_still_order_the_classes():
    network = network_of("linear", np.random.default_rng(8), weight_bits=4)
    steps = list(network.steps)
    steps[1] = dataclasses.replace(steps[1], bias=np.full_like(steps[1].bias, -1e3))  # All that the head reads is 0.
    small = with_head_biases(dataclasses.replace(network, steps=tuple(steps)), [1e-6, 2e-6, 5e-6, 4e-6, -1e-6, 0])
    x = random_samples(np.random.default_rng(9), network.input, network.plan.input_shape, 5)
    np.testing.assert_allclose(run_onnx(to_onnx(small).SerializeToString(), x), run_reference(small, x), rtol=1e-5)


def test_biases_far_above_a_weight_step_leave_the_weights_as_they_are():
    network = network_of("linear", np.random.default_rng(8), weight_bits=8)
    large = with_head_biases(network, np.full(6, 2.0**20))
    x = random_samples(np.random.default_rng(9), network.input, network.plan.input_shape, 50)
    plain, moved = (
        run_onnx(to_onnx(each).SerializeToString(), x) for each in (with_head_biases(network, [0] * 6), large)
    )
    np.testing.assert_allclose(moved - 2.0**20, plain, atol=0.07)  # Half a step of float32 there.


def test_common_biases_are_part_of_the_integer_product():
    network = network_of("linear", np.random.default_rng(8), weight_bits=8)
    assert "Add" not in operators(network)


@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_stretched_weights_fill_int8_and_never_saturate_a_16_bit_pair(weight_bits, input_bits, seed):
    half = 2 ** (weight_bits - 1)
    weight = np.random.default_rng(seed).integers(-half, half, size=(5, 9)).astype(np.int8)
    largest = np.abs(weight.astype(int) * most_stretch(weight, input_bits)[:, None]).max()
    assert largest <= 128
    if (weight_bits, input_bits) != (8, 8):  # of the full range, which is left alone
        assert 2 * largest * (2**input_bits - 1) <= 2**15 - 1
    assert largest >= (128 if input_bits < 8 else 64) // 2


@pytest.mark.parametrize(("weight_bits", "share"), [(2, 0.003), (4, 0.03), (6, 0.3)])
def test_biases_of_few_bit_weights_lose_only_a_small_share_of_a_weight_step(weight_bits, share):
    network = network_of("conv", np.random.default_rng(12), weight_bits=weight_bits, activation_bits=4)
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in to_onnx(network).graph.initializer}
    item, grid = network.steps[1], network.steps[0].output_grid
    deployed = constants["layer1.bias"] * constants["layer1.weight_scale"].astype(float) * grid.scale
    lost = np.abs(deployed - item.bias) / (grid.scale * item.weight_scale)
    assert np.median(lost) < share  # unstretched it were 0.25


def test_a_network_whose_last_step_is_quantized_is_refused():
    network = network_of("linear", np.random.default_rng(8))
    last = dataclasses.replace(network.steps[-1], output_grid=Grid(scale=1.0, zero_point=0, bits=8))
    with pytest.raises(ValueError, match=r"the last step must give floats; 'head' has an integer grid"):
        to_onnx(dataclasses.replace(network, steps=(*network.steps[:-1], last)))


def test_equal_networks_give_equal_files():
    first, second = (network_of("residual", np.random.default_rng(9)) for _ in range(2))
    assert to_onnx(first).SerializeToString() == to_onnx(second).SerializeToString()
