"""Spaces from specs: their decisions, their conditions, their size."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.genome import expressed_choices, make_genome
from gasearch.space.size import MAX_LISTED, MAX_STATES, SizeEstimate, space_size
from tests.gasearch.space.space_samples import (
    all_genomes,
    custom_sections,
    genes_of,
    layered_spaces,
    space_of,
)

CNN = {
    "family": "cnn",
    "layers": [1, 3],
    "width": [8, 16],
    "kernel": [3, 5],
    "kind": ["conv", "residual"],
    "weight_bits": [2, 8],
    "activation_bits": 8,
}
CUSTOM = {
    "family": "custom",
    "decisions": {
        "op": {"choices": ["none", "conv", "pool"]},
        "flag": {"choices": [False, True]},
        "width": {"choices": [8, 16, 32], "when": {"op": "conv", "flag": True}},
    },
}
any_space = st.one_of(layered_spaces(), custom_sections().map(space_of))


def test_a_cnn_decides_depth_then_each_slot_then_the_head():
    names = [decision.name for decision in space_of(CNN).decisions]
    slot = ["kind", "width", "kernel", "weight_bits", "activation_bits"]
    assert names == ["depth", *(f"layer{i}.{name}" for i in range(3) for name in slot), "head.weight_bits"]


def test_an_mlp_decides_neither_kind_nor_kernel():
    names = [decision.name for decision in space_of({"family": "mlp", "layers": 1, "width": [8, 16]}).decisions]
    assert names == ["depth", "layer0.width", "layer0.weight_bits", "layer0.activation_bits", "head.weight_bits"]


def test_slots_hold_the_same_decisions_in_the_same_order():
    space = space_of(CNN)
    names = [[space.decisions[index].name.partition(".")[2] for index in slot] for slot in space.slots]
    assert names[0] == names[1] == names[2]


def test_a_layer_expresses_where_the_network_is_deep_enough():
    space = space_of(CNN | {"layers": [2, 3]})
    shallow, deep = make_genome([0] * 17, space), make_genome([1] + [0] * 16, space)
    assert [space.layer_count(genome.genes) for genome in (shallow, deep)] == [2, 3]
    assert "layer1.width" in expressed_choices(shallow.genes, space)
    assert "layer2.width" not in expressed_choices(shallow.genes, space)
    assert "layer2.width" in expressed_choices(deep.genes, space)


def test_genes_of_layers_that_do_not_exist_are_zero():
    space = space_of(CNN)
    assert make_genome([0] + [0] * 5 + [1] * 4 + [0] + [1] * 4 + [0, 1], space).genes == (0,) * 16 + (1,)


def test_a_custom_decision_expresses_where_all_its_conditions_hold():
    space = space_of(CUSTOM)
    assert expressed_choices((1, 1, 2), space) == {"op": "conv", "flag": True, "width": 32}
    assert expressed_choices((1, 0, 2), space) == {"op": "conv", "flag": False}
    assert make_genome((0, 1, 2), space).genes == (0, 1, 0)


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


@given(st.data())
def test_the_canonical_form_is_its_own_canonical_form(data):
    space = data.draw(any_space)
    canonical = space.canonical(data.draw(genes_of(space)))
    assert space.canonical(canonical) == canonical


@settings(max_examples=60, deadline=None)
@given(any_space)
def test_the_size_of_a_space_is_the_number_of_its_genomes(space):
    genomes = all_genomes(space)
    assume(genomes is not None)
    size = space_size(space)
    if size.is_exact:
        assert size.count == len(genomes)
    else:
        assert size.count >= len(genomes)  # equal where no choices make the same network
        assert size.count > MAX_LISTED


def test_the_size_of_the_largest_layered_space_is_exact():
    space = space_of(CNN | {"layers": [1, 64]})
    assert space_size(space) == SizeEstimate(count=2 * sum(16**depth for depth in range(1, 65)), is_exact=True)


def test_a_web_of_conditions_ends_in_an_upper_bound():
    roots = [Decision(name=f"r{i}", options=(0, 1)) for i in range(16)]
    when = tuple(Condition(decision=i, options=frozenset({1})) for i in range(16))
    leaves = [Decision(name=f"l{i}", options=(0, 1), when=(when[i],)) for i in range(16)]
    space = Space(family="custom", decisions=(*roots, *leaves))
    assert MAX_STATES < 2**16
    assert space_size(space) == SizeEstimate(count=2**32, is_exact=False)
    assert space_size(space).count >= 3**16  # each root with its leaf: 0, or 1 with either option


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (SizeEstimate(count=1, is_exact=True), "1 network"),
        (SizeEstimate(count=1440, is_exact=True), "1,440 networks"),
        (SizeEstimate(count=84 * 10**9, is_exact=True), "about 8.4e10 networks"),
        (SizeEstimate(count=2**32, is_exact=False), "at most 4.2e9 networks"),
    ],
)
def test_a_size_prints_for_people(size, text):
    assert str(size) == text


def test_a_size_beyond_all_floats_is_stored_as_the_greatest_one():
    assert SizeEstimate(count=10**400, is_exact=True).as_float == pytest.approx(1.797e308, rel=1e-3)
