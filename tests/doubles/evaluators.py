"""Custom evaluators that misbehave in one way each."""

from __future__ import annotations

import hashlib
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


def truth(choices, budget, report):
    """Deterministic, with a conflict between `error` and `cost`; takes 15 ms."""
    time.sleep(0.015)
    numbers = [value for value in choices.values() if isinstance(value, int)]
    digest = hashlib.blake2b(repr((sorted(choices.items()), budget.seed)).encode(), digest_size=4).digest()
    noise = int.from_bytes(digest) / 2**32
    return {"cost": sum(numbers) + noise, "error": 100 / (1 + sum(numbers)) + noise}
