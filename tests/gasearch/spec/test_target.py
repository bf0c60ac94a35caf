"""The sections on the device that a network is for."""

import pytest

from gasearch.errors import SpecError
from gasearch.spec.loader import load_spec
from gasearch.spec.model import SearchSpec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, changed


def test_operators_are_kept_in_one_order_so_that_equal_lists_are_equal():
    one, other = (
        load_spec(changed(CNN, "target.operators", names)) for names in (["linear", "conv"], ["conv", "linear"])
    )
    assert one.target.operators == other.target.operators == ("conv", "linear")
    assert one.identity_hash() == other.identity_hash() != load_spec(CNN).identity_hash()
    assert SearchSpec.from_json(one.to_json()) == one


def test_a_spec_without_a_target_is_what_it_was_before_there_were_any():
    assert load_spec(CNN).target.operators is None
    assert load_spec(changed(CNN, "target", {})).identity_hash() == load_spec(CNN).identity_hash()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Conv", 'did you mean "conv"'),
        ("Gemm", 'did you mean "linear"'),
        ("MatMul", 'did you mean "linear"'),
        ("DEPTHWISE_CONV_2D", 'did you mean "depthwise_conv"'),
        ("GlobalAveragePool", 'did you mean "global_pool"'),
        ("max_poll", 'did you mean "max_pool"'),
        ("Relu", "it is part of the operator before it: leave it out"),
    ],
)
def test_an_unknown_operator_is_refused_with_the_one_that_was_meant(name, hint):
    with pytest.raises(SpecError, match=rf"target\.operators\[1\]: must be one of conv, .*; got '{name}'; {hint}"):
        load_spec(changed(CNN, "target.operators", ["linear", name]))


@pytest.mark.parametrize("value", [[], {}, ["conv", "conv"], [["conv"]], ["zzz"], 3])
def test_what_is_no_list_of_distinct_operators_is_refused(value):
    with pytest.raises(SpecError, match=r"target\.operators"):
        load_spec(changed(CNN, "target.operators", value))


def test_a_custom_evaluator_has_no_operators_that_we_know():
    with pytest.raises(SpecError, match=r"target\.operators: what a custom evaluator's networks are made of only it"):
        load_spec(changed(CUSTOM, "target.operators", ["conv"]))
