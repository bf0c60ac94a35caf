"""Evaluators while which somebody sets the clock: for the process that they run in, it is another year then."""

from __future__ import annotations

import time

from gasearch_workers.machine import stopwatch

_YEAR_S = 365 * 86400.0
_time = time.time


def _set(years):
    time.sleep(0.05)
    time.time = lambda: _time() + years * _YEAR_S


def clock_set_forward(choices, budget, report):
    _set(+1)
    return {"error": 1.0, "cost": 2.0}


def clock_set_back(choices, budget, report):
    _set(-1)
    return {"error": 1.0, "cost": 2.0}


def clock_set_back_and_raises(choices, budget, report):
    _set(-1)
    raise RuntimeError("in another year")


def stopwatch_set(choices, budget, report):
    stopwatch.monotonic = lambda: -_YEAR_S if choices["x"] < 0 else _YEAR_S
    time.sleep(0.05)
    return {"error": 1.0, "cost": 2.0}
