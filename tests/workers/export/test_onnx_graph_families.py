"""The exported graphs of sequences, tables with codes, recommenders and compressed networks against the reference."""

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_graph import float_steps, to_onnx
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.export.reference import run_reference
from tests.workers.graph_checks import compare, operators, require_nearest_integers
from tests.workers.integer_networks import FAMILIES, present, random_blueprint, random_network, random_raw

#: Widths at which a normalization over the channels doesn't turn a rounding into another sign.
WIDTHS = (8, 13, 16)
#: Root mean square over networks of the outputs' error in their deviations, per bits of weights and activations.
LARGEST_ERROR = {2: 0.2, 4: 0.05, 8: 0.02, FULL_PRECISION: 1e-4}


def network_of(family, *kinds, weight_bits=8, activation_bits=8, tokens=8, seed=0, columns=1):
    """A network of a family with a layer of each kind."""
    precision = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    hidden = [
        Layer(
            kind=kind,
            width=12,
            kernel=3 if kind == "conv1d" else 1,
            heads=2 if kind == "transformer" else 1,
            **precision,
        )
        for kind in kinds
    ]
    embedding = Layer(kind="embedding", width=12, rows=9, weight_bits=weight_bits)
    shapes = {"mlp": (5,), "recommender": (2,)}
    outputs = 1 if family == "recommender" else 4
    blueprint = Blueprint(
        family=family,
        input_shape=shapes.get(family, (tokens,) if columns == 1 else (tokens, columns)),
        layers=(embedding, *hidden, Layer(kind="linear", width=outputs, weight_bits=weight_bits)),
        categories=(20, 11) if family in shapes else (30,) * columns,
        is_regression=family == "recommender",
    )
    return random_network(blueprint, np.random.default_rng(seed))


def run_graph(network, x, batch=256):
    return run_onnx(to_onnx(network).SerializeToString(), x, batch)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(FAMILIES), st.integers(0, 2**32 - 1))
def test_every_step_gives_the_nearest_integers_whatever_is_compressed_and_how(family, seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_blueprint(rng, family=family, is_compressed=True), rng)
    require_nearest_integers(network, random_raw(rng, network, 30))


