"""What a resume of a long search doesn't do again, whatever it replays; and that it then stands where it stood."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event

from benchmarks.controller import Free
from benchmarks.resume import CASES, SEARCHES, make_setup, make_store
from benchmarks.support.long_search import Enough, Limited, write_long_search
from benchmarks.support.loops import make_loop
from benchmarks.support.simulation import VirtualClock, VirtualPool
from gasearch.evolution.engine import Scored
from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.jobs.setup import set_up
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop
from gasearch.space.costs import NetworkCosts
from gasearch.spec.loader import load_spec
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.searches import digest

NAME = "long"


def opened(path):
    return open_archive(f"sqlite:///{path}", notice=lambda message: None)


@contextmanager
def replayed(setup, path):
    """A loop that has just replayed the search in a store."""
    with closing(opened(path)) as archive:
        lease = archive.claim(NAME, owner=current_owner(), ttl_s=60)
        loop = SearchLoop(
            problem=setup.problem,
            budget=setup.budget,
            log=SearchLog(archive, lease),
            engine=setup.engine(),
            dispatcher=VirtualPool(None, slots=8, clock=VirtualClock()),
        )
        loop.resume()
        yield loop


@pytest.fixture
def calls(monkeypatch):
    """How often each of some expensive methods is called."""
    counts = {}

    def count(owner, name):
        original = getattr(owner, name)
        counts[name] = 0

        def counted(*arguments, **options):
            counts[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)

    count(Surrogate, "fit")
    count(NetworkCosts, "_count")
    count(ParetoFront, "hypervolume")
    return counts


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two searches with everything on, the one four times as long."""
    folder = tmp_path_factory.mktemp("stores")
    for evaluations in (200, 800):
        make_store(CASES["layered-stopping"], folder / f"{evaluations}.db", evaluations)
    return folder


def test_nothing_is_fitted_counted_or_measured_again(stores, calls):
    found = []
    for evaluations in (200, 800):
        before, setup = dict(calls), make_setup(CASES["layered-stopping"], evaluations)
        with replayed(setup, stores / f"{evaluations}.db") as loop:
            assert loop.state.statistics.completed >= evaluations - 8
            found.append({name: count - before[name] for name, count in calls.items()})
            assert loop.state.statistics.stopped > 0.5 * loop.state.statistics.completed
    assert found[0] == found[1]
    assert found[1]["fit"] == 0
    assert found[1]["_count"] <= 8 + 24  # what is in flight, and the first ones, of which nothing was expected
    assert found[1]["hypervolume"] <= 2


def test_the_first_question_fits_the_surrogate_and_its_scales_once(stores, calls):
    with replayed(make_setup(CASES["layered-stopping"], 800), stores / "800.db") as loop:
        before = dict(calls)
        assert loop.engine.ask() is not None
        assert before["fit"] + 1 <= calls["fit"] <= before["fit"] + 2


def test_rows_are_read_by_the_hundreds(stores):
    statements = []
    listener = (Engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    setup, counts = make_setup(CASES["layered-stopping"], 800), []
    event.listen(*listener)
    try:
        for evaluations in (200, 800):
            statements.clear()
            with replayed(setup, stores / f"{evaluations}.db"):
                counts.append(len(statements))
    finally:
        event.remove(*listener)
    assert counts[1] - counts[0] <= 2 * (800 - 200) / 200


def test_little_is_kept_of_each_candidate(stores):
    setup, kept = make_setup(CASES["layered-stopping"], 800), []
    for evaluations in (200, 800):
        with replayed(setup, stores / f"{evaluations}.db"):
            pass
        gc.collect()
        tracemalloc.start()
        try:
            with replayed(setup, stores / f"{evaluations}.db") as loop:
                kept.append((tracemalloc.get_traced_memory()[1], loop.state.statistics.completed))
        finally:
            tracemalloc.stop()
    (less, fewer), (more, many) = kept
    assert (more - less) / (many - fewer) < 4000


def test_outcomes_can_be_read_without_their_curves(stores):
    with closing(opened(stores / "200.db")) as archive:
        search_id = archive.search(NAME).id
        whole, bare = (list(archive.evaluations(search_id, with_curves=wanted)) for wanted in (True, False))
    assert all(one.result.outcome.curve for one in whole)
    assert bare == [replace(one, result=replace(one.result, outcome=curveless(one))) for one in whole]


def curveless(record):
    return replace(record.result.outcome, curve=())


# --- where it stood ---------------------------------------------------------------------------------------------

SMALL = {
    "name": NAME,
    "seed": 3,
    "task": {"evaluator": "benchmarks.controller:evaluate"},
    "space": {"family": "custom", "decisions": {f"x{place}": {"choices": list(range(8))} for place in range(5)}},
    "objectives": {"error": "min", "cost": "min"},
    "budget": {"evaluations": 500},
    "workers": {"count": 0},
}


def free():
    return Free(SEARCHES["flat"].answer).evaluate


@pytest.mark.parametrize(
    ("algorithm", "mode", "surrogate", "is_stopping"),
    [
        ("nsga2", "steady-state", True, True),
        ("nsga2", "steady-state", False, False),
        ("nsga3", "steady-state", False, True),
        ("aging", "steady-state", False, False),
        ("random", "steady-state", False, True),
        ("nsga2", "generational", True, False),
        ("nsga3", "generational", False, True),
        ("aging", "generational", False, False),
        ("optuna:nsga2", "steady-state", False, False),
    ],
)
def test_a_replayed_engine_asks_for_what_the_live_one_asks_for(tmp_path, algorithm, mode, surrogate, is_stopping):
    evolution = {"population": 8, "algorithm": algorithm, "mode": mode, "surrogate": surrogate}
    early_stop = {"rungs": [1, 3]} if is_stopping else {"rungs": "off"}
    setup = set_up(load_spec(SMALL | {"evolution": evolution, "early_stop": early_stop}))
    with closing(opened(tmp_path / "small.db")) as archive:
        clock = VirtualClock()
        pool = VirtualPool(Limited(free(), 44), slots=4, clock=clock)
        live, lease = make_loop(setup, archive, pool, clock)
        with pytest.raises(Enough):
            live.run()
        archive.release(lease, state=SearchStatus.STOPPED, reason="killed")
    with replayed(setup, tmp_path / "small.db") as later:
        flying = sorted(live.state.open)
        assert sorted(later.state.open) == flying != []
        asked = []
        for engine in (live.engine, later.engine):
            for number in flying:
                engine.tell(Scored(number=number, fitness=Fitness(values=(-float(number), 0.0))))
            asked.append([engine.ask() for _ in range(5)])
        assert asked[0] == asked[1]
        assert None not in asked[0]
        assert later.state.frontier.growth == live.state.frontier.growth
        assert later.state.frontier.front.numbers == live.state.frontier.front.numbers
        assert later.state.frontier.front.best == live.state.frontier.front.best


def test_a_store_that_is_made_fast_is_the_one_that_the_loop_writes(tmp_path):
    setup = set_up(load_spec(SMALL | {"evolution": {"population": 8, "surrogate": False}}))
    write_long_search(setup, f"sqlite:///{tmp_path}/fast.db", evaluations=80, evaluate=free(), engine=setup.engine())
    with closing(opened(tmp_path / "slow.db")) as archive:
        clock = VirtualClock()
        loop, _ = make_loop(setup, archive, VirtualPool(Limited(free(), 88), slots=8, clock=clock), clock)
        with pytest.raises(Enough):
            loop.run()
        with closing(opened(tmp_path / "fast.db")) as fast:
            assert digest(fast, NAME) == digest(archive, NAME)
