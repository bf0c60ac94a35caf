"""The normal distribution."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from gasearch.evolution.surrogate.normal import cumulative


def test_the_normal_distribution_is_that_of_the_standard_library():
    points = np.linspace(-6, 6, 41)
    normal = statistics.NormalDist()
    assert cumulative(points) == pytest.approx([normal.cdf(x) for x in points], rel=1e-6)
