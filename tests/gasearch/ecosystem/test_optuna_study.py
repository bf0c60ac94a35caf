"""A search as a study of Optuna, read back by Optuna itself."""

from __future__ import annotations

import optuna
import pytest

import gasearch
from gasearch.errors import BadInput, GasearchError
from tests.doubles.custom_search import CUSTOM_SPEC

CONDITIONAL = CUSTOM_SPEC | {
    "space": {
        "family": "custom",
        "decisions": {
            "a": {"choices": [0, 1, 2, 3]},
            "b": {"choices": [0, 1, 2, 3]},
            "c": {"choices": [0, 1, 2, 3], "when": {"a": [1, 2]}},
        },
    }
}

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def search(tmp_path):
    return gasearch.run(CUSTOM_SPEC, db=tmp_path / "store.db")


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path}/study.db"


def study_of(storage, name="small"):
    return optuna.load_study(study_name=name, storage=storage)


def test_every_network_is_a_finished_trial_with_its_choices_and_values(search, storage):
    assert search.to_optuna(storage) == 12
    study = study_of(storage)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert study.metric_names == ["error", "cost"]
    assert study.user_attrs["gasearch"]["search"] == "small"
    for trial, network in zip(study.trials, search.evaluations(), strict=True):
        assert trial.state.name == "COMPLETE"
        assert trial.values == [network.metrics["error"], network.metrics["cost"]]
        assert trial.user_attrs["key"] == network.key
        assert trial.params == trial.user_attrs["network"]["choices"]
        [excess] = trial.constraints.values()
        assert (excess > 0) == (network.metrics["cost"] > 8)


def test_the_study_s_front_is_that_of_the_search(search, storage):
    search.to_optuna(storage)
    best = {trial.user_attrs["key"] for trial in study_of(storage).best_trials}
    assert best == {point.key for point in search.front()}


def test_decisions_that_do_not_express_are_no_parameters(tmp_path, storage):
    search = gasearch.run(CONDITIONAL, db=tmp_path / "store.db")
    search.to_optuna(storage)
    trials = study_of(storage).trials
    assert {frozenset(trial.params) for trial in trials} == {frozenset("ab"), frozenset("abc")}
    assert all(("c" in trial.params) == (trial.params["a"] in (1, 2)) for trial in trials)


def test_failed_networks_are_failed_trials(tmp_path, storage):
    spec = CUSTOM_SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}}
    with pytest.raises(GasearchError):
        gasearch.run(spec, db=tmp_path / "store.db")
    written = gasearch.open("small", db=tmp_path / "store.db").to_optuna(storage)
    trials = study_of(storage).trials
    assert len(trials) == written > 0
    assert {trial.state.name for trial in trials} == {"FAIL"}
    assert {trial.user_attrs["failure"] for trial in trials} == {"user_error"}


def test_a_sampler_goes_on_from_it(search, storage):
    search.to_optuna(storage)
    study = optuna.load_study(
        study_name="small", storage=storage, sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=5)
    )
    trial = study.ask(study.trials[0].distributions)
    study.tell(trial, [0.5, 1.0])
    assert len(study.trials) == 13


def test_a_storage_may_lie_in_a_folder_whose_name_has_a_space(search, tmp_path):
    (tmp_path / "my studies").mkdir()
    assert search.to_optuna(f"sqlite:///{tmp_path}/my studies/study.db") == 12


def test_a_study_that_is_there_is_left_alone(search, storage):
    search.to_optuna(storage)
    with pytest.raises(BadInput, match=r"there is a study 'small' in sqlite.*give another name by --study"):
        search.to_optuna(storage)
    assert search.to_optuna(storage, study_name="again") == 12
    assert len(study_of(storage).trials) == 12


def test_a_study_that_can_t_be_written_whole_is_gone(search, storage, monkeypatch):
    def add_some(study, trials):
        study.add_trial(trials[0])
        raise OSError("the disk is full")

    monkeypatch.setattr(optuna.Study, "add_trials", add_some)
    with pytest.raises(GasearchError, match=r"Optuna can't use sqlite.*the disk is full"):
        search.to_optuna(storage)
    assert optuna.get_all_study_names(storage) == []


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("study.db", BadInput, "named by a URL such as sqlite:///study.db; got 'study.db'"),
        ("nodb://me:secret@host/x", GasearchError, "Optuna can't use nodb://me:***@host/x"),
        ("sqlite:////no/such/folder/x.db", GasearchError, "unable to open database file"),
    ],
)
def test_a_storage_that_can_t_be_used_is_said_without_its_password(search, url, error, text):
    with pytest.raises(error) as caught:
        search.to_optuna(url)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_study_lies_in_gasearch_s_own_database(search, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in (f"sqlite:///{tmp_path}/store.db", "sqlite:///store.db", "sqlite+pysqlite:///./store.db?timeout=1"):
        with pytest.raises(BadInput, match="gasearch's own database"):
            search.to_optuna(url)
