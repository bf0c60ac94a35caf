"""The differences between two specs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import SpecError
from gasearch.spec.changes import as_lines, changed, changes
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN, CUSTOM
from tests.gasearch.spec.spec_samples import changed as with_value

SPEC = load_spec(CUSTOM)


def test_a_change_says_its_key_both_values_and_its_option():
    [change] = changes(SPEC, changed(SPEC, None, ["budget.evaluations=7"]))
    assert (str(change), change.override) == ("budget.evaluations: 200 -> 7", "--set budget.evaluations=7")
    assert change.is_free
    assert as_lines([change, change]) == f"\n  {change}\n  {change}"


@pytest.mark.parametrize("value", [[1, 2.0], [True, 2], ["1", 2]])
def test_choices_that_are_equal_to_python_differ(value):
    bare = {key: CUSTOM[key] for key in ("name", "task", "objectives")}
    spaces = ({"family": "custom", "decisions": {"op": {"choices": choices}}} for choices in ([1, 2], value))
    one, other = (load_spec(bare | {"space": space}) for space in spaces)
    [change] = changes(one, other)
    assert change.key == "space.decisions.op.choices"
    assert not change.is_free


def test_of_long_lists_that_begin_alike_the_first_difference_is_shown():
    one, other = (load_spec(with_value(CNN, "space.width", [*range(1, 60), last])) for last in (70, 71))
    assert list(map(str, changes(one, other))) == ["space.width[59]: 70 -> 71"]


@given(st.permutations(list(CUSTOM["objectives"])), st.permutations(list(CUSTOM)))
def test_the_order_of_keys_is_the_stored_one_whatever_is_given(objectives, keys):
    given_again = {key: CUSTOM[key] for key in keys}
    given_again["objectives"] = {name: CUSTOM["objectives"][name] for name in objectives}
    again = changed(SPEC, given_again, ())
    assert json.loads(again.to_json()) == json.loads(SPEC.to_json())
    assert list(again.objectives) == list(SPEC.objectives)
    assert changes(SPEC, again) == []


def test_a_search_keeps_its_name_unless_an_override_says_otherwise():
    assert changed(SPEC, CUSTOM | {"name": "other"}, ()).name == SPEC.name
    assert changed(SPEC, None, ["name=other"]).name == "other"
    with pytest.raises(SpecError, match=r"budget\.evaluations: must be"):
        changed(SPEC, None, ["budget.evaluations=0"])
