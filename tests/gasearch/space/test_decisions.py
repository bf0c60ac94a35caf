"""Which decisions of a space express, and where its layers halve the image."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.space.decisions import DataShape, Decision
from tests.gasearch.space.space_samples import CNN, any_space, genes_of, space_of

CUSTOM = {
    "family": "custom",
    "decisions": {
        "op": {"choices": ["none", "conv", "pool"]},
        "flag": {"choices": [False, True]},
        "width": {"choices": [8, 16, 32], "when": {"op": "conv", "flag": True}},
    },
}


def test_a_layer_expresses_where_the_network_is_deep_enough():
    space = space_of(CNN | {"layers": [2, 3]})
    shallow, deep = [0] * 17, [1] + [0] * 16
    assert [space.layer_count(genes) for genes in (shallow, deep)] == [2, 3]
    for genes, last in ((shallow, "layer1"), (deep, "layer2")):
        marked = zip(space.name_parts, space.marked(genes), strict=True)
        assert [layer for (layer, name), gene in marked if name == "width" and gene >= 0][-1] == last


def test_genes_of_layers_that_do_not_exist_are_zero():
    genes = [0] + [0] * 5 + [1] * 4 + [0] + [1] * 4 + [0, 1]
    assert space_of(CNN).canonical(genes) == (0,) * 16 + (1,)


@pytest.mark.parametrize(
    ("genes", "marked"), [((1, 1, 2), [1, 1, 2]), ((1, 0, 2), [1, 0, -1]), ((0, 1, 2), [0, 1, -1])]
)
def test_a_custom_decision_expresses_where_all_its_conditions_hold(genes, marked):
    assert space_of(CUSTOM).marked(genes) == marked


@given(st.data())
def test_the_canonical_form_is_its_own_canonical_form(data):
    space = data.draw(any_space)
    canonical = space.canonical(data.draw(genes_of(space)))
    assert space.canonical(canonical) == canonical


@given(st.data())
def test_a_condition_asks_earlier_decisions_that_express(data):
    space = data.draw(any_space)
    marked = space.conditioned(data.draw(genes_of(space)))
    for index, (gene, needs) in enumerate(zip(marked, space.needs, strict=True)):
        assert all(decision < index for decision, _ in needs)
        assert (gene >= 0) is all(marked[decision] in options for decision, options in needs)


@pytest.mark.parametrize(
    ("options", "is_ordinal"),
    [((1, 2.5, 8), True), ((8, 1), False), ((1, "a"), False), ((False, True), False), ((1,), True)],
)
def test_numbers_in_ascending_order_are_ordinal(options, is_ordinal):
    assert Decision(name="a", options=options).is_ordinal is is_ordinal


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (8, (1, 2, 1, 1, 1)),  # 8 8 4
        (15, (1, 2, 2, 1, 1)),  # 15 15 8 4
        (16, (2, 2, 1, 1, 1)),  # 16 8 4
        (28, (2, 2, 2, 1, 1)),  # 28 14 7 4
        (32, (2, 2, 2, 1, 1)),  # 32 16 8 4
        (4, (1, 1, 1, 1, 1)),
    ],
)
def test_images_are_halved_until_four_positions_are_left(side, expected):
    data = DataShape(input_shape=(1, side, side), outputs=10)
    assert space_of(CNN | {"layers": 5}, data).strides == expected
    assert space_of({"family": "mlp", "layers": 5, "width": 8}, data).strides == (1,) * 5


def test_the_data_say_their_shape():
    described = {"input_shape": [13], "outputs": 1, "categories": [3], "kind": "regression", "name": "prices"}
    assert DataShape.of(described) == DataShape(input_shape=(13,), outputs=1, categories=(3,), is_regression=True)


def test_the_fingerprint_knows_every_option_and_condition():
    sections = [CNN, CNN | {"width": [8, 24]}, CNN | {"layers": [1, 4]}, CUSTOM]
    assert len({space_of(section).fingerprint for section in sections}) == len(sections)
    assert space_of(CNN).fingerprint == space_of(dict(CNN)).fingerprint == "5c70da8720745e7a"


def test_a_space_can_be_copied_and_sent_to_another_process():
    compressed = CNN | {"sparsity": [0.0, 0.5], "rank": [0.5, 1.0]}
    for space in map(space_of, (CUSTOM, CNN, compressed)):
        genes = [0] * len(space.sizes)
        expected = space.marked(genes)
        for other in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
            assert other.marked(genes) == expected
            assert other.fingerprint == space.fingerprint
