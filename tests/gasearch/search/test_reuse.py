"""Outcomes of earlier searches: the oldest one that this search can use is taken over, not the oldest of all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from gasearch_workers.messages import Calibration, Choices, Measurement

from gasearch.search.problem import Pending
from gasearch.search.reuse import Reuse
from gasearch.storage.records import REUSED
from tests.doubles.records import key_of, outcome_of
from tests.doubles.searches import problem

DEVICE = Calibration(device="this CPU", reference_latency_ms=1.0)
PENDING = Pending(number=9, key=key_of(3), network=Choices(values=()), seed=2**62 + 3)


def measured(device, **others):
    metrics = {"error": 0.5, "cost": 1.0} | others
    return outcome_of(3, Measurement(latency_ms=1.0, latency_device=device, others=tuple(metrics.items())))


def taken_over(*records):
    """What is taken over from searches with these outcomes, the oldest first."""
    archive = SimpleNamespace(
        searches=lambda: [SimpleNamespace(context="same", id=1)],
        reusable=lambda context, keys: {key_of(3): list(records)},
    )
    found = Reuse(replace(problem(), context="same"), archive, 7).outcomes([PENDING], DEVICE)
    return [dict(result.outcome.others)["error"] for _, result in found if result.worker == REUSED]


def test_an_older_search_whose_outcome_cannot_be_used_hides_no_newer_one():
    elsewhere, here = measured("another CPU", error=0.1), measured("this CPU", error=0.2)
    lacking = outcome_of(3, Measurement(latency_device="this CPU", others=(("error", 0.3),)))
    other_seed = replace(measured("this CPU", error=0.4), seed=1)
    assert taken_over(elsewhere, lacking, other_seed, here) == [0.2]
    assert taken_over(here, measured("this CPU", error=0.9)) == [0.2]
    assert taken_over(elsewhere, lacking, other_seed) == []
