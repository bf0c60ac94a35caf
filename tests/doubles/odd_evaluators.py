"""Custom evaluators whose answers are odd in one way each."""

from __future__ import annotations

import hashlib


def _chance(choices, purpose=""):
    """A number in 0..1 that the choices decide."""
    text = f"{sorted(choices.items())}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32


def conflict(choices, budget, report):
    """`error` falls where `cost` rises."""
    cost = float(sum(choices.values()))
    return {"error": 10 / (1 + cost) + _chance(choices), "cost": cost}


def reports(choices, budget, report):
    """The same, with a report after each of three steps."""
    found = conflict(choices, budget, report)
    for step in (1, 2, 3):
        report(step, {"error": found["error"] * (1 + 1 / step), "cost": found["cost"]})
    return found


def ten(choices, budget, report):
    return {f"m{place}": _chance(choices, place) for place in range(10)}


def not_a_number(choices, budget, report):
    return {"error": float("nan"), "cost": 1.0}


def raises(choices, budget, report):
    raise RuntimeError("the evaluator's own")


def too_few(choices, budget, report):
    return {"error": 1.0}


def too_large(choices, budget, report):
    return {"error": 1e151, "cost": 1.0}


def counts_trainings(choices, budget, report):
    return conflict(choices, budget, report) | {"trainings": 0.0}


def with_more(choices, budget, report):
    return conflict(choices, budget, report) | {"what": 3.0}


def equal(choices, budget, report):
    return {"error": 1.0, "cost": 1.0}


def huge(choices, budget, report):
    share = _chance(choices)
    return {"error": (1e150 if share < 0.5 else -1e150) * (1 - share / 1000), "cost": 1e150 * share}


def huge_later(choices, budget, report):
    """Zero mostly, so that the scale is set by small numbers, and now and then as low as can be."""
    share = _chance(choices)
    return {"error": 0.0, "cost": 0.0} if share < 0.8 else {"error": -1e150 * share, "cost": -1e150 * (1 - share)}
