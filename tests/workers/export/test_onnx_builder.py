"""Nodes and constants of a graph, and the forms of its tensors."""

import onnx
import pytest
from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import Grid
from gasearch_workers.network.plan import plan


@pytest.fixture
def builder():
    layers = (Layer(kind="linear", width=2, weight_bits=8),)
    grids = {"x": Grid(scale=0.5, zero_point=8, bits=4)}
    builder = GraphBuilder(plan(Blueprint(family="mlp", input_shape=(3,), layers=layers)), grids)
    builder.integers["x"] = "x"
    return builder


def test_what_is_asked_for_twice_is_in_the_graph_once(builder):
    assert [builder.node("Relu", ["x"], "y") for _ in range(2)] == ["y", "y"]
    assert [builder.constant("c", value) for value in (1, 2)] == ["c", "c"]
    assert (len(builder.nodes), len(builder.constants)) == (1, 1)


def test_a_tensor_is_made_real_once_and_not_by_dequantize_linear(builder):
    assert builder.real("x") == builder.real("x") == "x.real"
    assert [node.op_type for node in builder.nodes] == ["Cast", "Sub", "Mul"]


@pytest.mark.parametrize(("has_relu", "low"), [(False, 0), (True, 8)])
def test_integers_below_8_bits_are_clipped_to_their_grid_and_a_relu_to_its_zero_point(builder, has_relu, low):
    builder.clip("x", "raw", has_relu=has_relu)
    constants = {constant.name: int(onnx.numpy_helper.to_array(constant)) for constant in builder.constants}
    assert constants == {"x.low": low, "x.high": 15}
    assert builder.integers["x"] == "x.clipped"


def test_integers_of_8_bits_need_no_clip(builder):
    builder.grids["x"] = Grid(scale=0.5, zero_point=0, bits=8)
    builder.clip("x", "raw", has_relu=True)
    assert (builder.nodes, builder.integers["x"]) == ([], "raw")
