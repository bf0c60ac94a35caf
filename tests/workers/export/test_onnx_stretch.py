"""No product of an exported network saturates on a CPU that adds pairs of 8-bit products in 16 bits.

x86 CPUs without VNNI do (vpmaddubsw), and ONNX Runtime's default kernels let them. Emulated here, on real activations.
"""

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import open_session
from gasearch_workers.export.onnx_stretch import EXACT_KERNELS, may_saturate
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.steps import largest_weight

from tests.workers.trained_networks import NETWORKS, blueprint, make, samples, train_a_little

INT16 = np.iinfo(np.int16)


def graph_of(name, bits, **options):
    x = samples(name)
    network = train_a_little(make(blueprint(name, bits=bits), x, **options), x, updates=2)
    return to_onnx(lower(network)), x.numpy()


def products(model, x):
    """For each integer product of the graph its operands, as matrices: activations (rows, K) and weights (out, K).

    A convolution's twice: the places of its window in the order of the weights, and channels last.
    """
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in ("QLinearConv", "QGemm")]
    names = sorted({node.input[0] for node in nodes} - {"input"})
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    for name in names:
        watched.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    values = open_session(watched.SerializeToString()).run(names, {"input": x}) if names else []
    found = {"input": x} | dict(zip(names, values, strict=True))
    for node in nodes:
        activations, weights = found[node.input[0]], constants[node.input[3]]
        assert activations.dtype == np.uint8
        assert weights.dtype == np.int8
        if node.op_type == "QGemm":
            yield activations.astype(int), weights.astype(int)
            continue
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        windows = _windows(activations, attributes, int(constants[node.input[2]]))  # (N, C, H, W, k, k)
        for group, of_group in zip(
            np.split(windows, attributes["group"], axis=1), np.split(weights, attributes["group"]), strict=True
        ):
            by_place = group.transpose(0, 2, 3, 1, 4, 5), group.transpose(0, 2, 3, 4, 5, 1)
            for rows, columns in zip(by_place, (of_group, of_group.transpose(0, 2, 3, 1)), strict=True):
                yield rows.reshape(-1, columns[0].size).astype(int), columns.reshape(len(columns), -1).astype(int)


def _windows(x, attributes, zero):
    top, left, bottom, right = attributes["pads"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=zero)
    windows = np.lib.stride_tricks.sliding_window_view(padded, attributes["kernel_shape"], axis=(2, 3))
    down, across = attributes["strides"]
    return windows[:, :, ::down, ::across]


def saturated_pairs(activations, weights):
    """How many sums of two neighbouring products 16 bits can't hold."""
    count = 0
    for first in range(0, activations.shape[1], 2):
        pair = activations[:, first : first + 2] @ weights[:, first : first + 2].T  # (rows, out)
        count += int(((pair > INT16.max) | (pair < INT16.min)).sum())
    return count


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("name", NETWORKS)
def test_no_pair_of_products_saturates(name, bits):
    model, x = graph_of(name, bits)
    assert sum(saturated_pairs(*operands) for operands in products(model, x)) == 0
    assert not model.metadata_props


@pytest.mark.parametrize("name", ["images", "images as vectors", "transformer", "table of numbers", "recommender"])
def test_with_the_full_range_pairs_saturate_and_the_model_names_the_option_against_it(name):
    model, x = graph_of(name, 8, is_full_range=True)
    assert sum(saturated_pairs(*operands) for operands in products(model, x)) > 0
    assert {entry.key: entry.value for entry in model.metadata_props} == EXACT_KERNELS


@pytest.mark.parametrize("input_bits", range(2, 9))
def test_the_largest_weight_is_the_largest_that_is_safe_beside_itself(input_bits):
    largest, highest = largest_weight(input_bits), 2**input_bits - 1
    assert 2 * largest * highest <= INT16.max
    assert largest == 127 or 2 * (largest + 1) * highest > INT16.max
    assert not may_saturate(np.full((1, 2), largest, np.int8), input_bits)
    assert not may_saturate(np.full((1, 2), -largest, np.int8), input_bits)


def test_a_weight_beside_small_or_opposite_ones_may_be_larger():
    assert not may_saturate(np.array([[127, 1, -128]], np.int8), 8)
    assert may_saturate(np.array([[127, 1, 2]], np.int8), 8)
    assert may_saturate(np.array([[1, -127, -2]], np.int8), 8)
    assert not may_saturate(np.array([[127]], np.int8), 8)
