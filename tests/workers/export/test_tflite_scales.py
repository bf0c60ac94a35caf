"""Declared scales: a ReLU6 ends few-bit grids, and all ratios stay what they are."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.export.tflite_integer import is_integer
from gasearch_workers.export.tflite_scales import can_end_by_relu6, declared_scales, is_ended_by_relu6
from gasearch_workers.messages import Blueprint, Layer

from tests.workers.integer_networks import random_network
from tests.workers.tflite_runs import operators


def network_of(*layers, shape=(3, 8, 8), head_bits=4):
    made = Blueprint(
        family="cnn", input_shape=shape, layers=(*layers, Layer(kind="linear", width=5, weight_bits=head_bits))
    )
    return random_network(made, np.random.default_rng(0))


def layer(kind, **fields):
    return Layer(**({"kind": kind, "width": 8, "kernel": 3, "weight_bits": 4, "activation_bits": 4} | fields))


def scales_of(network):
    grids = network.grids
    return declared_scales(network, frozenset(item.step.name for item in network.steps if is_integer(item, grids)))


def test_few_bit_outputs_of_convolutions_end_at_six():
    network = network_of(layer("conv"), layer("separable", activation_bits=2))
    scales = scales_of(network)
    assert scales["layer0"] == pytest.approx(6 / 15)
    assert scales["layer1.depthwise"] == scales["layer1.pointwise"] == pytest.approx(2.0)
    assert scales["input"] == network.input.grid.scale
    assert not {"MINIMUM", "MAXIMUM"} & set(operators(to_tflite(network)))


def test_a_mean_over_an_image_follows_the_scale_of_its_input():
    network = network_of(layer("conv"))
    scales, grids = scales_of(network), network.grids
    assert scales["pool"] / scales["layer0"] == pytest.approx(grids["pool"].scale / grids["layer0"].scale)


def test_the_scales_of_summands_and_their_sum_keep_their_ratios():
    network = network_of(layer("residual"), layer("residual", activation_bits=3))
    scales, grids = scales_of(network), network.grids
    for item in network.steps:
        if item.step.op == "add":
            ratios = {round(scales[name] / grids[name].scale, 9) for name in (item.step.name, *item.step.inputs)}
            assert len(ratios) == 1
    found = operators(to_tflite(network))
    assert found.count("MINIMUM") == 1  # the second sum is bound to the scale of the first, and ends elsewhere


def test_what_a_step_in_floats_reads_keeps_its_scale():
    network = network_of(layer("conv"), layer("conv", weight_bits=32))
    assert scales_of(network)["layer0"] == network.grids["layer0"].scale
    assert "MINIMUM" in operators(to_tflite(network))


def test_only_grids_of_few_bits_that_begin_at_zero_end_by_a_relu6():
    step = network_of(layer("conv")).plan.steps[0]
    assert can_end_by_relu6(step, 4, 0)
    assert not can_end_by_relu6(step, 8, 0)
    assert not can_end_by_relu6(step, 4, 8)
    assert not can_end_by_relu6(dataclasses.replace(step, op="global_pool"), 4, 0)
    assert is_ended_by_relu6(2, 2.0)
    assert not is_ended_by_relu6(2, 2.1)
