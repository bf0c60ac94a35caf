"""What a surrogate learns from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.gasearch.evolution.surrogate.surrogate_cases import evidence_of


def test_a_limit_that_is_missed_and_a_value_that_is_none_are_no_feasible_evidence():
    wvalues = np.array([[1.0, 2.0], [1.0, np.nan], [1.0, 2.0]])
    evidence = evidence_of(np.zeros((3, 1), dtype=int), wvalues, violations=np.array([0.0, 0.0, 0.5]))
    assert evidence.is_known.tolist() == [True, False, True]
    assert evidence.is_feasible.tolist() == [True, False, False]


def test_genes_need_a_row_per_evaluation():
    with pytest.raises(ValueError, match=r"genes must have shape \(n, decisions\); got \(3,\)"):
        evidence_of(np.zeros(3, dtype=int), np.zeros((3, 1)))
