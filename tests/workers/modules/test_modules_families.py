"""What holds for a network of any family: shapes, evaluation as deployed, gradients, equal weights in any process."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from gasearch_workers.modules.lower import lower

from tests.workers.export.reference import run_reference
from tests.workers.trained_networks import NETWORKS, blueprint, make, samples, train_a_little

BITS = [1, 2, 4, 8, 32]
COMPRESSED = {
    "half the units": {"sparsity": 0.5},
    "half the rank": {"rank": 0.5},
    "a quarter of the weights": {"sparsity": 0.75, "pruning": "unstructured"},
    "all at once": {"sparsity": 0.5, "pruning": "unstructured", "rank": 0.5},
}


def assert_deployed(network, x):
    """The module in evaluation mode computes what the integer network does, but for one rare flip of a rounding."""
    expected = run_reference(lower(network), x.numpy())
    with torch.no_grad():
        found = network.eval()(x).numpy()
    differences = np.abs(found - expected).reshape(len(x), -1).max(axis=1) / expected.std()
    assert np.quantile(differences, 0.9) < 1e-4
    assert differences.max() < 0.5


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_has_the_shape_that_the_plan_foretells(name, bits):
    network, x = make(blueprint(name, bits=bits), samples(name)), samples(name)
    seen = {}
    for step, module in zip(network.plan.steps, network.layers, strict=True):
        module.register_forward_hook(lambda _, __, out, step=step: seen.update({step.name: tuple(out.shape)}))
    network(x)
    assert seen == {step.name: (len(x), *step.output_shape) for step in network.plan.steps}


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_computes_with_the_deployed_numbers(name, bits):
    x = samples(name)
    assert_deployed(train_a_little(make(blueprint(name, bits=bits), x), x), x)


@pytest.mark.parametrize(("bits", "activation_bits"), [(32, 4), (4, 32), (3, 7), (8, 2)])
@pytest.mark.parametrize("name", NETWORKS)
def test_mixed_precisions_are_deployed_as_evaluated(name, bits, activation_bits):
    x = samples(name)
    mixed = blueprint(name, bits=bits, activation_bits=activation_bits)
    assert_deployed(train_a_little(make(mixed, x), x), x)


@pytest.mark.parametrize("compression", COMPRESSED.values(), ids=COMPRESSED)
@pytest.mark.parametrize("name", NETWORKS)
def test_compressed_networks_train_and_are_deployed_as_evaluated(name, compression):
    x = samples(name)
    network = make(blueprint(name, bits=4, **compression), x)
    assert_deployed(train_a_little(network, x), x)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_parameter(name, bits):
    x = samples(name)
    network = make(blueprint(name, bits=bits), x)
    touched = {key: False for key, _ in network.named_parameters()}
    for _ in range(3):  # A ReLU or a clipped weight may hold one batch's gradient back.
        train_a_little(network, x, updates=1)
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None, key
            assert torch.isfinite(parameter.grad).all(), key
            touched[key] |= bool(parameter.grad.any())
    assert all(touched.values()), [key for key, is_touched in touched.items() if not is_touched]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_little_training_lowers_the_loss_at_4_bits(name):
    x = samples(name)
    network = make(blueprint(name, bits=4), x)
    goal = torch.randn(network(x).shape, generator=torch.Generator().manual_seed(5))
    before = (network(x) - goal).square().mean()
    train_a_little(network, x, updates=30)
    assert (network(x) - goal).square().mean() < 0.9 * before


# --- seeds ------------------------------------------------------------------------------------------------------


def digest(name):
    """Of the weights after a few steps of training at 4 bits with dropout."""
    torch.set_num_threads(1)
    network = make(blueprint(name, bits=4), samples(name), seed=7)
    network.set_dropout(0.2, torch.Generator().manual_seed(1))
    train_a_little(network, samples(name))
    state = b"".join(key.encode() + value.numpy().tobytes() for key, value in network.state_dict().items())
    return hashlib.sha256(state).hexdigest()


def test_the_same_seed_gives_the_same_weights_in_another_process():
    script = f"from {__name__} import digest, NETWORKS\nfor name in NETWORKS: print(name, digest(name))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.splitlines() == [f"{name} {digest(name)}" for name in NETWORKS]


def test_another_seed_gives_other_weights():
    x = samples("gru")
    one, other = (make(blueprint("gru"), x, seed=seed).state_dict() for seed in (0, 1))
    assert not any(torch.equal(one[key], other[key]) for key in one if key.endswith(".weight"))


# --- the unit of a regression -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", BITS)
def test_a_regression_answers_in_the_targets_unit(bits):
    x = samples("mixed table")
    plain = make(blueprint("mixed table", bits=bits, is_regression=True), x)
    stretched = make(blueprint("mixed table", bits=bits, is_regression=True), x, target=(200.0, 30.0))
    torch.testing.assert_close(stretched(x), plain(x) * 30 + 200)
    torch.testing.assert_close(stretched.eval()(x), plain.eval()(x) * 30 + 200, rtol=1e-5, atol=1e-3)
    assert_deployed(stretched, x)


# --- dropout ----------------------------------------------------------------------------------------------------


def outputs_of_steps(network, x):
    """What each step hands on, by name."""
    tensors = {}
    for step, module in zip(network.plan.steps, network.layers, strict=True):
        module.register_forward_pre_hook(
            lambda _, args, step=step: tensors.update(dict(zip(step.inputs, args, strict=True)))
        )
    tensors["output"] = network(x)
    return tensors


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_thins_each_hidden_layer_out_while_training(name):
    x = samples(name)
    whole = outputs_of_steps(make(blueprint(name), x), x)
    thinned = make(blueprint(name), x)
    thinned.set_dropout(0.5, torch.Generator().manual_seed(0))
    first = next(step.name for step in thinned.plan.steps if step.name in thinned.dropped)
    found, expected = outputs_of_steps(thinned, x)[first], whole[first]
    is_kept = found != 0
    torch.testing.assert_close(found[is_kept], 2 * expected[is_kept])
    there = expected != 0
    assert is_kept[there].double().mean() == pytest.approx(0.5, abs=0.15)
    layers = {step.name.split(".")[0] for step in thinned.plan.steps if step.name.startswith("layer")}
    assert {name.split(".")[0] for name in thinned.dropped if name.startswith("layer")} == layers
    assert "head" not in thinned.dropped


def test_dropout_changes_nothing_in_evaluation_mode():
    x = samples("gru")
    network = train_a_little(make(blueprint("gru", bits=4), x), x).eval()
    expected = network(x)
    network.set_dropout(0.9, torch.Generator().manual_seed(0))
    assert torch.equal(network(x), expected)


def test_dropout_of_everything_is_refused():
    with pytest.raises(ValueError, match=r"at least 0 and below 1; got 1\.0"):
        make(blueprint("gru"), samples("gru")).set_dropout(1.0, torch.Generator())


# --- precision and device ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 4, 8, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_while_training_leaves_the_deployed_network_whole(name, bits):
    x = samples(name)
    network = make(blueprint(name, bits=bits), x)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            y = network(x)
        optimizer.zero_grad()
        y.float().square().mean().backward()
        optimizer.step()
    assert_deployed(network, x)


@pytest.mark.parametrize("bits", [4, 32])
@pytest.mark.parametrize("name", ["bag of words", "convolutions", "gru", "transformer", "tagger"])
def test_padding_beyond_the_reach_of_the_windows_changes_nothing(name, bits):
    x = samples(name)
    network = train_a_little(make(blueprint(name, bits=bits), x), x).eval()
    codes = x if x.dim() == 2 else x[..., 0]
    reach = sum(step.kernel // 2 for step in network.plan.steps if step.op == "window")
    with torch.no_grad():
        whole = network(x)
        for words in range(1, 5):
            like = (codes != 0).sum(dim=1) == words
            cut = network(x[like][:, : words + reach])
            expected = whole[like]
            if x.dim() == 3:  # a tagger
                cut, expected = cut[:, :words], expected[:, :words]
            torch.testing.assert_close(cut, expected, rtol=1e-4, atol=1e-4)
