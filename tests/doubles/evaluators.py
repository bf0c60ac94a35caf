"""Custom evaluators that misbehave in one way each."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import time


def measure(choices, budget, report):
    report(1, {"loss": 0.5, "accuracy": 0.25})
    return {"cost": float(sum(v for v in choices.values() if isinstance(v, int | float))), "seed": budget.seed}


def raises(choices, budget, report):
    print("about to raise")
    raise RuntimeError("the user's own fault\nwith a second line")


def not_a_number(choices, budget, report):
    return {"error": float("nan")}


def no_dict(choices, budget, report):
    return 3.0


def nothing(choices, budget, report):
    return {}


def dies(choices, budget, report):
    os.kill(os.getpid(), signal.SIGKILL)


def kills_its_worker(choices, budget, report):
    """An evaluation's process is the worker's child."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


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
    return quick(choices, budget, report)


def quick(choices, budget, report):
    """The truth, at once."""
    numbers = [value for value in choices.values() if isinstance(value, int)]
    digest = hashlib.blake2b(repr((sorted(choices.items()), budget.seed)).encode(), digest_size=4).digest()
    noise = int.from_bytes(digest) / 2**32
    return {"cost": sum(numbers) + noise, "error": 100 / (1 + sum(numbers)) + noise}


def uneven(choices, budget, report):
    """The truth; of seven networks one fails, and one has never enough memory."""
    match sum(value for value in choices.values() if isinstance(value, int)) % 7:
        case 1:
            raise RuntimeError("it can't be built")
        case 2:
            raise MemoryError("too large")
    return quick(choices, budget, report)


def unhurried(choices, budget, report):
    """The truth after a tenth of a second."""
    time.sleep(0.1)
    return quick(choices, budget, report)


_calls = itertools.count(1)


def sleeps_from_the_third(choices, budget, report):
    """The truth twice; after that it hangs, unless GASEARCH_TEST_AWAKE is set."""
    if next(_calls) > 2 and "GASEARCH_TEST_AWAKE" not in os.environ:
        time.sleep(600)
    return quick(choices, budget, report)


def chatty(choices, budget, report):
    """Prints to stdout, then tells the truth."""
    print("the user's own chatter")
    return quick(choices, budget, report)


def exits(choices, budget, report):
    raise SystemExit(0)


def counts_too_much(choices, budget, report):
    return {"error": 1.0, "cost": 1.0, "params": 1e30}


def names_no_metric(choices, budget, report):
    return {"error": 1.0, "cost": 1.0, "half \udcff of a pair": 1.0}


def sometimes(choices, budget, report):
    """As `quick`, but one network of four is a mistake of the evaluator's."""
    if choices["a"] == 1:
        raise ValueError("a may not be 1")
    return quick(choices, budget, report)
