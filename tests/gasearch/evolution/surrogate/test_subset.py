"""Which evaluations a process holds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gasearch.evolution.surrogate.subset import representative_rows


def test_a_subset_holds_the_best_the_newest_and_some_of_the_rest():
    values = np.random.default_rng(0).random((2000, 2))
    rows = representative_rows(values, 300)
    assert len(rows) == 300
    assert (np.diff(rows) > 0).all()
    assert set(range(1930, 2000)) <= set(rows.tolist())
    assert (rows < 500).sum() > 10


@given(st.integers(1, 3000), st.integers(1, 3))
def test_a_subset_is_as_large_as_it_may_be(count, objectives):
    values = np.random.default_rng(count).random((count, objectives))
    rows = representative_rows(values, 100)
    assert len(set(rows.tolist())) == len(rows) == min(count, 100)
