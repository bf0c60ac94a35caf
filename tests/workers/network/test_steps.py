"""Shapes and counts of single operations."""

import math

import numpy as np
import pytest
import torch
from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.export.onnx_float import add_float
from gasearch_workers.export.onnx_graph import float_steps
from gasearch_workers.export.onnx_integer import KERNELS, add_integer, is_integer
from gasearch_workers.export.packed import pack, unpack
from gasearch_workers.modules.build import build
from gasearch_workers.network.costs import costs
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import OPERATIONS, Operation, Plan, Step, output_shape

from tests.workers.graph_checks import compare
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network, random_raw


def step_of(op, source, output, **fields):
    return Step(
        name="step",
        op=op,
        inputs=("x",),
        input_shape=source,
        output_shape=output,
        input_bits=8,
        output_bits=8,
        **fields,
    )


@pytest.mark.parametrize(
    ("op", "source", "fields", "expected"),
    [
        ("conv", (3, 9, 8), {"width": 4, "stride": 2}, (4, 5, 4)),
        ("max_pool", (3, 9, 8), {"stride": 2}, (3, 5, 4)),
        ("linear", (7, 5), {"width": 2}, (7, 2)),
        ("gru", (7, 5), {"width": 2}, (7, 4)),
        ("window", (7, 5), {"kernel": 3}, (7, 15)),
        ("attention", (7, 12), {}, (7, 4)),
        ("global_pool", (3, 9, 8), {}, (3,)),
        ("mean_tokens", (7, 5), {}, (5,)),
        ("flatten", (3, 9, 8), {}, (216,)),
        ("layer_norm", (7, 5), {}, (7, 5)),
    ],
)
def test_the_output_has_the_shape_that_the_operation_gives(op, source, fields, expected):
    assert output_shape(op, source, **fields) == expected


@pytest.mark.parametrize(
    ("step", "scales", "biases"),
    [
        (step_of("conv", (4, 5, 5), (6, 5, 5), kernel=3, groups=2, weight_bits=4), 6, 6),
        (step_of("gru", (7, 5), (7, 4), weight_bits=4), 12, 12),
        (step_of("embedding", (7,), (7, 3), rows=9, weight_bits=4), 1, 0),
        (step_of("layer_norm", (7, 5), (7, 5)), 0, 5),
        (step_of("add", (4,), (4,)), 0, 0),
    ],
)
def test_numbers_of_a_step_follow_from_its_shapes(step, scales, biases):
    assert (step.scales, step.biases) == (scales, biases)
    assert step.weights == (math.prod(step.weight_shape) if OPERATIONS[step.op].weights else 0)
    assert step.has_weights is (step.weights > 0)


def test_a_gru_counts_its_width_in_each_direction():
    step = step_of("gru", (7, 5), (7, 4))
    assert (step.width, step.channels, step.weight_shape) == (2, 4, (12, 7))


def test_a_shape_that_does_not_follow_from_the_input_is_an_error():
    with pytest.raises(ValueError, match=r"the shape that softmax gives doesn't follow from its first input"):
        output_shape("softmax", (3,))


# --- every operation --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks():
    """Networks of every family at 8 bits and of floats, half of them compressed."""
    rng = np.random.default_rng(0)
    return [
        random_network(
            random_blueprint(rng, family=family, bits=(bits,), layers=(2, 4), is_compressed=seed % 2 == 1), rng
        )
        for family in FAMILIES
        for bits in (8, 32)
        for seed in range(6)
    ]


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_is_weighed_packed_exported_and_trained(op, networks):
    of_it = [network for network in networks if op in {step.op for step in network.plan.steps}]
    assert of_it, f"no family gives {op}"
    for network in of_it[:2]:
        packed = pack(network)
        assert unpack(packed).plan == network.plan
        assert len(packed) == costs(network.plan).model_bytes
        assert compare(network, np.random.default_rng(1), count=20)[1] < 0.1
        x = torch.from_numpy(random_raw(np.random.default_rng(1), network, 4))
        output = build(network.plan, network.input, seed=0)(x)
        assert output.shape == (4, *network.plan.steps[-1].output_shape)


def test_every_integer_kernel_is_used(networks):
    in_integers = {
        step.op for network in networks for step in network.plan.steps if step.name not in float_steps(network)
    }
    assert in_integers >= KERNELS.keys()
    assert {op for op in in_integers - KERNELS.keys() if not OPERATIONS[op].is_passing} == {"embedding"}


@pytest.mark.parametrize("is_passing", [False, True])
def test_an_operation_that_is_known_but_nowhere_computed_is_an_error(is_passing, monkeypatch):
    monkeypatch.setitem(OPERATIONS, "softmax", Operation(is_passing=is_passing))
    grid = Grid(scale=0.5, zero_point=0, bits=8)
    item = IntegerStep(step=step_of("softmax", (4,), (4,)), output_grid=grid)
    builder = GraphBuilder(Plan(input_shape=(4,), input_bits=8, steps=(item.step,)), {"x": grid, "step": grid})
    builder.integers["x"] = "x"
    add = add_integer if is_integer(item, builder.grids) else add_float
    with pytest.raises(KeyError, match="softmax"):
        add(builder, item)
