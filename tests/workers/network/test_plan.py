"""What every plan must be, whatever the family."""

import dataclasses

import pytest
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import PlanError, plan
from gasearch_workers.network.steps import CODES, INPUT, OPERATIONS

BITS = {"weight_bits": 4, "activation_bits": 4}
HEAD = Layer(kind="linear", width=3, weight_bits=4)
EMBEDDING = Layer(kind="embedding", width=16, rows=50, weight_bits=4, activation_bits=8)


def layer(kind, **fields):
    return Layer(kind=kind, **({"width": 8} | BITS | fields))


def network(family, *layers, shape=(12,), categories=(100,), **fields):
    return Blueprint(family=family, input_shape=shape, categories=categories, layers=(*layers, HEAD), **fields)


NETWORKS = {
    "bag of words": network("text", EMBEDDING, layer("linear")),
    "textcnn": network("text", EMBEDDING, layer("conv1d", kernel=3), layer("conv1d", kernel=5)),
    "gru": network("text", EMBEDDING, layer("gru"), layer("gru")),
    "transformer": network("transformer", EMBEDDING, layer("transformer", heads=4, width=32)),
    "tagger": network("tagger", EMBEDDING, layer("gru"), shape=(12, 2), categories=(100, 9)),
    "recommender": network("recommender", EMBEDDING, layer("linear"), shape=(2,), categories=(40, 60)),
    "table": network("mlp", EMBEDDING, layer("linear"), shape=(7,), categories=(4, 5)),
    "images": network(
        "cnn",
        layer("conv", kernel=3, stride=2, downsample="max_pool"),
        layer("separable", kernel=3),
        layer("residual", kernel=3),
        shape=(3, 9, 7),
        categories=(),
    ),
}
COMPRESSED = {
    "as it is": {},
    "half the units": {"sparsity": 0.5},
    "half the rank": {"rank": 0.5},
    "a third of both": {"sparsity": 0.66, "rank": 0.34},
    "half the weights": {"sparsity": 0.5, "pruning": "unstructured"},
}


def compressed(blueprint, fields):
    *hidden, head = blueprint.layers
    changed = (layer if layer.kind == "embedding" else dataclasses.replace(layer, **fields) for layer in hidden)
    return dataclasses.replace(blueprint, layers=(*changed, head))


@pytest.mark.parametrize("fields", COMPRESSED.values(), ids=COMPRESSED)
@pytest.mark.parametrize("blueprint", NETWORKS.values(), ids=NETWORKS)
def test_each_step_reads_what_earlier_ones_gave(blueprint, fields):
    for is_pruned in (True, False):
        steps = plan(compressed(blueprint, fields), is_pruned=is_pruned).steps
        shapes, bits = {}, {}
        for step in steps:
            assert step.name not in shapes
            assert (step.inputs[-1] == CODES) is (OPERATIONS[step.op].is_masked or step.op == "embedding")
            for name in step.inputs:
                assert name in (INPUT, CODES) or name in shapes
            assert shapes.get(step.inputs[0], step.input_shape) == step.input_shape
            assert bits.get(step.inputs[0], step.input_bits) == step.input_bits
            if step.passes_grid:
                assert step.output_bits == step.input_bits
            shapes[step.name], bits[step.name] = step.output_shape, step.output_bits
        assert steps[-1].name == "head"
        assert steps[-1].output_bits == 32


@pytest.mark.parametrize("fields", COMPRESSED.values(), ids=COMPRESSED)
@pytest.mark.parametrize("blueprint", NETWORKS.values(), ids=NETWORKS)
def test_a_training_begins_with_the_same_steps_none_of_them_narrower(blueprint, fields):
    blueprint = compressed(blueprint, fields)
    deployed, dense = plan(blueprint), plan(blueprint, is_pruned=False)
    for one, other in zip(deployed.steps, dense.steps, strict=True):
        assert (one.name, one.op, one.inputs) == (other.name, other.op, other.inputs)
        assert all(a <= b for a, b in zip(one.weight_shape, other.weight_shape, strict=True))
        assert other.nonzeros is None
    if "sparsity" not in fields:
        assert deployed == dense


def test_a_pruned_skip_connection_gets_a_convolution_of_its_own():
    pruned = layer("conv", kernel=3, sparsity=0.5)
    names = [
        step.name for step in plan(network("cnn", pruned, layer("residual"), shape=(3, 9, 7), categories=())).steps
    ]
    assert "layer1.skip" in names
    names = [
        step.name
        for step in plan(network("cnn", layer("conv"), layer("residual"), shape=(3, 9, 7), categories=())).steps
    ]
    assert "layer1.skip" not in names


def test_a_rank_that_saves_nothing_factors_nothing():
    blueprint = network("mlp", layer("linear", width=8, rank=0.9), shape=(4,), categories=())
    assert [step.name for step in plan(blueprint).steps] == ["layer0", "head"]
    blueprint = network("mlp", layer("linear", width=8, rank=0.25), shape=(64,), categories=())
    assert [step.name for step in plan(blueprint).steps] == ["layer0.down", "layer0", "head"]


def test_without_layers_a_recommender_is_a_matrix_factorization():
    steps = plan(network("recommender", EMBEDDING, shape=(2,), categories=(40, 60))).steps
    assert [step.op for step in steps] == ["embedding", "embedding", "product", "concat", "linear"]
    assert [step.rows for step in steps[:2]] == [60, 40]


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        (network("text", layer("conv1d"), shape=(12,)), r"first layer must be an embedding .* got conv1d"),
        (network("text", EMBEDDING, categories=()), r"needs the number of codes per column; got no categories"),
        (
            network("text", EMBEDDING, layer("linear"), layer("gru")),
            r"layer1: gru needs .*\(tokens, features\); got \(8,\)",
        ),
        (
            network("tagger", EMBEDDING, shape=(12,), categories=(9, 9)),
            r"2 codes per token don't fit an input of \(12,\)",
        ),
        (
            network("tagger", EMBEDDING, layer("gru", sparsity=0.5), layer("transformer")),
            r"layer1: a transformer can't follow a layer whose channels are pruned",
        ),
        (
            network("mlp", layer("linear"), EMBEDDING, shape=(4,), categories=()),
            r"layer1: an embedding is the first layer",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(blueprint, message):
    with pytest.raises(PlanError, match=message):
        plan(blueprint)
