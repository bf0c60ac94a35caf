"""The `space` section: its defaults, its lists, and the conditions of a custom one."""

import pytest

from gasearch.errors import SpecError
from gasearch.spec.loader import load_spec
from gasearch.spec.spaces import same_choice
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, RATINGS, TAGGER, TEXT, changed


@pytest.mark.parametrize(
    ("base", "keys"),
    [
        (TEXT, {"encoder": ("pool", "conv", "gru"), "embedding": (16, 32), "vocabulary": (2000, 5000, 10_000)}),
        (TAGGER, {"encoder": ("gru", "transformer"), "heads": (2,), "embedding": (16, 32)}),
        (RATINGS, {"embedding": (8, 16, 32), "sparsity": (0.0,), "pruning": ("structured",), "rank": (1.0,)}),
        (MLP, {"embedding": (4, 8), "weight_bits": (8,), "activation_bits": (8,)}),
        (CNN, {"kind": ("conv",), "downsample": ("stride",)}),
    ],
)
def test_a_minimal_space_has_defaults(base, keys):
    space = load_spec(base).space
    assert {key: getattr(space, key) for key in keys} == keys


def test_the_words_of_a_list_have_one_order_however_they_are_written():
    space = load_spec(changed(changed(TEXT, "space.encoder", ["gru", "pool"]), "space.pruning", ["unstructured"])).space
    assert (space.encoder, space.pruning) == (("pool", "gru"), ("unstructured",))


def test_block_kinds_have_one_order_however_they_are_written():
    assert load_spec(changed(CNN, "space.kind", ["residual", "conv"])).space.kind == ("conv", "residual")


def test_one_option_stands_for_a_list_and_numbers_are_sorted():
    spec = load_spec(changed(changed(CNN, "space.width", [16, 8]), "space.kernel", 3))
    assert (spec.space.width, spec.space.kernel) == ((8, 16), (3,))


def test_choices_of_words_keep_their_order_and_numbers_ascend():
    decisions = load_spec(changed(CUSTOM, "space.decisions.width.choices", [32, 16, 8])).space.decisions
    assert decisions["op"].choices == ("none", "conv", "pool")
    assert decisions["width"].choices == (8, 16, 32)


def test_the_neutral_sparsity_and_rank_are_accepted():
    spec = load_spec(changed(changed(CNN, "space.sparsity", [0.0]), "space.rank", 1))
    assert (spec.space.sparsity, spec.space.rank) == ((0.0,), (1.0,))


def test_a_condition_on_a_later_decision_says_which_one_to_move():
    decisions = {"b": {"choices": [1, 2], "when": {"a": 1}}, "a": {"choices": [1, 2]}}
    with pytest.raises(SpecError, match=r"b\.when\.a: is decided after b: .* move a up"):
        load_spec(changed(CUSTOM, "space.decisions", decisions))


def test_a_long_circle_of_conditions_is_named_in_its_order():
    decisions = {name: {"choices": [1, 2], "when": {other: 1}} for name, other in ("ab", "bc", "ca")}
    with pytest.raises(SpecError, match=r"a\.when\.b: the conditions go in a circle: a -> b -> c -> a"):
        load_spec(changed(CUSTOM, "space.decisions", decisions))


def test_true_and_one_are_no_same_choice():
    assert same_choice(1, 1.0)
    assert not same_choice(True, 1)
