"""Custom evaluators that misbehave in one way each."""

from __future__ import annotations

import os
import signal
import time


def measure(choices, budget, report):
    report(1, {"loss": 0.5, "accuracy": 0.25})
    return {"cost": float(sum(v for v in choices.values() if isinstance(v, int | float))), "seed": budget.seed}


def raises(choices, budget, report):
    raise RuntimeError("the user's own fault\nwith a second line")


def not_a_number(choices, budget, report):
    return {"error": float("nan")}


def no_dict(choices, budget, report):
    return 3.0


def nothing(choices, budget, report):
    return {}


def dies(choices, budget, report):
    os.kill(os.getpid(), signal.SIGKILL)


def dies_once(choices, budget, report):
    """Dies at the first call: `flag` names a file that later calls find."""
    try:
        with open(choices["flag"], "x"):
            os.kill(os.getpid(), signal.SIGKILL)
    except FileExistsError:
        return {"cost": 1.0}


def sleeps(choices, budget, report):
    time.sleep(600)
    return {"cost": 1.0}
