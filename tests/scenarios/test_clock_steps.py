"""A search while whose evaluations the clock is set: what it may spend, and what it says it spent, doesn't change."""

from __future__ import annotations

import time

import pytest

import gasearch

SPEC = {
    "name": "stepped",
    "space": {"family": "custom", "decisions": {"x": {"choices": [1, 2, 3, 4, 5, 6]}}},
    "objectives": {"error": "min", "cost": "min"},
    "budget": {"evaluations": 6, "hours": 1, "device_hours": 1},
    "evolution": {"population": 4},
    "workers": {"count": 0},
}


@pytest.mark.parametrize("evaluator", ["clock_set_forward", "clock_set_back"])
def test_a_clock_that_is_set_spends_nothing_and_gives_nothing_back(migrated_sqlite_url, monkeypatch, evaluator):
    monkeypatch.setattr(time, "time", time.time)
    began = time.monotonic()
    spec = SPEC | {"task": {"evaluator": f"tests.doubles.clocks:{evaluator}"}}
    status = gasearch.run(spec, db=migrated_sqlite_url).status()
    took = time.monotonic() - began
    assert (status.told, status.state) == (6, "finished")
    assert 6 * 0.05 <= status.busy_seconds <= status.active_seconds <= took
    assert 0 < status.utilisation <= 1
