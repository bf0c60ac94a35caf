"""The time of calls as they are."""

import numpy as np
from gasearch_workers.measure.plain_latency import plain_latency


def test_a_plain_latency_is_the_median_with_half_the_range_of_its_quartiles():
    ticks = iter(np.cumsum([0.0] + [0, 0.001, 0, 0.002, 0, 0.003, 0, 5.0, 0] * 3).tolist())
    median, spread = plain_latency(lambda sample: None, np.zeros(1), clock=lambda: next(ticks))
    assert 1 <= median <= 5000
    assert spread > 0
