"""The fields that a spec is made of: what they take, and what is no list of options."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gasearch.errors import SpecError
from gasearch.spec import fields
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM, MLP, changed

WIDTHS, CHOICES_FIELD = TypeAdapter(fields.Widths), TypeAdapter(fields.Choices)


@given(st.lists(st.integers(1, fields.MAX_WIDTH), min_size=1, max_size=8, unique=True))
def test_numbers_ascend_however_they_are_written(values):
    assert WIDTHS.validate_python(values) == tuple(sorted(values))
    assert WIDTHS.validate_python(values[0]) == (values[0],)


@given(st.lists(st.text(max_size=5) | st.booleans(), min_size=1, max_size=8, unique_by=repr))
def test_choices_of_words_keep_their_order_and_their_types(values):
    assert CHOICES_FIELD.validate_python(values) == tuple(values)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        (fields.Kernels, [2, 13, True, 1.0, "3"]),
        (fields.BitWidths, [0, 9, 16, 33, True]),
        (fields.ActivationBits, [1, 9, 31]),
        (fields.Sparsities, [-0.1, 1.0, float("nan")]),
        (fields.Ranks, [0.0, 1.1, "1"]),
        (fields.LayerRange, [[2, 1], [0, 65], [1], True, {0, 1}]),
        (fields.LayerRangeFromOne, [0, [0, 2]]),
    ],
)
def test_what_is_out_of_range_or_of_another_type_is_refused(field, wrong):
    for value in wrong:
        with pytest.raises(ValidationError):
            TypeAdapter(field).validate_python(value)


@pytest.mark.parametrize(
    ("values", "text"),
    [([1, 1], "has 1 twice"), ([1, True], "has 1 and true, which are equal"), ([1, 1.0], "1 and 1.0")],
)
def test_an_option_that_comes_twice_is_named(values, text):
    with pytest.raises(ValueError, match=text):
        fields.distinct(tuple(values))


CHOICES = ["adam", "sgd", "lion"]


@pytest.mark.parametrize(
    ("path", "value", "came"),
    [
        ("space.decisions.op.choices", set(CHOICES), "got a set, which has no order: 'adam', 'lion', 'sgd'"),
        ("space.decisions.op.choices", frozenset(CHOICES), "got a set, which has no order"),
        ("space.decisions.op.choices", dict.fromkeys(CHOICES).keys(), "got dict_keys"),
        ("space.decisions.op.choices", dict.fromkeys(CHOICES), "got a mapping with adam, sgd, lion"),
        ("space.decisions.op.choices", (name for name in CHOICES), "got <generator"),
        ("space.decisions.op.choices", iter(CHOICES), "got <list_iterator"),
        ("space.decisions.width.when", {"op": {"conv"}}, "got a set, which has no order: 'conv'"),
        ("constraints", {"error <= 1"}, "got a set, which has no order"),
        ("start.designs", ({"op": name} for name in CHOICES), "got <generator"),
        ("start.searches", {"one", "two"}, "got a set, which has no order: 'one', 'two'"),
        ("early_stop.rungs", {1, 2}, "got a set, which has no order: 1, 2"),
        ("workers.environment", {"ONE"}, "got a set, which has no order: 'ONE'"),
    ],
)
def test_what_has_no_order_or_is_read_only_once_is_no_list(path, value, came):
    with pytest.raises(SpecError, match=f"must .*{re.escape(came)}"):
        load_spec(changed(CUSTOM, path, value))


@pytest.mark.parametrize("base", [CNN, MLP])
def test_a_set_of_widths_or_layers_is_refused_too(base):
    for path, value in (("space.width", {8, 16}), ("space.layers", {1, 3})):
        with pytest.raises(SpecError, match=f"{path}: must be .*; got a set, which has no order"):
            load_spec(changed(base, path, value))
