"""What pruning keeps in every family: the shapes of the plan, the function if nothing is lost, masks, grids."""

import dataclasses

import numpy as np
import pytest
import torch
from gasearch_workers.modules.lower import lower
from gasearch_workers.modules.pruning import prune
from gasearch_workers.modules.quantize import START_BATCHES
from gasearch_workers.network.plan import plan

from tests.workers.integer_networks import FAMILIES, random_blueprint
from tests.workers.modules.test_modules_families import assert_deployed
from tests.workers.trained_networks import NETWORKS, blueprint, make, samples, train_a_little

STRUCTURED = {"sparsity": 0.5}
UNSTRUCTURED = {"sparsity": 0.5, "pruning": "unstructured"}
COMPRESSED = {
    "half the units": STRUCTURED,
    "half the units and ranks": {"sparsity": 0.5, "rank": 0.5},
    "half the weights": UNSTRUCTURED,
    "half the weights of factors": {"sparsity": 0.5, "pruning": "unstructured", "rank": 0.5},
}


def trained(name, *, updates=4, **fields):
    """The network in which a training begins, after some steps, its samples, and the plan of what is deployed."""
    network, x = blueprint(name, **fields), samples(name)
    return train_a_little(make(plan(network, is_pruned=False), x), x, updates=updates), x, plan(network)


@pytest.mark.parametrize("bits", [1, 4, 8, 32])
@pytest.mark.parametrize("compression", COMPRESSED.values(), ids=COMPRESSED)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_pruned_network_is_that_of_the_plan_and_trains_on(name, compression, bits):
    network, x, target = trained(name, bits=bits, **compression)
    pruned = prune(network, target)
    assert pruned.plan == target
    shapes = {key: value.shape for key, value in pruned.state_dict().items()}
    assert shapes == {key: value.shape for key, value in make(target, x).state_dict().items()}
    assert_deployed(train_a_little(pruned, x), x)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", FAMILIES)
def test_random_compressed_networks_keep_the_shapes_of_their_plan(family, seed):
    network = random_blueprint(np.random.default_rng([31, seed]), family=family, is_compressed=True)
    target, dense = plan(network), plan(network, is_pruned=False)
    x = torch.zeros((2, *network.input_shape), dtype=torch.uint8 if target.input_kind == "image" else torch.float32)
    x = x.int() if target.input_kind in ("tokens", "ids") else x
    pruned = prune(make(dense, x), target)
    for step, layer in zip(target.steps, pruned.layers, strict=True):
        if step.has_weights:
            assert layer.deployed().weight.shape == step.weight_shape
    assert pruned.eval()(x).shape == (2, *target.steps[-1].output_shape)


# --- structured -------------------------------------------------------------------------------------------------


def silence(network, target):
    """Zero the weights that read half of each layer's outputs, not always the first half; returns the network."""
    readers = {}
    for step, layer in zip(network.plan.steps, network.layers, strict=True):
        readers.setdefault(step.inputs[0], []).append((step, layer))
    with torch.no_grad():
        for before, after in zip(network.plan.steps, target.steps, strict=True):
            width, kept = before.output_shape, after.output_shape
            if before.op in ("conv", "linear", "gru") and before.groups == 1 and width != kept:
                _silence_readers(readers, before, len(width) == 3)
    return network


def _silence_readers(readers, step, is_image):
    channels = torch.arange(step.output_shape[0] if is_image else step.output_shape[-1])
    is_silent = channels % 2 == 0
    _silence(readers, step.name, is_silent)


