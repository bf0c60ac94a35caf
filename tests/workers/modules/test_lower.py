import dataclasses

import numpy as np
import pytest
import torch
from gasearch_workers.data.dataset import Split
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Fidelity, Layer, Recipe
from gasearch_workers.modules.build import build
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.plan import plan
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.train import train

from tests.workers.export.reference import run_reference

BITS = [2, 3, 4, 5, 8, 32]
KINDS = ["linear", "conv", "separable", "residual"]
RECIPE = Recipe(batch_size=32, learning_rate=0.01)


def image_blueprint(layers: list[Layer], head_bits: int = 8) -> Blueprint:
    head = Layer(kind="linear", width=4, weight_bits=head_bits)
    return Blueprint(family="cnn", input_shape=(2, 9, 7), layers=(*layers, head))


def pattern_images(count: int = 160) -> Split:
    """Four classes: which quarter of a noisy image is bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, count)
    x = rng.integers(0, 120, (count, 2, 9, 7))
    for label, (rows, columns) in enumerate([(0, 0), (0, 4), (5, 0), (5, 4)]):
        x[y == label, :, rows : rows + 4, columns : columns + 3] += 100
    return Split(x=x.astype(np.uint8), y=y)


def pattern_table(count: int = 160) -> Split:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, count)
    x = rng.normal(size=(count, 6)) * [1, 10, 100, 1, 1, 0.1] + 5
    x[np.arange(count), y] += [2, 20, 200, 2][0] * np.array([1, 10, 100, 1])[y]
    return Split(x=x.astype(np.float32), y=y)


def trained(blueprint: Blueprint, split: Split, *, epochs: int = 2):
    steps = plan(blueprint)
    network = build(steps, fit_input(split.x, input_bits=steps.input_bits), seed=3)
    data = ResidentSplit(x=torch.from_numpy(split.x), y=torch.from_numpy(split.y))
    train(network, data, RECIPE, fidelity=Fidelity(epochs=epochs), seed=3)
    return network


def assert_equal_networks(network, x: np.ndarray) -> None:
    """The integer network's logits are the evaluated module's, but for one rare flip of a rounding."""
    reference = run_reference(lower(network), x)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(x)).numpy()
    differences = np.abs(reference - logits).max(axis=1)
    assert np.quantile(differences, 0.97) < 1e-4
    assert (reference.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert logits.std() > 0.05


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_integer_network_computes_what_the_evaluated_module_does(kind, bits):
    layer = Layer(kind=kind, width=6, kernel=1 if kind == "linear" else 3, weight_bits=bits, activation_bits=bits)
    strided = layer if kind == "linear" else dataclasses.replace(layer, width=8, stride=2)
    images = pattern_images()
    assert_equal_networks(trained(image_blueprint([layer, strided], bits), images), images.x)


@pytest.mark.parametrize(
    ("first", "second"),
    [((32, 4), (4, 32)), ((4, 32), (32, 8)), ((2, 8), (8, 2)), ((3, 6), (32, 32))],
    ids=str,
)
@pytest.mark.parametrize("kind", ["conv", "residual"])
def test_mixed_precisions_survive_lowering(kind, first, second):
    layers = [
        Layer(kind=kind, width=6, kernel=3, weight_bits=weight_bits, activation_bits=activation_bits)
        for weight_bits, activation_bits in (first, second)
    ]
    images = pattern_images()
    assert_equal_networks(trained(image_blueprint(layers), images), images.x)


@pytest.mark.parametrize("bits", BITS)
def test_tables_survive_lowering(bits):
    layer = Layer(kind="linear", width=12, weight_bits=bits, activation_bits=bits)
    head = Layer(kind="linear", width=4, weight_bits=bits)
    table = pattern_table()
    blueprint = Blueprint(family="mlp", input_shape=(6,), layers=(layer, layer, head))
    assert_equal_networks(trained(blueprint, table), table.x)


@pytest.mark.parametrize("shape", ["images", "table"])
def test_a_network_of_nothing_but_its_head_survives_lowering(shape):
    split = pattern_images() if shape == "images" else pattern_table()
    head = Layer(kind="linear", width=4, weight_bits=4)
    blueprint = Blueprint(family="mlp", input_shape=split.x.shape[1:], layers=(head,))
    assert_equal_networks(trained(blueprint, split), split.x)


def test_weights_are_int8_of_their_bits_with_a_scale_per_output_and_the_head_is_float():
    layer = Layer(kind="conv", width=6, kernel=3, weight_bits=3, activation_bits=4)
    network = lower(trained(image_blueprint([layer]), pattern_images()))
    conv, pool, head = network.steps
    assert (conv.weight.dtype, conv.weight.shape) == (np.int8, (6, 2, 3, 3))
    assert set(np.unique(conv.weight)) <= set(range(-4, 4))
    assert conv.weight_scale.shape == conv.bias.shape == (6,)
    assert (conv.weight_scale > 0).all()
    assert (conv.output_grid.bits, pool.output_grid.bits, head.output_grid) == (4, 8, None)


def test_a_float_network_has_no_grid_anywhere():
    layer = Layer(kind="conv", width=6, kernel=3)
    network = lower(trained(image_blueprint([layer], 32), pattern_images()))
    assert network.input.grid is None
    assert all(step.output_grid is None and step.weight_scale is None for step in network.steps)
    assert network.steps[0].weight.dtype == np.float32


def test_flattened_bytes_keep_the_grid_of_the_input():
    layer = Layer(kind="linear", width=6, weight_bits=4, activation_bits=4)
    network = lower(trained(image_blueprint([layer]), pattern_images()))
    assert network.steps[0].step.op == "flatten"
    assert network.steps[0].output_grid == network.input.grid


def test_scales_stay_positive_whatever_the_optimizer_did():
    layer = Layer(kind="conv", width=6, kernel=3, weight_bits=2, activation_bits=2)
    network = trained(image_blueprint([layer], 2), pattern_images())
    factors = [value for name, value in network.named_parameters() if name.endswith((".gamma", ".factor"))]
    assert len(factors) == 4  # of the first layer's normalization, weights and output, and of the head's weights
    with torch.no_grad():
        for factor in factors:
            factor.neg_()
    for item in lower(network).steps:
        assert item.weight_scale is None or (item.weight_scale > 0).all()
        assert item.output_grid is None or item.output_grid.scale > 0


def test_lowering_copies_so_that_later_training_changes_nothing():
    network = trained(image_blueprint([Layer(kind="conv", width=6, kernel=3)], 32), pattern_images())
    integer = lower(network)
    before = integer.steps[0].weight.copy()
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[-1].weight.zero_()
    assert (integer.steps[0].weight == before).all()
    assert integer.steps[-1].weight.any()