@pytest.mark.parametrize("bits", [2, 4, 8, FULL_PRECISION])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_class_is_the_references_in_99_of_100_samples_over_networks_of_each_family(family, bits):
    agreements, errors = [], []
    for seed in range(8):
        rng = np.random.default_rng([seed, bits])
        options = {"bits": (bits,), "widths": WIDTHS, "layers": (1, 2), "is_compressed": seed % 2 == 1}
        network = random_network(random_blueprint(rng, family=family, **options), rng)
        agreement, error = compare(network, rng, count=100)
        agreements.append(agreement)
        errors.append(error)
    assert np.mean(agreements) >= 0.99
    assert np.sqrt(np.mean(np.square(errors))) < LARGEST_ERROR[bits]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sample_gives_the_same_alone_and_in_a_batch(family):
    rng = np.random.default_rng(3)
    network = random_network(random_blueprint(rng, family=family, layers=(2, 2), widths=WIDTHS), rng)
    x = random_raw(rng, network, 7)
    np.testing.assert_allclose(run_graph(network, x, batch=1), run_graph(network, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kinds", [("gru",), ("transformer",), ("conv1d",), ()])
def test_a_sequence_of_padding_alone_has_finite_logits(kinds):
    network = network_of("text", *kinds)
    x = np.zeros((2, 8), np.int32)
    np.testing.assert_allclose(run_graph(network, x), run_reference(network, x), atol=1e-3)


@pytest.mark.parametrize("kinds", [("gru",), ("transformer",), ("conv1d",)])
def test_an_embedding_that_has_no_row_for_a_word_takes_the_unknown_one(kinds):
    network = network_of("text", *kinds)
    known, beyond = np.full((1, 8), 1, np.int32), np.full((1, 8), 29, np.int32)
    np.testing.assert_array_equal(run_graph(network, known), run_graph(network, beyond))


@pytest.mark.parametrize("family", ["mlp", "recommender"])
def test_a_category_that_no_table_has_is_an_error_not_an_answer(family):
    network = network_of(family, "linear")
    x = random_raw(np.random.default_rng(1), network, 1)
    x[0, -1] = 11
    with pytest.raises(Exception, match=r"indices element out of data bounds, idx=11"):
        run_graph(network, x)


@pytest.mark.parametrize(
    ("family", "dtype", "shape", "output"),
    [
        ("text", onnx.TensorProto.INT32, [8], ("logits", [4])),
        ("tagger", onnx.TensorProto.INT32, [8], ("logits", [8, 4])),
        ("mlp", onnx.TensorProto.FLOAT, [5], ("logits", [4])),
        ("recommender", onnx.TensorProto.INT32, [2], ("prediction", [1])),
    ],
)
def test_the_graph_takes_and_gives_what_its_family_says(family, dtype, shape, output):
    graph = to_onnx(network_of(family)).graph
    (source,), (target,) = graph.input, graph.output
    forms = [one.type.tensor_type.shape.dim for one in (source, target)]
    assert [form[0].dim_param for form in forms] == ["batch", "batch"]
    assert (source.type.tensor_type.elem_type, [size.dim_value for size in forms[0][1:]]) == (dtype, shape)
    assert (target.name, [size.dim_value for size in forms[1][1:]]) == output


def test_convolutions_over_tokens_run_in_integers_from_the_table_on():
    network = network_of("text", "conv1d")
    assert float_steps(network) == ()
    assert [name for name in operators(network) if name in ("Cast", "QuantizeLinear", "MatMul", "Gemm")] == []
    assert operators(network).count("QGemm") == 2


def test_a_table_with_codes_runs_in_integers():
    network = network_of("mlp", "linear")
    assert float_steps(network) == ()
    assert "QLinearConcat" in operators(network)


def test_a_recommender_runs_in_integers():
    network = network_of("recommender", "linear")
    assert float_steps(network) == ()
    assert {"QLinearMul", "QLinearConcat"} <= set(operators(network))


def test_recurrence_attention_and_means_of_tokens_compute_in_float_and_say_so():
    assert float_steps(network_of("text", "gru")) == ("layer0", "pool")
    assert float_steps(network_of("tagger", "transformer")) == ("layer0.attention", "layer0.norm0", "layer0.norm1")


def test_codes_of_several_columns_are_added_in_integers():
    network = network_of("tagger", "conv1d", columns=3)
    assert float_steps(network) == ()
    assert operators(network).count("QLinearAdd") == 2
    x = random_raw(np.random.default_rng(1), network, 50)
    counts = present(network, x)
    found, expected = run_graph(network, x)[counts], run_reference(network, x)[counts]
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.99


def test_weights_of_a_float_step_are_in_the_file_as_int8():
    small, large = (len(to_onnx(wide_gru(bits)).SerializeToString()) for bits in (4, FULL_PRECISION))
    weights = 6 * 48 * (48 + 48)
    assert large - small > 2.8 * weights


def wide_gru(bits):
    layer = Layer(kind="gru", width=48, weight_bits=bits, activation_bits=8)
    layers = (Layer(kind="embedding", width=48, weight_bits=8), layer, Layer(kind="linear", width=4, weight_bits=8))
    blueprint = Blueprint(family="text", input_shape=(6,), layers=layers, categories=(20,))
    return random_network(blueprint, np.random.default_rng(0), samples=8)


def test_binary_weights_keep_their_signs():
    network = network_of("mlp", "linear", weight_bits=1)
    assert {-1, 1} == set(np.unique(next(item for item in network.steps if item.step.op == "linear").weight))
    agreement, error = compare(network, np.random.default_rng(1))
    assert agreement == 1
    assert error < 0.02


def test_equal_networks_give_equal_files_in_every_family():
    for family in ("text", "tagger", "transformer", "recommender", "mlp"):
        first, second = (to_onnx(network_of(family)).SerializeToString() for _ in range(2))
        assert first == second


def test_no_constant_of_a_graph_is_unused():
    for kinds in ((), ("gru",), ("conv1d",), ("transformer",)):
        graph = to_onnx(network_of("text", *kinds)).graph
        used = {name for node in graph.node for name in node.input}
        assert {constant.name for constant in graph.initializer} - used == set()
