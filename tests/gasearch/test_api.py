"""Searches from Python: launched, opened, asked, resumed, extended."""

import json
from contextlib import closing

import pytest

import gasearch
from gasearch.errors import BadInput, GasearchError, SpecError, UnknownSearch, WrongState
from gasearch.jobs.start import go_on, launch
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader
from tests.doubles import evaluators
from tests.doubles.custom_search import CUSTOM_SPEC


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


# --- launched and asked ----------------------------------------------------------------------------------------------


def test_a_mapping_a_path_and_a_spec_give_the_same_search(url, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(CUSTOM_SPEC | {"name": "from-path"}))
    searches = [
        gasearch.run(CUSTOM_SPEC, db=url),
        gasearch.run(str(tmp_path / "small.json"), db=url),
        gasearch.run(load_spec(CUSTOM_SPEC | {"name": "from-value"}), db=url),
    ]
    first, *others = [[(one.key, one.metrics) for one in search.evaluations()] for search in searches]
    assert len(first) == 12
    assert others == [first, first]


def test_a_search_answers_for_its_status_front_best_and_evaluations(url):
    search = gasearch.run(CUSTOM_SPEC, db=url)
    status = search.status()
    assert (status.state, status.told, status.is_active) == ("finished", 12, False)
    front = search.front()
    assert status.front_size == len(front) > 1
    assert all(point.is_on_front and point.metrics["cost"] <= 8 for point in front)
    cheapest = min(front, key=lambda point: point.metrics["cost"])
    assert search.best("cost").key == cheapest.key
    assert search.best("error", where=["cost <= 3"]).metrics["cost"] <= 3
    assert search.best("error", where=["cost <= -1"]) is None
    assert search.best(knee=True).key in {point.key for point in front}
    assert search.best(target={"cost": cheapest.metrics["cost"]}).key == cheapest.key
    assert search.trade("cost=-1", key=front[0].key, where="error >= 0").from_key == front[0].key
    assert {point.key for point in search.front("cost <= 3")} < {point.key for point in front}
    assert [one.arrival for one in search.evaluations()] == list(range(12))
    with pytest.raises(BadInput, match="has no metric 'speed'"):
        search.best("speed")


def test_the_database_comes_from_the_environment_where_none_is_named(url, monkeypatch):
    monkeypatch.setenv("GASEARCH_DB", url)
    gasearch.run(CUSTOM_SPEC)
    assert gasearch.open("small").status().told == 12


def test_an_unknown_search_is_not_opened(url):
    gasearch.run(CUSTOM_SPEC, db=url)
    with pytest.raises(UnknownSearch, match=r"'smal'.*did you mean 'small'"):
        gasearch.open("smal", db=url)


def test_what_can_t_be_run_is_refused_before_a_database_is_made(url, tmp_path):
    with pytest.raises(SpecError, match=r"budget\.evaluations"):
        gasearch.run(CUSTOM_SPEC | {"budget": {"evaluations": 0}}, db=url)
    with pytest.raises(SpecError, match=r"task\.evaluator: the evaluator 'no\.such:thing' can't be imported"):
        gasearch.run(CUSTOM_SPEC | {"task": {"evaluator": "no.such:thing"}}, db=url)
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_given_once(url):
    gasearch.run(CUSTOM_SPEC, db=url)
    with pytest.raises(WrongState, match=r"there is a search named 'small' already \(finished\): go on with `gasearch"):
        gasearch.run(CUSTOM_SPEC, db=url)


# --- resumed and extended --------------------------------------------------------------------------------------------


def test_a_finished_search_that_is_extended_equals_one_that_had_the_budget_from_the_start(url):
    extended = gasearch.run(CUSTOM_SPEC, db=url).resume(evaluations=30)
    whole = gasearch.run(CUSTOM_SPEC | {"name": "whole", "budget": {"evaluations": 30}}, db=url)
    assert [one.key for one in extended.evaluations()] == [one.key for one in whole.evaluations()]
    with closing(open_reader(url)) as reader:
        record = reader.search("small")
        assert json.loads(record.spec_json)["budget"]["evaluations"] == 30
        [event] = [event for event in reader.events(record.id) if event.kind == "extended"]
        assert json.loads(event.message)["evaluations"] == 30


def test_extending_follows_the_budget(url):
    search = gasearch.run(CUSTOM_SPEC, db=url)
    with pytest.raises(WrongState, match=r"extend it with: gasearch resume small --db \S+ --evaluations 24"):
        search.resume()
    with pytest.raises(WrongState, match="is finished: all 12 evaluations are done"):
        search.resume(evaluations=12)
    with pytest.raises(
        BadInput,
        match="has 12 evaluations already; the new budget counts in all: give more, such as --evaluations 24; got 11",
    ):
        search.resume(evaluations=11)
    with pytest.raises(WrongState, match="is finished"):
        search.resume(hours=1.0)  # more time, but no evaluation left to make
    assert search.status().told == 12


def test_a_search_that_ran_out_of_time_is_extended_by_time(url):
    spec = CUSTOM_SPEC | {"budget": {"evaluations": 12, "hours": 1e-9}}
    search = gasearch.run(spec, db=url)
    assert search.status().told < 12
    with pytest.raises(WrongState, match=r"is finished: the budget of 1e-09 hours is spent; extend it with"):
        search.resume()
    assert search.resume(hours=1.0).status().told == 12


def test_a_search_that_failed_is_resumed_when_its_cause_is_mended(url, monkeypatch):
    with pytest.raises(GasearchError, match="20 evaluations in a row failed"):
        gasearch.run(
            CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}, "budget": {"evaluations": 50}},
            db=url,
        )
    monkeypatch.setattr(evaluators, "raises", evaluators.quick)
    search = gasearch.open("small", db=url).resume()
    assert (search.status().told, search.status().failures) == (50, {"user_error": 20})


def test_the_number_of_workers_of_one_run_is_not_stored(url):
    spec = load_spec(CUSTOM_SPEC | {"workers": {"count": 3}})
    launch(spec, db_url=url, observer=Silent(), workers=0)
    with closing(open_reader(url)) as reader:
        before = reader.search("small").spec_json
    go_on("small", db_url=url, observer=Silent(), evaluations=14, workers=0)
    with closing(open_reader(url)) as reader:
        after = reader.search("small").spec_json
    assert json.loads(after)["budget"] == json.loads(before)["budget"] | {"evaluations": 14}
