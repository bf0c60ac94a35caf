"""Traced layers as steps of a plan."""

import pytest
from gasearch_workers.messages import Blueprint, Layer, network_from_json, network_to_json
from gasearch_workers.network.kinds.traced import has_own_precision, has_weights, name_of, traced_layer
from gasearch_workers.network.plan import PlanError, plan


def blueprint(*layers):
    return Blueprint(
        family="bits", input_shape=(1, 8, 8), layers=(*layers, Layer(kind="linear", width=10)), trained="ab12"
    )


STEM = traced_layer("stem", "conv", ("input",), width=4, kernel=3, has_relu=True)
POOLED = (
    traced_layer("pool", "global_pool", ("sum",), width=4),
    traced_layer("hidden", "linear", ("pool",), width=6, has_relu=True),
)
BRANCHES = (
    STEM,
    traced_layer("branch", "conv", ("stem",), width=4, kernel=3, groups=4, is_branch=True),
    traced_layer("sum", "add", ("branch", "stem"), width=4, has_relu=True),
    *POOLED,
)


def test_each_layer_is_one_step_that_reads_what_it_names() -> None:
    steps = plan(blueprint(*BRANCHES)).steps
    assert [(step.name, step.op, step.inputs) for step in steps] == [
        ("stem", "conv", ("input",)),
        ("branch", "conv", ("stem",)),
        ("sum", "add", ("branch", "stem")),
        ("pool", "global_pool", ("sum",)),
        ("hidden", "linear", ("pool",)),
        ("head", "linear", ("hidden",)),
    ]
    assert steps[1].weight_shape == (4, 1, 3, 3)
    assert [step.is_output_signed for step in steps] == [False, True, False, False, False, True]


def test_a_network_and_what_it_begins_with_survive_json() -> None:
    network = blueprint(*BRANCHES)
    assert network_from_json(network_to_json(network)) == network


def test_branches_and_what_moves_values_have_no_precision_of_their_own() -> None:
    assert [name_of(layer) for layer in BRANCHES if has_own_precision(layer)] == ["stem", "sum", "hidden"]
    assert [name_of(layer) for layer in BRANCHES if has_weights(layer)] == ["stem", "branch", "hidden"]


def test_a_tensor_that_isnt_there_is_named() -> None:
    with pytest.raises(PlanError, match="there is no tensor 'stem' before this layer; there are input"):
        plan(blueprint(traced_layer("sum", "add", ("stem", "stem"), width=4)))
