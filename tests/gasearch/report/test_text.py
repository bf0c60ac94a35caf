"""Texts of others, and values with their intervals."""

from __future__ import annotations

import pytest

from gasearch.report.text import printable, with_spread


def test_control_characters_are_spelled_out():
    assert printable("a\x00b\x1b[31m\ud800\n\tc\u00a0d") == "a\\x00b\\x1b[31m\\xd800\n\tc d"


@pytest.mark.parametrize(
    ("value", "spread", "metric", "text"),
    [
        (0.0196, 0.000781, "latency_ms", "0.0196 ± 0.00078 ms"),
        (0.9809, 0.001736, "accuracy", "0.9809 ± 0.0017"),
        (12_345.0, 100.0, "model_bytes", "12.3 ± 0.1 KB"),
        (12_345.0, None, "model_bytes", "12.3 KB"),
        (0.5, 0.0, "accuracy", "0.5000"),
        (0.0, 0.25, "rmse", "0 ± 0.25"),
    ],
)
def test_a_spread_has_the_unit_of_its_value(value, spread, metric, text):
    assert with_spread(value, spread, metric) == text
