"""The forms of a tensor: made once, clamped where no kernel does it."""

import numpy as np
import pytest
from gasearch_workers.export.tflite_graph import TfliteGraph, channels_last, one_scale
from gasearch_workers.network.integer import Grid
from gasearch_workers.network.steps import Plan, Step

STEP = Step(name="a", op="linear", inputs=("input",), input_shape=(4,), output_shape=(3,), input_bits=8, output_bits=4)
LAYOUT = Plan(input_shape=(4,), input_bits=8, steps=(STEP,))


def graph(*, bits=4, zero_point=0, scale=0.5):
    grids = {"input": Grid(scale=0.1, zero_point=128, bits=8), "a": Grid(scale=0.3, zero_point=zero_point, bits=bits)}
    made = TfliteGraph(LAYOUT, grids, {"input": 0.1, "a": scale})
    made.integers["input"] = made.int8("input", "input", (4,))
    return made


def test_integers_are_ours_minus_128_at_the_declared_scale():
    made = graph(zero_point=8)
    assert made.quantization("a").zero_point == 8 - 128
    assert made.quantization("a").scale.tolist() == [0.5]
    assert one_scale(0.25).scale.tolist() == [0.25]


def test_a_real_form_is_made_once():
    made = graph()
    assert made.real("input") == made.real("input")


@pytest.mark.parametrize(
    ("bits", "zero_point", "has_relu", "ends"),
    [(8, 128, False, 0), (4, 0, True, 1), (4, 8, False, 1), (4, 8, True, 2), (8, 128, True, 1)],
)
def test_a_grid_s_ends_are_kept_by_as_many_operators_as_it_takes(bits, zero_point, has_relu, ends):
    made = graph(bits=bits, zero_point=zero_point)
    raw = made.int8("a", "a", (3,))
    made.clamp("a", raw, (3,), has_relu=has_relu)
    assert made.integers["a"] - raw == 2 * ends  # a bound and an output for each


def test_a_relu6_is_fused_where_it_ends_the_grid():
    relu6 = graph().builder.activation("RELU6")
    assert graph(bits=4, scale=6 / 15).activation(STEP)["fusedActivationFunction"] == relu6
    assert graph(bits=4, scale=0.3).activation(STEP)["fusedActivationFunction"] != relu6


def test_the_last_step_s_floats_are_the_file_s_output():
    assert graph().final_name(STEP) == "logits"


def test_images_have_their_channels_last():
    assert channels_last((3, 8, 9)) == (8, 9, 3)
    assert channels_last((5,)) == (5,)
    assert graph().shapes == {"input": (4,), "a": (3,)}
    assert np.dtype(np.int8).itemsize == 1
