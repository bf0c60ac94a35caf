"""Paddings, strides, groups, pooling and the order of channels: shapes that TFLite treats in its own way."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.export.tflite_moves import arranged, channel_axis, is_depthwise
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import FULL_PRECISION, Plan, Step

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_network, random_raw
from tests.workers.tflite_runs import operators, run_both


def float_layer(kernel, stride, shape, **fields):
    layer = Layer(kind="conv", width=4, kernel=kernel, stride=stride, weight_bits=32, activation_bits=32, **fields)
    head = Layer(kind="linear", width=3, weight_bits=32)
    return random_network(Blueprint(family="cnn", input_shape=shape, layers=(layer, head)), np.random.default_rng(0))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 7, 8), (1, 9, 5), (2, 1, 6), (3, 2, 2)])
def test_images_are_padded_as_ours(tmp_path, kernel, stride, shape):
    network = float_layer(kernel, stride, shape)
    x = random_raw(np.random.default_rng(1), network, 5)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(run_reference(network, x), abs=1e-4, rel=1e-4)


def test_a_pad_is_there_only_where_same_would_pad_otherwise():
    assert "PAD" not in operators(to_tflite(float_layer(3, 1, (2, 8, 8))))
    assert "PAD" not in operators(to_tflite(float_layer(3, 2, (2, 7, 9))))
    assert "PAD" not in operators(to_tflite(float_layer(1, 2, (2, 8, 8))))
    assert "PAD" in operators(to_tflite(float_layer(3, 2, (2, 8, 8))))


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 7, 5), (1, 1, 3)])
def test_pooling_reads_what_is_left_at_odd_sides(tmp_path, shape):
    network = float_layer(3, 2, shape, downsample="max_pool")
    x = random_raw(np.random.default_rng(1), network, 5)
    assert "MAX_POOL_2D" in operators(to_tflite(network))
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(run_reference(network, x), abs=1e-4, rel=1e-4)


@pytest.mark.parametrize("bits", [8, FULL_PRECISION])
@pytest.mark.parametrize("shape", [(2, 2, 4), (2, 2, 2), (2, 1, 1)])
def test_pooling_goes_on_where_a_side_has_one_pixel_left(tmp_path, shape, bits):
    halving = Layer(
        kind="conv", width=3, kernel=3, stride=2, downsample="max_pool", weight_bits=bits, activation_bits=bits
    )
    layers = (halving, halving, Layer(kind="linear", width=4, weight_bits=bits))
    network = random_network(Blueprint(family="cnn", input_shape=shape, layers=layers), np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 20)
    expected = run_reference(network, x)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(expected, abs=0.1 * expected.std())


@pytest.mark.parametrize(("shape", "is_turned"), [((3, 5, 4), True), ((1, 5, 4), False), ((3, 1, 1), False)])
def test_an_image_becomes_a_vector_in_our_order(tmp_path, shape, is_turned):
    layers = (Layer(kind="linear", width=8, weight_bits=8), Layer(kind="linear", width=3, weight_bits=8))
    network = random_network(Blueprint(family="mlp", input_shape=shape, layers=layers), np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 50)
    assert ("TRANSPOSE" in operators(to_tflite(network))) == is_turned
    expected = run_reference(network, x)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(expected, abs=0.03 * expected.std())


@pytest.mark.parametrize(("channels", "width", "groups"), [(4, 8, 2), (4, 4, 4), (4, 12, 4), (6, 3, 3)])
def test_convolutions_in_groups_are_held(tmp_path, channels, width, groups):
    steps = (
        Step(name="a", op="conv", inputs=("input",), input_shape=(channels, 6, 5), output_shape=(width, 6, 5),
             input_bits=FULL_PRECISION, output_bits=FULL_PRECISION, kernel=3, groups=groups, has_relu=True),
        Step(name="b", op="global_pool", inputs=("a",), input_shape=(width, 6, 5), output_shape=(width,),
             input_bits=FULL_PRECISION, output_bits=FULL_PRECISION),
        Step(name="c", op="linear", inputs=("b",), input_shape=(width,), output_shape=(2,), input_bits=FULL_PRECISION,
             output_bits=FULL_PRECISION),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    numbers = tuple(
        IntegerStep(
            step=step,
            weight=rng.normal(size=step.weight_shape).astype(np.float32) if step.has_weights else None,
            bias=rng.normal(size=step.biases).astype(np.float32) if step.has_weights else None,
        )
        for step in steps
    )
    like = float_layer(3, 1, (channels, 6, 5))
    layout = Plan(input_shape=(channels, 6, 5), input_bits=FULL_PRECISION, steps=steps, input_kind="image")
    network = IntegerNetwork(plan=layout, input=like.input, steps=numbers)
    x = random_raw(rng, network, 5)
    assert is_depthwise(steps[0]) == (groups == channels)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(run_reference(network, x), abs=1e-4, rel=1e-4)


def test_weights_lie_with_their_inputs_last():
    step = dataclasses.replace(float_layer(3, 1, (2, 4, 4)).plan.steps[0], groups=1)
    weight = np.arange(4 * 2 * 9).reshape(4, 2, 3, 3)
    assert arranged(step, weight).shape == (4, 3, 3, 2)
    assert arranged(step, weight)[1, 2, 0, 1] == weight[1, 1, 2, 0]
    depthwise = dataclasses.replace(step, groups=2)
    assert arranged(depthwise, weight[:, :1]).shape == (1, 3, 3, 4)
    assert (channel_axis(step), channel_axis(depthwise)) == (0, 3)
    dense = dataclasses.replace(step, op="linear")
    assert arranged(dense, weight[:, :, 0, 0]).shape == (4, 2)
