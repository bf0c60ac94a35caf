"""What a surrogate learns from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gasearch.evolution.surrogate.evidence import representative_rows
from tests.gasearch.evolution.surrogate.surrogate_cases import evidence_of


def test_a_limit_that_is_missed_and_a_value_that_is_none_are_no_feasible_evidence():
    wvalues = np.array([[1.0, 2.0], [1.0, np.nan], [1.0, 2.0]])
    evidence = evidence_of(np.zeros((3, 1), dtype=int), wvalues, violations=np.array([0.0, 0.0, 0.5]))
    assert evidence.is_known.tolist() == [True, False, True]
    assert evidence.is_feasible.tolist() == [True, False, False]


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
