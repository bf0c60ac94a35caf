"""The closed forms against torch's own counter on a net built from the same plan, and their speed."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.costs import costs, step_costs
from gasearch_workers.network.memory import peak_memory_bytes
from gasearch_workers.network.packed_layout import frame_bytes
from gasearch_workers.network.plan import plan
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tests.workers.integer_networks import FAMILIES, random_blueprint


class Window(nn.Module):
    """Each token of (B, T, C) with its neighbours, zeros outside: (B, T, kernel x C)."""

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def forward(self, x):
        padded = functional.pad(x, (0, 0, self.kernel // 2, self.kernel // 2))
        return torch.cat([padded[:, start : start + x.shape[1]] for start in range(self.kernel)], dim=2)


class Attention(nn.Module):
    """(B, T, 3 x A) -> (B, T, A), by torch's own attention."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x, codes):
        parts = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in x.chunk(3, dim=2))  # (B, heads, T, D)
        return functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


class Recurrent(nn.GRU):
    """A GRU in both directions; only its outputs."""

    def forward(self, x, codes):
        return super().forward(x)[0]


class Position(nn.Module):
    """A vector per place."""

    def __init__(self, tokens, features):
        super().__init__()
        self.table = nn.Parameter(torch.empty(tokens, features))

    def forward(self, x):
        return x + self.table


class Embedding(nn.Embedding):
    """The vectors of one column of codes."""

    def __init__(self, rows, features, column):
        super().__init__(rows, features)
        self.column = column

    def forward(self, codes):
        return super().forward(codes if self.column < 0 else codes[..., self.column])


class Call(nn.Module):
    """A function without parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def torch_step(step):
    """The step as a module of plain torch."""
    channels, features = step.input_shape[0], step.output_shape[-1]
    match step.op:
        case "conv":
            sides = {"stride": step.stride, "padding": step.kernel // 2, "groups": step.groups}
            return nn.Conv2d(channels, step.output_shape[0], step.kernel, **sides)
        case "linear":
            return nn.Linear(step.input_shape[-1], features)
        case "embedding":
            return Embedding(step.rows, features, step.column)
        case "position":
            return Position(*step.output_shape)
        case "gru":
            return Recurrent(step.input_shape[1], features // 2, bidirectional=True, batch_first=True)
        case "layer_norm":
            return nn.LayerNorm(features)
        case "attention":
            return Attention(step.heads)
        case "window":
            return Window(step.kernel)
        case "max_pool":
            return nn.MaxPool2d(2, ceil_mode=True)
        case op:
            return Call(FUNCTIONS[op])


FUNCTIONS = {
    "add": lambda x, y: x + y,
    "product": lambda x, y: x * y,
    "concat": lambda *inputs: torch.cat(inputs, dim=-1),
    "flatten": lambda x: x.flatten(1),
    "global_pool": lambda x: x.mean(dim=(2, 3)),
    "mean_tokens": lambda x, codes: x.mean(dim=1),
    "max_tokens": lambda x, codes: x.amax(dim=1),
}


def count_with_torch(layout):
    """(flops of one sample, parameters) of the float network that the plan describes, shapes checked on the way."""
    numbers = layout.input_shape if layout.input_kind == "image" else (layout.numbers,)
    with torch.device("meta"):
        modules = [torch_step(step) for step in layout.steps]
        tensors = {"input": torch.empty(1, *numbers), "codes": torch.empty(1, *layout.codes_shape, dtype=torch.int64)}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        for step, module in zip(layout.steps, modules, strict=True):
            output = module(*(tensors[name] for name in step.inputs))
            assert tuple(output.shape[1:]) == step.output_shape
            tensors[step.name] = output
    named = [named for module in modules for named in module.named_parameters()]
    # torch's GRU adds two biases in each gate; a plan has one.
    counted = sum(parameter.numel() for name, parameter in named if not name.startswith("bias_hh"))
    pruned = sum(math.prod(step.weight_shape) - step.nonzeros for step in layout.steps if step.nonzeros is not None)
    return counter.get_total_flops(), counted - pruned


@pytest.mark.parametrize("family", FAMILIES)
def test_macs_and_params_equal_what_torch_counts_on_40_random_networks(family):
    rng = np.random.default_rng(5)
    for number in range(40):
        size = {"side": (5, 40), "widths": (1, 7, 16, 48), "layers": (0, 3)}
        layout = plan(random_blueprint(rng, family=family, is_compressed=number % 2 == 1, **size))
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


def test_a_gru_multiplies_its_state_in_float_and_its_input_at_the_inputs_bits():
    [recurrent] = [step for step in text_plan("gru", weight_bits=4, activation_bits=8).steps if step.op == "gru"]
    assert step_costs(recurrent).bops == 9 * 6 * 3 * (5 * 4 * 8 + 3 * 4 * 32)


def test_attention_multiplies_activations_with_each_other():
    layout = text_plan("transformer", weight_bits=2, activation_bits=4, heads=5)
    [attention] = [step for step in layout.steps if step.op == "attention"]
    assert step_costs(attention).macs == 2 * 9 * 9 * 5
    assert step_costs(attention).bops == 2 * 9 * 9 * 5 * attention.input_bits**2
    assert step_costs(attention).params == 0


def test_tables_have_parameters_and_no_macs():
    layout = text_plan("transformer", weight_bits=8, activation_bits=8)
    table, positions = (step_costs(step) for step in layout.steps[:2])
    assert (table.params, table.macs, table.bops) == (20 * 5, 0, 0)
    assert (positions.params, positions.macs, positions.bops) == (9 * 5, 0, 0)


def test_a_sparse_network_keeps_fewer_params_but_all_macs():
    def of(sparsity):
        layer = Layer(kind="linear", width=64, weight_bits=8, sparsity=sparsity, pruning="unstructured")
        head = Layer(kind="linear", width=5, weight_bits=8)
        return costs(plan(Blueprint(family="mlp", input_shape=(64,), layers=(layer, head))))

    dense, sparse = of(0.0), of(0.75)
    assert sparse.params == dense.params - 64 * 64 * 3 // 4
    assert (sparse.macs, sparse.bops, sparse.peak_memory_bytes) == (dense.macs, dense.bops, dense.peak_memory_bytes)


def text_plan(kind, **changes):
    """Nine tokens of 20 words in vectors of 5, one layer of width 3, a head."""
    layers = (Layer(kind="embedding", width=5, weight_bits=8), Layer(kind=kind, width=3, **changes))
    head = Layer(kind="linear", width=2, weight_bits=8)
    return plan(Blueprint(family="text", input_shape=(9,), categories=(20,), layers=(*layers, head)))


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


@pytest.mark.parametrize("family", FAMILIES)
def test_the_steps_sum_up_to_the_network(family):
    rng = np.random.default_rng(6)
    for _ in range(20):
        layout = plan(random_blueprint(rng, family=family, is_compressed=True))
        parts = [dataclasses.astuple(step_costs(step)) for step in layout.steps]
        params, macs, bops, size = (sum(column) for column in zip(*parts, strict=True))
        found = costs(layout)
        assert (found.params, found.macs, found.bops) == (params, macs, bops)
        assert found.model_bytes == size + frame_bytes(layout)
        assert found.peak_memory_bytes == peak_memory_bytes(layout)


def test_the_controller_can_import_costs_without_any_library():
    probe = "import sys, gasearch_workers.network.costs; print(sorted({'numpy', 'torch', 'onnx'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
