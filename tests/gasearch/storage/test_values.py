import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.errors import StoreError
from gasearch.storage.values import finite, from_json, numbers_json, storable, to_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(plain)
def test_what_is_written_as_json_reads_back_equal(value):
    assert from_json(to_json(value)) == json.loads(to_json(value)) == value


@given(st.text(st.characters()) | st.just("half \ud800 of a pair, and \x00"))
def test_any_text_becomes_one_that_both_databases_take(text):
    kept = storable(text)
    assert "\x00" not in kept
    assert kept.encode().decode() == kept
    assert storable(kept) == kept


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_sql_cannot_hold_is_named(number):
    for write in (finite, lambda number: numbers_json([1.0, number])):
        with pytest.raises(StoreError, match=rf"only finite numbers can be stored; got {number!r}"):
            write(number)
