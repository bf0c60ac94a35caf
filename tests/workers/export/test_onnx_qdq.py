"""The portable graph of every family against the reference, run by ONNX Runtime with its default options."""

import dataclasses

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_qdq import to_qdq
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.onnx_stretch import EXACT_KERNELS
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.network.integer import Grid
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.export.reference import run_reference
from tests.workers.export.two_layers import network_of
from tests.workers.graph_checks import compare_outputs
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network, random_raw

WIDTHS = (8, 13, 16)
#: Root mean square over networks of the outputs' error in their deviations: ties alone, and biases of ONNX Runtime's.
LARGEST_ERROR = 0.005


def run(network, x, batch=256, **options):
    return run_onnx(to_qdq(network, **options).SerializeToString(), x, batch)


def compare_many(family, bits, count=6, **options):
    """(mean agreement, root mean square error) over networks of a family."""
    agreements, errors = [], []
    for seed in range(count):
        rng = np.random.default_rng([seed, bits])
        shape = {"bits": (bits,), "widths": WIDTHS, "layers": (1, 2), "is_compressed": seed % 2 == 1}
        network = random_network(random_blueprint(rng, family=family, **shape), rng)
        x = random_raw(rng, network, 100)
        agreement, error = compare_outputs(network, x, run(network, x, **options))
        agreements.append(agreement)
        errors.append(error)
    return np.mean(agreements), np.sqrt(np.mean(np.square(errors)))


@pytest.mark.parametrize("bits", [2, 4, 8, FULL_PRECISION])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_class_and_the_outputs_are_the_references_at_each_precision(family, bits):
    agreement, error = compare_many(family, bits)
    assert agreement >= 0.99
    assert error < (1e-4 if bits == FULL_PRECISION else LARGEST_ERROR)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FAMILIES), st.integers(0, 2**32 - 1))
def test_whatever_is_compressed_and_however_precisions_are_mixed_the_graph_is_valid_and_answers_as_meant(family, seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_blueprint(rng, family=family, widths=WIDTHS, is_compressed=True), rng)
    onnx.checker.check_model(to_qdq(network), full_check=True)
    x = random_raw(rng, network, 60)
    agreement, error = compare_outputs(network, x, run(network, x))
    assert agreement >= 0.9
    assert error < 0.3  # one tie at 2 bits


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_has_the_standard_s_operators_alone_in_what_old_runtimes_load(family, is_symmetric):
    rng = np.random.default_rng(5)
    network = random_network(random_blueprint(rng, family=family, layers=(2, 2)), rng)
    model = to_qdq(network, is_symmetric=is_symmetric)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]
    assert {node.domain for node in model.graph.node} == {""}
    assert model.ir_version == 7


def test_gated_units_get_no_sequence_lengths_which_runtimes_leave_out_without_a_word():
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="tagger", kinds=("gru",), layers=(1, 1), bits=(8,)), rng)
    units = [node for node in to_qdq(network).graph.node if node.op_type == "GRU"]
    assert [len(node.input) for node in units] == [4]


