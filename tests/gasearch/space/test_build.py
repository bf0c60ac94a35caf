"""Spaces from specs: their decisions and conditions."""

from dataclasses import replace

import pytest
from gasearch_workers.network.layer_kinds import KINDS

from gasearch.space.build import build_space
from gasearch.space.decisions import Condition, DataShape
from gasearch.space.genome import make_genome
from gasearch.spec.loader import load_spec
from tests.gasearch.space.space_samples import CNN, space_of

TOKENS = DataShape(input_shape=(6,), outputs=2, categories=(50,))


def names_of(space):
    return [decision.name for decision in space.decisions]


def test_a_cnn_decides_depth_then_each_slot_then_the_head():
    slot = ["kind", "width", "kernel", "weight_bits", "activation_bits"]
    expected = ["depth", *(f"layer{i}.{name}" for i in range(3) for name in slot), "head.weight_bits"]
    assert names_of(space_of(CNN)) == expected


def test_an_mlp_decides_neither_kind_nor_kernel():
    names = names_of(space_of({"family": "mlp", "layers": 1, "width": [8, 16]}))
    assert names == ["depth", "layer0.width", "layer0.weight_bits", "layer0.activation_bits", "head.weight_bits"]


def test_slots_hold_the_same_decisions_in_the_same_order():
    space = space_of(CNN)
    names = [[space.decisions[index].name.partition(".")[2] for index in slot] for slot in space.slots]
    assert names[0] == names[1] == names[2]


def test_true_and_one_are_different_choices():
    decisions = {
        "a": {"choices": ["x", 1]},
        "b": {"choices": [True, False]},
        "c": {"choices": [1], "when": {"b": True}},
    }
    assert space_of({"family": "custom", "decisions": decisions}).decisions[2].when == (
        Condition(decision=1, options=frozenset({0})),
    )


def test_equal_networks_of_different_spaces_have_equal_keys():
    narrow, wide = space_of(CNN | {"kind": "residual", "layers": 1}), space_of(CNN)
    one = make_genome((0, 0, 1, 0, 0, 0, 0), narrow)
    other = make_genome((0, 1, 1, *[0] * 14), wide)
    assert one.key == other.key


def test_networks_of_spaces_with_one_kind_each_have_different_keys():
    convolutional, residual = (space_of(CNN | {"kind": kind, "layers": 1}) for kind in ("conv", "residual"))
    assert make_genome((0,) * 7, convolutional).key != make_genome((0,) * 7, residual).key


def test_a_vocabulary_beyond_that_of_the_data_is_no_choice():
    space = space_of({"family": "text", "layers": 0, "width": 8, "vocabulary": [10, 60, 100]}, TOKENS)
    assert (space.decisions[1].name, space.decisions[1].options) == ("vocabulary", (10, 50))


def test_networks_made_of_layers_need_to_know_the_data():
    spec = load_spec(
        {"name": "a", "space": {"family": "mlp", "layers": 1, "width": 8}, "objectives": {"params": "min"}}
    )
    with pytest.raises(ValueError, match="the space of family mlp needs the shape of the data; got none"):
        build_space(spec)


def test_an_option_of_a_kind_that_a_family_does_not_decide_is_no_decision_whatever_its_name(monkeypatch):
    before = names_of(space_of({"family": "mlp", "layers": 1, "width": 8}))
    linear = KINDS.get("linear")
    monkeypatch.setitem(KINDS.own, "linear", replace(linear, options=(*linear.options, "copy", "schema")))
    assert names_of(space_of({"family": "mlp", "layers": 1, "width": 8})) == before
