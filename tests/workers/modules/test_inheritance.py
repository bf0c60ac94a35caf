"""What a child inherits: all of an equal parent, the overlap of a different one, in place of what means the same."""

import dataclasses

import pytest
import torch
from gasearch_workers.modules.inheritance import inherit

from tests.workers.trained_networks import NETWORKS, blueprint, make, samples, train_a_little


def parameters(network):
    """All but learned scales, which fit themselves to the weights."""
    return {key: value for key, value in network.named_parameters() if not key.endswith(".factor")}


def wider(network, *, embedding=None):
    """Twice the width, kernels by 2 larger; the embedding as wide as it was, or as given."""
    *hidden, head = network.layers
    layers = [
        dataclasses.replace(layer, width=embedding or layer.width)
        if layer.kind == "embedding"
        else dataclasses.replace(layer, width=2 * layer.width, kernel=layer.kernel + (2 if layer.kernel > 1 else 0))
        for layer in hidden
    ]
    return dataclasses.replace(network, layers=(*layers, head))


@pytest.mark.parametrize("bits", [1, 4, 8, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_equal_child_inherits_every_weight(name, bits):
    x = samples(name)
    parent = train_a_little(make(blueprint(name, bits=bits), x), x)
    child = make(blueprint(name, bits=bits), x, seed=1)
    count = inherit(child, parent.state_dict())
    assert count == sum(value.numel() for value in parameters(child).values())
    assert all(torch.equal(value, parameters(child)[key]) for key, value in parameters(parent).items())


@pytest.mark.parametrize("embedding", [None, 11])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_larger_child_passes_back_is_the_parent(name, embedding):
    x = samples(name)
    parent = train_a_little(make(blueprint(name), x), x)
    child = make(wider(blueprint(name), embedding=embedding), x, seed=1)
    grandchild = make(blueprint(name), x, seed=2)
    down, up = inherit(child, parent.state_dict()), inherit(grandchild, child.state_dict())
    assert down == up == sum(value.numel() for value in parameters(parent).values())
    assert all(torch.equal(value, parameters(grandchild)[key]) for key, value in parameters(parent).items())


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "transformer"])
def test_a_wider_child_whose_own_weights_are_0_computes_what_its_parent_does(name):
    x = samples(name)
    parent = make(blueprint(name), x).eval()
    child = make(wider(blueprint(name)), x, seed=1).eval()
    with torch.no_grad():
        for value in child.parameters():
            value.zero_()
    inherit(child, parent.state_dict())
    torch.testing.assert_close(child(x), parent(x), rtol=1e-4, atol=1e-5)


def test_a_longer_vocabulary_and_sequence_keep_the_words_and_places_known():
    x = samples("transformer")
    parent = make(blueprint("transformer"), x)
    network = blueprint("transformer")
    embedding, *others = network.layers
    network = dataclasses.replace(network, layers=(dataclasses.replace(embedding, rows=30), *others), input_shape=(12,))
    child = make(network, torch.zeros(2, 12, dtype=torch.int32), seed=1)
    inherit(child, parent.state_dict())
    for key, count in (("embedding0:embedding", 20), ("positions:position", 9)):
        assert torch.equal(child.steps[key].weight[:count], parent.steps[key].weight)


def test_queries_keys_and_values_each_begin_with_the_parents():
    x = samples("transformer")
    parent, child = (
        make(network, x, seed=seed)
        for seed, network in enumerate((blueprint("transformer"), wider(blueprint("transformer"), embedding=16)))
    )
    inherit(child, parent.state_dict())
    theirs, ours = (network.steps["layer0_queries:linear"].weight for network in (parent, child))
    assert torch.equal(ours.view(3, 16, 16)[:, :8, :8], theirs.view(3, 8, 8))


def test_learned_scales_fit_the_inherited_weights():
    x = samples("bag of words")
    parent = make(blueprint("bag of words", bits=8), x)
    with torch.no_grad():
        parent.steps["layer0:linear"].weight.mul_(100)
    child = make(blueprint("bag of words", bits=4), x, seed=1)
    inherit(child, parent.state_dict())
    layer = child.steps["layer0:linear"]
    error = (layer.rounded_weight() - layer.weight).abs().max() / layer.weight.abs().max()
    assert error < 0.2


def test_pruned_weights_of_a_child_stay_0():
    x = samples("bag of words")
    child = make(blueprint("bag of words", bits=4, sparsity=0.75, pruning="unstructured"), x, seed=1)
    inherit(child, make(blueprint("bag of words"), x).state_dict())
    layer = child.steps["layer0:linear"]
    assert not layer.weight[layer.mask == 0].any()
    assert layer.weight[layer.mask == 1].all()


def test_nothing_is_inherited_from_a_stranger():
    child = make(blueprint("images"), samples("images"))
    before = {key: value.clone() for key, value in child.state_dict().items()}
    assert inherit(child, {"other.weight": torch.ones(3)}) == 0
    assert all(torch.equal(value, before[key]) for key, value in child.state_dict().items())


def test_a_layer_of_another_operation_keeps_its_own_weights():
    words = samples("gru")
    parent, child = make(blueprint("convolutions"), words), make(blueprint("gru"), words, seed=1)
    before = child.steps["layer0:gru"].weight.clone()
    assert inherit(child, parent.state_dict()) > 0
    assert torch.equal(child.steps["layer0:gru"].weight, before)
    assert torch.equal(child.steps["embedding0:embedding"].weight, parent.steps["embedding0:embedding"].weight)
