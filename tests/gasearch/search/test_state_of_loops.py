"""A search that is cut off anywhere and goes on stands where it stood, whatever its evaluations came to."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.query.summary import search_summary
from gasearch.search.early_stopping import EarlyStop
from gasearch.storage.owner import current_owner
from gasearch.storage.records import REUSED, SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.disorder import STEPS, Disorderly, trained
from tests.doubles.scripted import Scripted
from tests.doubles.searches import loop_over, new_search, small_space
from tests.doubles.states import differences

EVALUATIONS = 60
LIMITS = ("cost <= 14",)


class Cut(Exception):
    """The controller is gone."""


class Outcomes:
    """What evaluations come to: of each kind of outcome now and then, decided by a draw from key, seed and attempt."""

    def __init__(self, seed: int, shares: Mapping[str, float]) -> None:
        self._seed, self._shares = seed, shares

    def __call__(self, request):
        rng = random.Random(f"{self._seed}/{request.key}/{request.seed}/{request.attempt}")
        kind = rng.choices(list(self._shares), list(self._shares.values()))[0]
        if kind != "trained":
            return Failure(kind=FailureKind(kind), message=kind)
        outcome = trained(request)
        if isinstance(outcome, Measurement) and rng.random() < 0.5:  # a spread of its own, as latencies have
            spreads = (("error_spread", round(rng.random(), 2)),)
            outcome = replace(outcome, others=tuple(sorted((*outcome.others, *spreads))))
        return outcome


class Mortal(Disorderly):
    """Workers whose controller is cut off before it collects the n-th time."""

    def __init__(self, *arguments: Any, collects: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._left = collects

    def collect(self, timeout_s: float):
        self._left -= 1
        if self._left < 0:
            raise Cut
        return super().collect(timeout_s)


def opened(path):
    return open_archive(f"sqlite:///{path}", notice=lambda message: None)


def make_loop(archive, lease, dispatcher, *, policy, replicates, name="small"):
    return loop_over(
        archive,
        lease=lease,
        dispatcher=dispatcher,
        evaluations=EVALUATIONS,
        limits=LIMITS,
        engine=policy(small_space(), seed=7, population=6),
        asked={
            "replicates": replicates,
            "noisy": ("error",),
            "context": "same",
            "name": name,
            "early_stop": EarlyStop(steps=STEPS, risk=0.3),
        },
    )


def answers(loop) -> dict[str, Any]:
    """What it gives where how it keeps that may differ."""
    frontier = loop.state.frontier
    return {
        "open": {(one.key, one.attempt, one.replicate) for one in loop.unfinished},
        "growth": frontier.growth,
        "hypervolume": frontier.hypervolume,
        "members": frontier.front.numbers,
        "best": loop.state.best(),
        "survivors": loop.engine.population,
    }


def cut_and_replayed(path, *, seed, shares, collects, policy, replicates, is_reusing):
    """Two loops of one search: the one that was cut off, and the one that has read what that stored."""
    rng = random.Random(seed)
    evaluator = Scripted(Outcomes(seed, shares))
    archive = opened(path)
    if is_reusing:
        options = {"policy": policy, "replicates": 0.0, "name": "before"}
        lease = archive.create_search(new_search("before", context="same"), owner=current_owner(), ttl_s=60)
        before = Disorderly(evaluator, capacity=4, rng=random.Random(seed))
        make_loop(archive, lease, before, **options).run()
        archive.release(lease, state=SearchStatus.FINISHED, reason="done")
    lease = archive.create_search(new_search(context="same"), owner=current_owner(), ttl_s=60)
    live = make_loop(
        archive, lease, Mortal(evaluator, capacity=rng.randint(1, 5), rng=rng, collects=collects),
        policy=policy, replicates=replicates,
    )  # fmt: skip
    with suppress(Cut):
        live.run()
    archive.release(lease, state=SearchStatus.STOPPED, reason="cut")
    lease = archive.claim("small", owner=current_owner(), ttl_s=60)
    later = make_loop(archive, lease, Scripted(), policy=policy, replicates=replicates)
    later.resume()
    return archive, live, later


shares = st.fixed_dictionaries(
    {"trained": st.just(1.0)},
    optional={kind: st.floats(0.05, 0.5) for kind in ("diverged", "died", "worker_lost", "out_of_memory", "timed_out")},
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    shares=shares,
    collects=st.integers(0, 60),
    policy=st.sampled_from([SteadyStateEngine, GenerationalEngine]),
    replicates=st.sampled_from([0.0, 0.5]),
    is_reusing=st.booleans(),
)
@example(1, {"trained": 0.5, "diverged": 0.5}, 60, SteadyStateEngine, 0.5, False)
@example(1, {"trained": 0.5, "diverged": 0.5}, 60, SteadyStateEngine, 0.5, True)
def test_a_search_that_goes_on_stands_where_it_stood(
    tmp_path_factory, seed, shares, collects, policy, replicates, is_reusing
):
    path = tmp_path_factory.mktemp("cut") / "store.db"
    archive, live, later = cut_and_replayed(
        path, seed=seed, shares=shares, collects=collects, policy=policy, replicates=replicates, is_reusing=is_reusing
    )
    with closing(archive):
        assert answers(later) == answers(live)
        assert differences(live.state, later.state, "state") == []
        assert differences(live.engine, later.engine, "engine") == []
        record = archive.search("small")
        stored = [one.number for one in archive.front(record.id)]
        assert sorted(stored) == sorted(live.state.frontier.front.numbers)
        assert search_summary(archive, "small").hypervolume == live.state.frontier.hypervolume


@pytest.mark.parametrize("policy", [SteadyStateEngine, GenerationalEngine])
def test_the_logs_of_these_tests_hold_outcomes_of_every_kind(tmp_path, policy):
    shares = {"trained": 1.0, "diverged": 0.5, "died": 0.2, "worker_lost": 0.2}
    options = {"seed": 3, "policy": policy, "replicates": 0.5, "is_reusing": True, "collects": 60}
    archive, live, _ = cut_and_replayed(tmp_path / "store.db", shares=shares, **options)
    with closing(archive):
        completed = list(archive.evaluations(archive.search("small").id))
        counts = archive.counts(archive.search("small").id)
    further = [one.result.outcome for one in completed if one.replicate]
    assert {type(one) for one in further} == {Failure, Measurement}
    assert any(one.result.worker == REUSED for one in completed)
    assert counts.retries
    assert counts.stopped
    assert counts.failures["diverged"]
    assert any(not fitness.is_feasible for fitness in _judged(live, completed))
    assert live.state.frontier.front.has_spreads


def _judged(loop, completed):
    return [fitness for one in completed if (fitness := loop.state.aims.judge(one.result.outcome)[1]) is not None]
