import dataclasses

import numpy as np
import pytest
import torch
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.modules.build import build
from gasearch_workers.modules.deployed import (
    DeployedNetwork,
    StoredWeightsError,
    from_safetensors,
    to_safetensors,
)
from gasearch_workers.modules.lower import lower
from gasearch_workers.network.plan import plan
from safetensors.numpy import load

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network, random_raw

BLUEPRINT = Blueprint(
    family="cnn",
    input_shape=(1, 8, 8),
    layers=(
        Layer(kind="residual", width=6, kernel=3, weight_bits=2, activation_bits=3),
        Layer(kind="conv", width=8, kernel=3, stride=2, weight_bits=FULL_PRECISION, activation_bits=8),
        Layer(kind="linear", width=5, weight_bits=4),
    ),
)


def some_network(blueprint=BLUEPRINT, seed=0):
    return random_network(blueprint, np.random.default_rng(seed))


def trained_module(blueprint, rng):
    """A module whose grids and statistics come from a few batches, and samples of its data."""
    steps = plan(blueprint)
    transform = random_network(blueprint, rng).input
    target = (120.0, 7.0) if blueprint.is_regression else (0.0, 1.0)
    module = build(steps, transform, seed=1, target=target)
    x = random_raw(rng, some_network(blueprint), 64)
    for _ in range(3):
        module(torch.from_numpy(x))
    return module.eval(), x


def outputs(module, x):
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_it_gives_the_outputs_of_the_module_that_was_trained_bit_for_bit(family, seed):
    rng = np.random.default_rng(seed)
    blueprint = random_blueprint(rng, family=family, is_compressed=True)
    module, x = trained_module(blueprint, rng)
    deployed = DeployedNetwork.of(lower(module))
    np.testing.assert_array_equal(outputs(deployed, x), outputs(module, x))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_computes_what_the_integer_network_means(family):
    rng = np.random.default_rng(3)
    network = random_network(random_blueprint(rng, family=family, bits=(4, 8), widths=(8, 16)), rng)
    x = random_raw(rng, network, 100)
    found, expected = outputs(DeployedNetwork.of(network), x), run_reference(network, x)
    assert np.quantile(np.abs(found - expected), 0.95) < 2e-3 * np.abs(expected).max()  # a tie may fall either way


@pytest.mark.parametrize("family", FAMILIES)
def test_stored_weights_make_the_same_module(family):
    rng = np.random.default_rng(5)
    network = random_network(random_blueprint(rng, family=family, is_compressed=True), rng)
    x = random_raw(rng, network, 50)
    again = from_safetensors(to_safetensors(network), network.plan)
    assert not again.training
    np.testing.assert_array_equal(outputs(again, x), outputs(DeployedNetwork.of(network), x))


@pytest.mark.parametrize("family", ["cnn", "text", "recommender"])  # others fail within a layer
def test_samples_of_another_shape_are_refused(family):
    rng = np.random.default_rng(6)
    network = random_network(random_blueprint(rng, family=family), rng)
    x = random_raw(rng, network, 2)
    with pytest.raises(ValueError, match=r"^samples are \(count, [0-9, ]+\); got \(2, "):
        outputs(DeployedNetwork.of(network), np.concatenate([x, x], axis=1))


def test_equal_networks_give_equal_bytes_with_the_real_weights_in_them():
    network = some_network()
    content = to_safetensors(network)
    assert content == to_safetensors(some_network())
    tensors = load(content)
    head = network.steps[-1]
    np.testing.assert_allclose(tensors["steps.head:linear.weight"], head.real_weight(), rtol=1e-6)
    assert tensors["steps.layer1:conv.quantizer.scale"] == np.float32(network.grids["layer1"].scale)
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float32", "int32"}


def test_a_network_of_another_plan_and_bytes_that_are_no_weights_are_refused():
    content = to_safetensors(some_network())
    wider = dataclasses.replace(
        BLUEPRINT, layers=(*BLUEPRINT.layers[:2], dataclasses.replace(BLUEPRINT.layers[2], width=7))
    )
    with pytest.raises(StoredWeightsError, match=r"size mismatch for steps.head:linear.weight"):
        from_safetensors(content, plan(wider))
    with pytest.raises(StoredWeightsError, match=r"the tensor 'steps.layer2:conv.quantizer.scale' is missing"):
        from_safetensors(
            content, plan(dataclasses.replace(BLUEPRINT, layers=(*BLUEPRINT.layers[:2], *BLUEPRINT.layers[1:])))
        )
    with pytest.raises(StoredWeightsError, match="they are no safetensors file"):
        from_safetensors(content[:-3], plan(BLUEPRINT))
    with pytest.raises(StoredWeightsError, match="they are no safetensors file"):
        from_safetensors(b"", plan(BLUEPRINT))
