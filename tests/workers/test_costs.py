"""The closed forms against torch's own counter on a net built from the same plan, and their speed."""

import dataclasses
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.workers.integer_networks import random_blueprint
from workers.measure.costs import costs, step_costs
from workers.messages import Blueprint, Layer
from workers.packed_layout import frame_bytes
from workers.plan import plan


def torch_step(step):
    """The step's torch module on the meta device; None for a step without parameters."""
    if step.op == "conv":
        return nn.Conv2d(
            step.input_shape[0],
            step.output_shape[0],
            step.kernel,
            stride=step.stride,
            padding=step.kernel // 2,
            groups=step.groups,
            device="meta",
        )
    return nn.Linear(step.input_shape[0], step.output_shape[0], device="meta") if step.op == "linear" else None


def count_with_torch(layout):
    """(flops of one sample, parameters) of the float network that the plan describes, shapes checked on the way."""
    tensors = {"input": torch.empty(1, *layout.input_shape, device="meta")}
    modules = {step.name: torch_step(step) for step in layout.steps}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for step in layout.steps:
            first, *others = (tensors[name] for name in step.inputs)
            match step.op:
                case "conv" | "linear":
                    output = modules[step.name](first)
                case "add":
                    output = first + others[0]
                case "global_pool":
                    output = first.mean(dim=(2, 3))
                case "flatten":
                    output = first.flatten(1)
            assert tuple(output.shape[1:]) == step.output_shape
            tensors[step.name] = output
    numbers = [parameter.numel() for module in modules.values() if module for parameter in module.parameters()]
    return counter.get_total_flops(), sum(numbers)


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_macs_and_params_equal_what_torch_counts_on_100_random_networks(family):
    rng = np.random.default_rng(5)
    for _ in range(100):
        layout = plan(random_blueprint(rng, family=family, side=(5, 40), widths=(1, 7, 16, 48), layers=(0, 5)))
        found = costs(layout)
        assert (2 * found.macs, found.params) == count_with_torch(layout)


def test_bops_weigh_each_mac_by_the_bits_of_weight_and_input():
    blueprint = Blueprint(
        family="mlp",
        input_shape=(10,),
        layers=(
            Layer(kind="linear", width=20, weight_bits=4, activation_bits=3),
            Layer(kind="linear", width=5, weight_bits=2),
        ),
    )
    assert costs(plan(blueprint)).bops == 10 * 20 * 4 * 8 + 20 * 5 * 2 * 3


def test_a_float_network_counts_32_bits_from_the_input_on():
    blueprint = Blueprint(family="mlp", input_shape=(10,), layers=(Layer(kind="linear", width=5),))
    found = costs(plan(blueprint))
    assert found.bops == 50 * 32 * 32
    assert found.params == 55


def test_fewer_bits_change_bytes_and_bops_and_nothing_else():
    def of(bits):
        layer = Layer(kind="linear", width=64, weight_bits=bits, activation_bits=8)
        return costs(plan(Blueprint(family="mlp", input_shape=(64,), layers=(layer, layer))))

    four, eight = of(4), of(8)
    assert eight.model_bytes - four.model_bytes == 2 * 64 * 64 // 2
    assert eight.bops == 2 * four.bops
    assert (four.params, four.macs) == (eight.params, eight.macs)


def test_the_steps_sum_up_to_the_network():
    rng = np.random.default_rng(6)
    for _ in range(20):
        layout = plan(random_blueprint(rng))
        parts = [dataclasses.astuple(step_costs(step)) for step in layout.steps]
        params, macs, bops, size = (sum(column) for column in zip(*parts, strict=True))
        assert dataclasses.astuple(costs(layout)) == (params, macs, bops, size + frame_bytes(layout))


def test_costs_take_less_than_30_microseconds():
    layer = Layer(kind="residual", width=32, kernel=3, stride=2, weight_bits=4, activation_bits=4)
    layout = plan(
        Blueprint(family="cnn", input_shape=(1, 28, 28), layers=(layer,) * 3 + (Layer(kind="linear", width=10),))
    )

    def seconds(calls):
        start = time.process_time()
        for _ in range(calls):
            costs(layout)
        return (time.process_time() - start) / calls

    assert min(seconds(500) for _ in range(7)) < 30e-6


def test_the_controller_can_import_costs_without_any_library():
    probe = "import sys, workers.measure.costs; print(sorted({'numpy', 'torch', 'onnx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
