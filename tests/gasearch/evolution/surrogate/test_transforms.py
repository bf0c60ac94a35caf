"""Scales of wvalues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.evolution.surrogate.transforms import Scale


@given(st.lists(st.floats(-1e12, 1e12), min_size=3, max_size=30))
def test_a_scale_never_decreases_and_leads_back(wvalues):
    scale = Scale(np.array(wvalues))
    probes = np.sort(np.array([*wvalues, min(wvalues) - 1.0, max(wvalues) + 1.0]))
    scores = scale.scores_of(probes)
    assert (np.diff(scores) >= -1e-9).all()
    size = np.abs(probes).max() + 1.0
    assert scale.wvalues_of(scale.scores_of(np.array(wvalues))) == pytest.approx(np.array(wvalues), abs=1e-6 * size)


def test_a_score_that_is_known_gives_a_wvalue_without_deviation():
    scale = Scale(np.array([1.0, 2.0, 10.0, 11.0]))
    means, deviations = scale.moments(scale.scores_of(np.array([2.0, 10.5])), np.zeros(2))
    assert means == pytest.approx([2.0, 10.5])
    assert deviations == pytest.approx([0.0, 0.0], abs=1e-6)
