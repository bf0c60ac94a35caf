"""Searches from Python: launched, opened, asked, resumed, extended; one network exported and tuned."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.export.artifact import read_artifact
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.messages import Failure, FailureKind

import gasearch
from gasearch.deploy.networks import export_network, tune_network
from gasearch.errors import BadInput, GasearchError, SpecError, UnknownSearch, WrongState
from gasearch.jobs.start import go_on, launch
from gasearch.objectives.fitness import FrontChange
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles import evaluators
from tests.doubles.command_line import TRAINED
from tests.doubles.records import candidate, key_of, new_search, outcome_of

CUSTOM_SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": [0, 1, 2, 3]} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "constraints": ["cost <= 8"],
    "evolution": {"population": 4},
    "budget": {"evaluations": 12},
    "workers": {"count": 0},
}


class Listening:
    """Keeps the notices."""

    def __init__(self):
        self.notices = []

    def on_outcome(self, record):
        """Nobody looks."""

    def on_progress(self, progress):
        """Nobody looks."""

    def on_notice(self, message):
        self.notices.append(message)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished search for digits: its database, and the key of its most accurate network."""
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 5"))
    search = gasearch.run(path, db=f"sqlite:///{folder}/store.db")
    return f"sqlite:///{folder}/store.db", search.best("accuracy").key


def tables_of(url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return sorted(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))


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


# --- one network -----------------------------------------------------------------------------------------------------


def test_an_exported_network_keeps_what_the_search_claims(trained, tmp_path):
    url, key = trained
    observer = Listening()
    folder = export_network("small", key[:6], tmp_path / "model", db_url=url, observer=observer)
    content = read_artifact(folder)
    described = content["description"]
    data = load_dataset("digits")
    claimed, measured = described["claimed"], described["measured"]
    logits = run_onnx((folder / "model.onnx").read_bytes(), data.validation.x)
    accuracy = float(np.mean(logits.argmax(axis=1) == data.validation.y))
    assert accuracy == measured["validation_accuracy"]
    assert accuracy == pytest.approx(claimed["accuracy"], abs=0.01)
    assert accuracy > 0.5
    assert measured["test_accuracy"] == pytest.approx(accuracy, abs=0.15)
    assert (folder / "model.gap").stat().st_size == claimed["model_bytes"]
    assert described["key"] == key
    assert observer.notices == [f"training {key} again with its seed"]


def test_a_network_is_not_exported_over_something_else(trained, tmp_path):
    url, key = trained
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("years of work")
    observer = Listening()
    with pytest.raises(BadInput, match=r"model is not empty and holds no artifact that could be replaced"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=observer)
    assert observer.notices == []
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["thesis.tex"]


def test_a_folder_that_can_t_be_made_is_named(trained, tmp_path):
    url, key = trained
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file/model can't be written: Not a directory"):
        export_network("small", key, tmp_path / "file" / "model", db_url=url, observer=Silent())


def test_a_network_that_no_longer_fits_in_memory_is_named(trained, tmp_path, monkeypatch):
    url, key = trained
    monkeypatch.setattr("gasearch_workers.evaluation.evaluate.free_memory", lambda: 1000)
    with pytest.raises(
        GasearchError, match=rf"network {key} can't be trained on this machine: training needs at least"
    ):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())


def test_a_custom_evaluator_s_network_is_not_ours_to_export_or_tune(url, tmp_path):
    key = gasearch.run(CUSTOM_SPEC, db=url).best("cost").key
    with pytest.raises(BadInput, match="export needs a network that gasearch trains itself; small has a custom evalua"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())
    with pytest.raises(BadInput, match="tune needs a network that gasearch trains itself"):
        tune_network("small", key, trials=1, db_url=url, observer=Silent())


def test_a_network_that_failed_has_nothing_to_export(url, tmp_path):
    with pytest.raises(GasearchError):
        gasearch.run(
            CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}, "budget": {"evaluations": 30}},
            db=url,
        )
    key = gasearch.open("small", db=url).evaluations()[0].key
    with pytest.raises(BadInput, match=rf"network {key} of small has no measurement: it failed \(user_error: Runtime"):
        export_network("small", key, tmp_path / "model", db_url=url, observer=Silent())


def test_a_network_that_was_stopped_early_has_not_failed_but_has_nothing_to_export_either(url, tmp_path):
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        lease = archive.create_search(new_search("small"), owner="alice", ttl_s=60)
        archive.add_candidates(lease, [candidate(0)])
        stopped = Failure(kind=FailureKind.STOPPED, message="stopped at 1 with accuracy 0.2")
        archive.add_evaluations(lease, [(outcome_of(0, stopped), FrontChange())])
    text = rf"network {key_of(0)} of small has no measurement: its training was stopped at 1 with accuracy 0.2$"
    with pytest.raises(BadInput, match=text):
        export_network("small", key_of(0), tmp_path / "model", db_url=url, observer=Silent())


def test_tuning_stores_its_trials_and_goes_on_numbering(trained):
    url, key = trained
    tables = tables_of(url)
    observer = Listening()
    first = tune_network("small", key, trials=2, db_url=url, observer=observer)
    assert [trial.number for trial in first] == [0, 1]
    own = gasearch.open("small", db=url).best("accuracy").metrics["accuracy"]
    assert first[0].value == own  # the search's own recipe, trained with its seed
    both = tune_network("small", key, trials=2, db_url=url, observer=observer)
    assert [trial.number for trial in both] == [0, 1, 2, 3]
    assert both[:2] == first
    assert len({trial.recipe_json for trial in both}) == 4
    assert [notice.partition(":")[0] for notice in observer.notices] == [f"trial {number}" for number in range(4)]
    assert tables_of(url) == tables  # Optuna keeps its study in memory


def test_a_tuned_export_trains_by_the_best_recipe_that_was_found(trained, tmp_path):
    url, key = trained
    observer = Silent()
    recipes = [trial for trial in tune_network("small", key, trials=2, db_url=url, observer=observer) if trial.value]
    best = max(recipes, key=lambda trial: trial.value)
    folder = export_network("small", key, tmp_path / "tuned", db_url=url, observer=observer, is_tuned=True)
    story = json.loads((folder / "model.json").read_text())["description"]
    assert story["recipe"] == json.loads(best.recipe_json)
    assert story["measured"]["validation_accuracy"] == pytest.approx(best.value, abs=0.01)


def test_a_tuned_export_without_a_tuned_recipe_names_the_command_that_finds_one(trained, tmp_path):
    url, tuned = trained
    untuned = next(one.key for one in gasearch.open("small", db=url).evaluations() if one.key != tuned)
    with pytest.raises(
        BadInput, match=f"no recipe was tuned for network {untuned}; find one with: gasearch tune small"
    ):
        export_network("small", untuned, tmp_path / "no", db_url=url, observer=Silent(), is_tuned=True)
