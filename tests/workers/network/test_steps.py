"""Shapes and counts of single operations."""

import math

import pytest
from gasearch_workers.network.steps import OPERATIONS, Step, output_shape


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
