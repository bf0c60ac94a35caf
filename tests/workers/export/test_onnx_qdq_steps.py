"""What the steps of a portable graph are made of, and how their weights are stored."""

import math

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_qdq import to_qdq
from gasearch_workers.messages import FULL_PRECISION

from tests.workers.export.two_layers import network_of
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network


@pytest.mark.parametrize("family", FAMILIES)
def test_quantized_weights_are_bytes_with_a_scale_per_output(family):
    rng = np.random.default_rng(2)
    network = random_network(random_blueprint(rng, family=family, layers=(2, 2), bits=(4,)), rng)
    constants = [onnx.numpy_helper.to_array(one) for one in to_qdq(network).graph.initializer]
    in_bytes = sum(constant.size for constant in constants if constant.dtype.itemsize == 1)
    quantized = [item for item in network.steps if item.weight_scale is not None]
    assert in_bytes >= sum(item.weight.size for item in quantized)
    of_rows = [item for item in quantized if item.step.op not in ("embedding", "position", "gru")]
    lengths = [constant.size for constant in constants if constant.dtype == np.float32]
    assert all(len(item.weight_scale) in lengths for item in of_rows)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_each_weighted_step_stands_between_dequantized_operands_and_a_quantized_output(kind):
    graph = to_qdq(network_of(kind, np.random.default_rng(0), weight_bits=8, activation_bits=8)).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    weighted = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert weighted
    for node in weighted[1:]:
        assert [made_by[name] for name in node.input[:2]] == ["DequantizeLinear", "DequantizeLinear"]


def test_float_weights_are_hidden_from_who_would_quantize_them():
    network = network_of("conv", np.random.default_rng(0), weight_bits=FULL_PRECISION, activation_bits=8)
    graph = to_qdq(network).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    first = next(node for node in graph.node if node.op_type == "Conv")
    assert made_by[first.input[0]] == "Mul"


def test_a_normalization_over_channels_is_made_of_operators_that_opset_13_has():
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="transformer", layers=(1, 1), bits=(8,)), rng)
    operators = [node.op_type for node in to_qdq(network).graph.node]
    assert "layer_norm" in [item.step.op for item in network.steps]
    assert "LayerNormalization" not in operators
    assert "Sqrt" in operators


def test_a_file_is_about_as_large_as_its_weights_in_bytes():
    rng = np.random.default_rng(1)
    shape = {"family": "text", "kinds": ("gru",), "layers": (1, 1), "bits": (8,), "widths": (64,)}
    network = random_network(random_blueprint(rng, **shape), rng)
    weights = sum(math.prod(item.step.weight_shape) for item in network.steps if item.weight is not None)
    assert to_qdq(network).ByteSize() < weights + 20_000  # biases, nodes, names; as floats the weights were 216 KB
