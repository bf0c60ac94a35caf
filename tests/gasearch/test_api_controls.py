"""From Python, what the command line can: watch, show, draw, stop, delete; and what help and dir tell."""

from __future__ import annotations

import pydoc
import time

import pytest
from gasearch_workers.messages import Failure, Measurement

import gasearch
from gasearch.cli.app import app
from gasearch.errors import BadInput, UnknownSearch, WrongState
from gasearch.search import ownership
from gasearch.storage.sql import open_reader
from tests.doubles.custom_search import CUSTOM_SPEC

FAILING = CUSTOM_SPEC | {"name": "failing", "task": {"evaluator": "tests.doubles.evaluators:sometimes"}}


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    """A database, as a path, with the finished search `small`."""
    path = tmp_path_factory.mktemp("controls") / "some where.db"
    gasearch.run(CUSTOM_SPEC, db=path)
    return path


@pytest.fixture(scope="module")
def search(db):
    return gasearch.open("small", db=db)


def test_a_database_may_be_a_path(db, search):
    assert db.is_file()
    assert [one.name for one in gasearch.list(db=db)] == ["small"]
    assert gasearch.open("small", db=f"sqlite:///{db}").status() == search.status()


def test_the_front_comes_in_the_order_that_is_asked_for(search):
    costs = [point.metrics["cost"] for point in search.front(by="cost")]
    assert costs == sorted(costs)
    assert [point.metrics["cost"] for point in search.front(by="cost:max")] == costs[::-1]
    with pytest.raises(BadInput, match="has no metric 'speed'"):
        search.front(by="speed")


def test_with_a_count_the_best_are_a_list(search):
    assert [point.key for point in search.best("cost", count=2)] == [one.key for one in search.front(by="cost")[:2]]
    assert search.best("cost", count=1) == [search.best("cost")]
    assert search.best("cost", where="cost <= -1", count=3) == []
    with pytest.raises(BadInput, match="the count must be at least 1; got 0"):
        search.best(count=0)


def test_history_and_one_network_are_told_as_the_command_line_tells_them(search):
    history, logbook = search.history(), search.logbook()
    assert [one.generation for one in history] == logbook.select("gen") == [0, 1, 2]
    assert sum(logbook.select("nevals")) == history[-1].evaluations
    best = search.best("error")
    shown = search.show(best.key[:6])
    assert (shown.key, shown.metrics, shown.blueprint) == (best.key, best.metrics, best.blueprint)
    with pytest.raises(UnknownSearch, match="begins with 'zz'"):
        search.show("zz")


def test_the_front_is_drawn_as_a_figure_and_into_a_file(search, tmp_path):
    figure = search.plot(tmp_path / "front.html")
    assert type(figure).__module__.startswith("plotly.")
    assert len(figure.data[1].x) == search.status().front_size
    assert "Hypervolume over evaluations" in (tmp_path / "front.html").read_text(encoding="utf-8")
    with pytest.raises(BadInput, match=r"ends in .html; got 'front.png'"):
        search.plot("front.png")


def test_every_outcome_comes_once_it_is_stored_failures_too(tmp_path):
    db, heard = tmp_path / "store.db", []

    def hear(record):
        assert gasearch.open("failing", db=db).status().told == record.arrival + 1
        heard.append(record)

    search = gasearch.run(FAILING, db=db, on_outcome=hear)
    assert [one.arrival for one in heard] == list(range(search.status().told))
    outcomes = [one.result.outcome for one in heard]
    assert any(isinstance(one, Failure) for one in outcomes)
    assert [one.metrics() for one in outcomes if isinstance(one, Measurement)] == [
        one.metrics for one in search.evaluations() if one.metrics
    ]
    heard.clear()
    search.resume(evaluations=search.status().told + 2, on_outcome=hear)
    assert len(heard) == 2


def test_what_a_listener_raises_ends_the_run_which_resume_goes_on_with(tmp_path):
    def refuse(record):
        if record.arrival == 4:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        gasearch.run(CUSTOM_SPEC, db=tmp_path / "store.db", on_outcome=refuse)
    search = gasearch.open("small", db=tmp_path / "store.db")
    assert (search.status().state, search.status().told) == ("stopped", 5)
    assert search.resume().status().told == 12


def test_a_running_search_is_stopped_and_only_then_deleted(tmp_path, monkeypatch):
    db, refusals = tmp_path / "store.db", []
    monkeypatch.setitem(
        ownership.kept_alive.__wrapped__.__kwdefaults__, "renewal_s", 0.1
    )  # that is when it hears of a stop

    def stop(record):
        search = gasearch.open("small", db=db)
        if record.arrival > 3:
            time.sleep(0.1)
        if record.arrival == 3:
            with pytest.raises(WrongState, match="search 'small' is being run by process") as refusal:
                search.delete()
            refusals.append(refusal)
            search.stop()

    with pytest.raises(gasearch.errors.Interrupted):
        gasearch.run(CUSTOM_SPEC | {"budget": {"evaluations": 60}}, db=db, on_outcome=stop)
    search = gasearch.open("small", db=db)
    assert (len(refusals), search.status().state) == (1, "stopped")
    assert search.status().told < 60
    with pytest.raises(WrongState, match="nobody runs it"):
        search.stop()
    search.delete()
    assert gasearch.list(db=db) == []
    with pytest.raises(UnknownSearch, match="no search named 'small'"):
        search.status()
    gasearch.run(CUSTOM_SPEC, db=db)


def test_an_object_says_how_to_get_it_and_no_password(search, db, monkeypatch):
    assert repr(search) == f"Search('small', db={'sqlite:///' + str(db)!r})"
    monkeypatch.setattr("gasearch.api.open_reader", lambda url: open_reader(f"sqlite:///{db}"))
    on_a_server = gasearch.open("small", db="postgresql://ann:s3cret@host/runs")
    assert repr(on_a_server) == "Search('small', db='postgresql+psycopg://ann:***@host/runs')"


def test_a_search_is_queued_and_the_queue_is_shown(tmp_path):
    db = tmp_path / "queue.db"
    first = gasearch.submit(CUSTOM_SPEC | {"name": "first"}, db=db)
    second = gasearch.submit(CUSTOM_SPEC | {"name": "second"}, db=db, priority=2)
    assert (first.place, second.place, second.priority, second.submitter) == (1, 1, 2, "local")
    assert [one.name for one in gasearch.queue(db=db)] == ["second", "first"]
    with pytest.raises(WrongState, match="'first' is in the queue already"):
        gasearch.submit(CUSTOM_SPEC | {"name": "first"}, db=db)


def test_what_the_command_line_asks_and_does_python_can_too():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    beyond = {"init", "check", "serve", "controller", "data"}  # of files, and of a service
    named = {name: name for name in ("run", "list", "compare", "verify", "sensitivity", "submit", "queue")}
    for name in commands - beyond:
        assert hasattr(gasearch, named[name]) if name in named else hasattr(gasearch.Search, name), name
        home = getattr(gasearch, named[name]) if name in named else getattr(gasearch.Search, name)
        assert pydoc.getdoc(home)