def _silence(readers, name, is_silent):
    for step, layer in readers.get(name, []):
        match step.op:
            case "conv" if step.groups > 1:
                layer.weight[is_silent] = 0.0
                layer.bias[is_silent] = 0.0  # Else the normalization's shift goes on to the next layer.
                _silence(readers, step.name, is_silent)
            case "conv" | "linear":
                layer.weight[:, is_silent] = 0.0
            case "gru":
                layer.weight[:, : len(is_silent)][:, is_silent] = 0.0
            case "flatten":
                _silence(readers, step.name, is_silent.repeat_interleave(step.output_shape[0] // len(is_silent)))
            case "window":
                _silence(readers, step.name, is_silent.repeat(step.kernel))
            case "attention":
                continue
            case _:
                _silence(readers, step.name, is_silent)


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize(
    "name", ["bag of words", "convolutions", "recommender", "mixed table", "table of numbers", "images as vectors"]
)
def test_channels_that_nothing_reads_go_and_the_function_stays(name, bits):
    network, x, target = trained(name, bits=bits, **STRUCTURED)
    silence(network, target).eval()
    torch.testing.assert_close(prune(network, target)(x), network(x), rtol=1e-4, atol=1e-5)


def test_channels_of_images_that_nothing_reads_go_and_the_function_stays():
    network, x, target = trained("images", **STRUCTURED)
    network = silence(network, target).eval()
    with torch.no_grad():  # Depthwise outputs of silent channels are the shift of their normalization.
        depthwise = network.steps["layer1_depthwise:conv"]
        network.steps["layer1_pointwise:conv"].weight[:, depthwise.weight.flatten(1).abs().sum(dim=1) == 0] = 0.0
    torch.testing.assert_close(prune(network, target)(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [8, 32])
def test_heads_and_inner_units_that_nothing_reads_go_and_the_function_stays(bits):
    network, x, target = trained("transformer", bits=bits, **STRUCTURED)
    with torch.no_grad():
        for number in (0, 1):
            network.steps[f"layer{number}_projection:linear"].weight.view(8, 4, 2)[:, [0, 3]] = 0.0
            network.steps[f"layer{number}_narrow:linear"].weight[:, ::2] = 0.0
    pruned = prune(network.eval(), target)
    assert pruned.plan.steps[3].heads == 2
    torch.testing.assert_close(pruned(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [8, 32])
def test_units_of_a_gru_that_nothing_reads_go_in_each_direction_on_its_own(bits):
    network, x, target = trained("gru", bits=bits, **STRUCTURED)
    first, second, head = (network.steps[key] for key in ("layer0:gru", "layer1:gru", "head:linear"))
    with torch.no_grad():
        for layer, reader, silent in (
            (first, second.weight[:, :12], ([0, 2, 4], [1, 3, 5])),
            (second, head.weight, ([0, 1], [2, 3])),
        ):
            hidden = layer.hidden
            gates = layer.weight.view(2, 3, hidden, -1)
            for way in (0, 1):
                gates[way, :, :, [place - hidden for place in silent[way]]] = 0.0  # By the other units.
                reader[:, [way * hidden + place for place in silent[way]]] = 0.0
    torch.testing.assert_close(prune(network.eval(), target)(x), network(x), rtol=1e-4, atol=1e-5)


def test_normalization_and_grids_go_on_where_they_were():
    network, x, target = trained("convolutions", updates=START_BATCHES, bits=3, **STRUCTURED)
    pruned = prune(network, target)
    before, after = network.steps["layer0:linear"], pruned.steps["layer0:linear"]
    kept = [int((before.norm.mean == value).nonzero()[0]) for value in after.norm.mean]
    assert kept == sorted(set(kept))
    assert len(kept) == 4
    assert torch.equal(after.norm.variance, before.norm.variance[kept])
    assert torch.equal(after.weight_quantizer.learned.factor, before.weight_quantizer.learned.factor[kept])
    assert after.norm.batches == before.norm.batches
    assert pruned.grids() == network.grids()
    pruned(x)  # A first batch would set the grid anew.
    assert pruned.grids() == network.grids()


def test_the_network_given_stays_as_it_is():
    network, _, target = trained("tagger", bits=4, **STRUCTURED)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    prune(network, target)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_mode_dropout_and_unit_of_the_target_are_kept():
    network = blueprint("mixed table", is_regression=True, **STRUCTURED)
    x, generator = samples("mixed table"), torch.Generator()
    dense = make(plan(network, is_pruned=False), x, target=(100.0, 5.0)).eval()
    dense.set_dropout(0.25, generator)
    pruned = prune(dense, plan(network))
    assert not pruned.training
    assert (pruned.dropout, pruned.dropout_generator) == (0.25, generator)
    assert pruned(x).mean().item() == pytest.approx(100, abs=25)


# --- unstructured -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 4, 8, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_pruned_weights_stay_0_through_training_and_lowering(name, bits):
    network, x, target = trained(name, bits=bits, sparsity=0.75, pruning="unstructured")
    pruned = prune(network, target)
    masks = {key: value.clone() for key, value in pruned.named_buffers() if key.endswith(".mask")}
    train_a_little(pruned, x)
    assert len(masks) == sum(step.nonzeros is not None for step in target.steps)
    for item, layer in zip(lower(pruned).steps, pruned.layers, strict=True):
        if item.step.nonzeros is not None:
            assert int(layer.mask.sum()) == item.step.nonzeros
            assert not layer.weight[layer.mask == 0].any()
            assert not item.weight[layer.mask.numpy() == 0].any()
    assert all(torch.equal(value, dict(pruned.named_buffers())[key]) for key, value in masks.items())


def test_the_largest_weights_are_kept():
    network, _, target = trained("bag of words", sparsity=0.75, pruning="unstructured")
    pruned = prune(network, target)
    before, after = network.steps["layer0:linear"].weight, pruned.steps["layer0:linear"]
    kept = after.mask.bool()
    assert torch.equal(after.weight[kept], before[kept])
    assert before[kept].abs().min() >= before[~kept].abs().max()


def test_masked_binary_weights_are_three_valued():
    steps = plan(blueprint("table of numbers", bits=4, sparsity=0.5, pruning="unstructured"))
    target = dataclasses.replace(
        steps, steps=tuple(dataclasses.replace(step, weight_bits=1) if step.nonzeros else step for step in steps.steps)
    )
    x = samples("table of numbers")
    network = train_a_little(make(target, x), x)
    weight = lower(network).steps[0].weight
    assert set(np.unique(weight)) == {-1, 0, 1}
    assert np.count_nonzero(weight) == target.steps[0].nonzeros
    assert_deployed(network, x)


# --- refusals ---------------------------------------------------------------------------------------------------


def test_a_plan_of_other_steps_is_refused():
    network, _, _ = trained("bag of words")
    with pytest.raises(ValueError, match=r"the same steps; it has .*'layer0', 'linear'.* the plan .*'layer0', 'gru'"):
        prune(network, plan(blueprint("gru")))


def test_a_plan_of_larger_layers_is_refused():
    network, x, target = trained("bag of words", **STRUCTURED)
    with pytest.raises(ValueError, match=r"no layer larger; layer0 has weights of \(4, 8\), the plan wants \(8, 8\)"):
        prune(prune(network, target), network.plan)
    del x