@pytest.mark.parametrize("kind", ["gru", "transformer", "conv1d"])
def test_a_sequence_of_padding_alone_has_finite_outputs(kind):
    rng = np.random.default_rng(1)
    network = random_network(
        random_blueprint(rng, family="transformer" if kind == "transformer" else "text", kinds=(kind,), layers=(1, 1)),
        rng,
    )
    x = np.zeros_like(random_raw(rng, network, 2))
    np.testing.assert_allclose(run(network, x), run_reference(network, x), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sample_gives_the_same_alone_and_in_a_batch(family):
    rng = np.random.default_rng(3)
    network = random_network(random_blueprint(rng, family=family, layers=(2, 2), widths=WIDTHS), rng)
    x = random_raw(rng, network, 7)
    np.testing.assert_allclose(run(network, x, batch=1), run(network, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_float_weights_between_quantized_tensors_stay_floats(kind):
    network = network_of(kind, np.random.default_rng(4), weight_bits=FULL_PRECISION, activation_bits=8)
    x = random_raw(np.random.default_rng(5), network, 200)
    _, error = compare_outputs(network, x, run(network, x))
    assert error < 1e-3  # ONNX Runtime's own 8 bits: 1e-2


@pytest.mark.parametrize("family", ["text", "transformer", "tagger"])
def test_float_activations_before_quantized_weights_stay_floats(family):
    rng = np.random.default_rng(5)
    blueprint = random_blueprint(rng, family=family, layers=(2, 2), widths=WIDTHS, bits=(4,))
    layers = [dataclasses.replace(layer, activation_bits=FULL_PRECISION) for layer in blueprint.layers]
    network = random_network(dataclasses.replace(blueprint, layers=tuple(layers)), rng)
    x = random_raw(rng, network, 100)
    _, error = compare_outputs(network, x, run(network, x))
    assert error < 1e-4  # ONNX Runtime's own 8 bits: 1e-2


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_activations_of_few_bits_stop_at_the_ends_of_their_grid(is_symmetric):
    network = network_of("linear", np.random.default_rng(6), weight_bits=8, activation_bits=3)
    first, *rest = network.steps
    high = dataclasses.replace(first, bias=first.bias + 100)
    network = dataclasses.replace(network, steps=(high, *rest))
    x = random_raw(np.random.default_rng(7), network, 5)
    np.testing.assert_allclose(run(network, x, is_symmetric=is_symmetric), run_reference(network, x), atol=1e-3)


@pytest.mark.parametrize("tiny", [0.0, 1e-12, 1e-7])
def test_a_channel_that_normalization_has_killed_keeps_its_bias(tiny):
    network = network_of("conv", np.random.default_rng(6), weight_bits=4)
    first, *rest = network.steps
    scale, bias, weight = first.weight_scale.copy(), first.bias.copy(), first.weight.copy()
    scale[:4] = tiny or scale[:4]
    weight[:4] *= tiny > 0
    bias[:4] = [0.9, 0.5, -0.4, 0.0]
    first = dataclasses.replace(first, weight=weight, weight_scale=scale, bias=bias)
    network = dataclasses.replace(network, steps=(first, *rest))
    x = random_raw(np.random.default_rng(7), network, 100)
    agreement, error = compare_outputs(network, x, run(network, x))
    assert agreement >= 0.99
    assert error < 0.06


def test_weights_that_saturate_without_vnni_name_the_option_that_mends_it():
    network = network_of("conv", np.random.default_rng(8), weight_bits=8, activation_bits=8)
    wide = dataclasses.replace(network.steps[0], weight=np.full_like(network.steps[0].weight, 127))
    saturating = dataclasses.replace(network, steps=(wide, *network.steps[1:]))
    assert {entry.key: entry.value for entry in to_qdq(saturating).metadata_props} == EXACT_KERNELS
    narrow = dataclasses.replace(wide, weight=np.full_like(wide.weight, 64))
    rest = [
        dataclasses.replace(item, weight=item.weight // 2) if item.weight_scale is not None else item
        for item in network.steps[1:]
    ]
    assert not to_qdq(dataclasses.replace(network, steps=(narrow, *rest))).metadata_props


# --- zero point 0 everywhere ---


@pytest.mark.parametrize("bits", [2, 4, 8, FULL_PRECISION])
@pytest.mark.parametrize("family", FAMILIES)
def test_with_zero_points_0_the_class_and_the_outputs_are_the_references_too(family, bits):
    agreement, error = compare_many(family, bits, is_symmetric=True)
    assert agreement >= 0.99
    assert error < (1e-4 if bits == FULL_PRECISION else LARGEST_ERROR)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FAMILIES), st.integers(0, 2**32 - 1))
def test_with_zero_points_0_whatever_is_compressed_the_graph_is_valid_and_answers_as_meant(family, seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_blueprint(rng, family=family, widths=WIDTHS, is_compressed=True), rng)
    onnx.checker.check_model(to_qdq(network, is_symmetric=True), full_check=True)
    x = random_raw(rng, network, 60)
    agreement, error = compare_outputs(network, x, run(network, x, is_symmetric=True))
    assert agreement >= 0.9
    assert error < 0.3  # one tie at 2 bits


def test_with_zero_points_0_a_convolution_of_8_bits_has_a_dequantized_input_with_the_real_zero_around_it():
    network = network_of("conv", np.random.default_rng(0), weight_bits=8, activation_bits=8)
    graph = to_qdq(network, is_symmetric=True).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    for node in convolutions:
        assert [made_by[name] for name in node.input[:2]] == ["DequantizeLinear", "DequantizeLinear"]
        [pads] = [list(one.ints) for one in node.attribute if one.name == "pads"]
        assert not any(pads)
    assert [node.op_type for node in graph.node].count("Pad") == len(convolutions)


@pytest.mark.parametrize("family", FAMILIES)
def test_symmetric_graphs_have_int8_and_zero_points_0_alone(family):
    rng = np.random.default_rng(9)
    network = random_network(random_blueprint(rng, family=family, layers=(2, 2), bits=(2, 8)), rng)
    graph = to_qdq(network, is_symmetric=True).graph
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert constants[node.input[2]].dtype == np.int8
        assert not constants[node.input[2]].any()


# --- refusals, equality ---


def test_a_network_whose_last_step_is_quantized_is_refused():
    network = network_of("linear", np.random.default_rng(8))
    last = dataclasses.replace(network.steps[-1], output_grid=Grid(scale=1.0, zero_point=0, bits=8))
    with pytest.raises(ValueError, match=r"the last step must give floats; 'head' has an integer grid"):
        to_qdq(dataclasses.replace(network, steps=(*network.steps[:-1], last)))


def test_equal_networks_give_equal_files():
    first, second = (network_of("residual", np.random.default_rng(9)) for _ in range(2))
    assert to_qdq(first).SerializeToString() == to_qdq(second).SerializeToString()
