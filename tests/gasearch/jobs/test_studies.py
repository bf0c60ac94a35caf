"""Finished trials of a study of Optuna as outcomes that a custom search begins with."""

from __future__ import annotations

import json
from contextlib import closing

import optuna
import pytest

import gasearch
from gasearch.errors import GasearchError, NoStore, SpecError, UnknownSearch
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.storage.records import REUSED
from gasearch.storage.sql import open_reader
from tests.doubles import evaluators
from tests.doubles.custom_search import CUSTOM_SPEC

VALUES = {"error": 0, "cost": 1}


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path}/study.db"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/store.db"


def make_study(storage, rows, name="mine", directions=("minimize", "minimize")):
    """A study of trials with these parameters and values."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, study_name=name, directions=list(directions))
    for params, values in rows:
        distributions = dict.fromkeys(params, optuna.distributions.IntDistribution(0, 9))
        trial = optuna.trial.create_trial(params=params, distributions=distributions, values=values)
        study.add_trial(trial)
    return study


def spec_with(storage, study="mine", values=None, **changes):
    start = {"optuna": {"url": storage, "study": study, "values": values or VALUES}}
    return CUSTOM_SPEC | {"start": start} | changes


def choices(a, b, c):
    return {"a": a, "b": b, "c": c}


class Notices(Silent):
    def __init__(self):
        self.said = []

    def on_notice(self, message):
        self.said.append(message)


def said_of_the_study(notices):
    [text] = [text for text in notices.said if text.startswith("start.optuna")]
    return text


def test_finished_trials_are_the_first_outcomes_and_are_not_evaluated_again(storage, url, monkeypatch):
    make_study(storage, [(choices(0, 0, 0), [0.125, 7.0]), (choices(3, 2, 1), [0.25, 6.5])])
    seen = []

    def noting(chosen, budget, report):
        seen.append(chosen)
        return quick(chosen, budget, report)

    quick = evaluators.quick
    monkeypatch.setattr(evaluators, "quick", noting)
    notices = Notices()
    search = gasearch.run(spec_with(storage), db=url, observer=notices)
    first, second, *rest = search.evaluations()
    assert [one.metrics["error"] for one in (first, second)] == [0.125, 0.25]
    assert [json.loads(one.network_json)["choices"] for one in (first, second)] == [choices(0, 0, 0), choices(3, 2, 1)]
    assert {first.worker, second.worker} == {REUSED}
    assert len(rest) == len(seen) == 10
    assert choices(0, 0, 0) not in seen
    status = search.status()
    assert (status.told, status.reused) == (12, 2)
    assert said_of_the_study(notices) == "start.optuna: of the 2 trials of mine 2 are finished, and 2 are taken over"
    assert check_database(url) == []


def test_what_does_not_fit_is_said_with_counts(storage, url):
    study = make_study(
        storage,
        [
            (choices(0, 0, 0), [0.5, 1.0]),
            (choices(0, 0, 0), [0.6, 1.0]),
            (choices(0, 0, 9), [0.5, 1.0]),
            (choices(0, 0, 9), [0.7, 1.0]),
            ({"a": 1, "b": 1}, [0.5, 1.0]),
            (choices(1, 1, 1), [float("inf"), 1.0]),
        ],
    )
    study.ask()  # a trial that isn't finished
    notices = Notices()
    search = gasearch.run(spec_with(storage), db=url, observer=notices)
    assert search.status().reused == 1
    text = said_of_the_study(notices)
    assert text.startswith("start.optuna: of the 7 trials of mine 6 are finished, and 1 are taken over; 2 are not: c: ")
    assert text.endswith("and 1 other reasons")


def test_fractions_of_a_step_are_the_choices_that_they_stand_for(storage, url):
    study = optuna.create_study(storage=storage, study_name="mine", directions=["minimize"] * 2)
    grid = optuna.distributions.FloatDistribution(0.1, 0.9, step=0.1)
    whole = optuna.distributions.FloatDistribution(0, 3, step=1)
    for place, value in enumerate((0.1 + 0.1 + 0.1, 0.7999999999999999, 0.85)):
        params = {"a": value, "b": float(place), "c": 0.0}
        distributions = {"a": grid if value != 0.85 else optuna.distributions.FloatDistribution(0, 1)}
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions | {"b": whole, "c": whole}, values=[0.5, 1.0]
            )
        )
    decisions = {"a": {"choices": [0.3, 0.8]}, "b": {"choices": [0, 1, 2]}, "c": {"choices": [0]}}
    notices = Notices()
    spec = spec_with(storage, space={"family": "custom", "decisions": decisions}, budget={"evaluations": 2})
    search = gasearch.run(spec, db=url, observer=notices)
    chosen = [json.loads(one.network_json)["choices"] for one in search.evaluations()]
    assert chosen == [{"a": 0.3, "b": 0, "c": 0}, {"a": 0.8, "b": 1, "c": 0}]
    assert "1 are not: a: 0.85 is no option" in said_of_the_study(notices)


def test_a_study_of_hundreds_of_trials_in_every_state_gives_what_is_finished_and_finite(storage, url):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, study_name="mine", directions=["minimize"] * 2)
    states = [getattr(optuna.trial.TrialState, name) for name in ("COMPLETE", "FAIL", "PRUNED", "RUNNING", "WAITING")]
    values = [(0.5, 1.0), (float("inf"), 1.0), (0.5, float("-inf")), (1e200, 1.0)]
    trials, expected = [], {}
    for number in range(320):
        params = choices(number % 4, number // 4 % 4, number // 16 % 4)
        state, found = states[number % 5], values[number // 5 % 4]
        trials.append(
            optuna.trial.create_trial(
                state=state,
                params=params,
                distributions=dict.fromkeys(params, optuna.distributions.IntDistribution(0, 9)),
                values=found if number % 5 == 0 else None,
            )
        )
        if number % 5 == 0 and found == values[0]:
            expected.setdefault(tuple(params.values()), None)
    study.add_trials(trials)
    notices = Notices()
    search = gasearch.run(spec_with(storage, budget={"evaluations": 64}), db=url, observer=notices)
    taken = [one for one in search.evaluations() if one.worker == REUSED]
    assert [tuple(json.loads(one.network_json)["choices"].values()) for one in taken] == list(expected)
    assert said_of_the_study(notices).startswith(
        f"start.optuna: of the 320 trials of mine 64 are finished, and {len(expected)} are taken over"
    )
    assert check_database(url) == []


def test_a_study_that_is_better_the_other_way_is_refused(storage, url):
    make_study(storage, [(choices(0, 0, 0), [0.5, 1.0])], directions=("maximize", "minimize"))
    text = "start.optuna.values.error: value 0 is maximized in the study, and error is minimized here"
    with pytest.raises(SpecError, match=text):
        gasearch.run(spec_with(storage), db=url)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_that_names_its_values_otherwise_is_refused(storage, url):
    study = make_study(storage, [(choices(0, 0, 0), [0.5, 1.0])])
    study.set_metric_names(["cost", "error"])
    text = "start.optuna.values.error: the study calls its values 0 cost, 1 error; got 0"
    with pytest.raises(SpecError, match=text):
        gasearch.run(spec_with(storage), db=url)
    assert gasearch.run(spec_with(storage, values={"error": 1, "cost": 0}), db=url).status().reused == 1


def test_no_more_trials_are_taken_than_the_budget_allows(storage, url):
    make_study(storage, [(choices(a, b, 0), [0.5, 1.0]) for a in range(4) for b in range(4)])
    search = gasearch.run(spec_with(storage), db=url)
    assert (search.status().told, search.status().reused) == (12, 12)


def test_a_resume_needs_the_study_no_more_and_the_same_seed_gives_the_same_search(storage, url, tmp_path):
    make_study(storage, [(choices(0, 1, 0), [0.125, 7.0])])
    search = gasearch.run(spec_with(storage), db=url)
    (tmp_path / "study.db").unlink()
    search.resume(evaluations=20)
    make_study(storage, [(choices(0, 1, 0), [0.125, 7.0])])
    whole = gasearch.run(spec_with(storage, name="whole", budget={"evaluations": 20}), db=url)
    assert [one.key for one in search.evaluations()] == [one.key for one in whole.evaluations()]
    with closing(open_reader(url)) as reader:
        record = reader.search("small")
        assert [event.kind for event in reader.events(record.id)].count("known_outcomes") == 1


def test_what_gasearch_exported_comes_back(storage, url):
    first = gasearch.run(CUSTOM_SPEC, db=url)
    first.to_optuna(storage)
    again = gasearch.run(spec_with(storage, study="small", name="again"), db=url)
    assert [(one.key, one.metrics) for one in again.evaluations()] == [
        (one.key, one.metrics) for one in first.evaluations()
    ]
    assert again.status().reused == 12


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"values": {"error": 0}}, SpecError, "start.optuna.values: lacks cost"),
        ({"values": {"error": 0, "cost": 2}}, SpecError, "start.optuna.values: the study has 2 values a trial"),
        ({"values": {"error": -1, "cost": 1}}, SpecError, "start.optuna.values"),
        ({"study": "yours"}, SpecError, "no study 'yours'; there are mine"),
        ({"url": "sqlite:////no/such/study.db"}, SpecError, "there is no such file: '/no/such/study.db'"),
        ({"url": "postgresql://me:secret@nowhere.invalid/x"}, SpecError, "leave the password out"),
        ({"url": "nodb://here/x"}, GasearchError, "Optuna can't use nodb://here/x"),
    ],
)
def test_a_study_that_can_t_be_used_is_refused_before_anything_is_stored(storage, url, changes, error, text):
    make_study(storage, [(choices(0, 0, 0), [0.5, 1.0])])
    start = {"optuna": {"url": storage, "study": "mine", "values": VALUES} | changes}
    with pytest.raises(error) as caught:
        gasearch.run(CUSTOM_SPEC | {"start": start}, db=url)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises((NoStore, UnknownSearch)):
        gasearch.open("small", db=url)


def test_only_a_custom_search_takes_values_from_elsewhere(storage):
    spec = {
        "name": "digits",
        "task": {"dataset": "digits"},
        "space": {"family": "mlp", "layers": [0, 1], "width": [4], "weight_bits": [8]},
        "objectives": {"accuracy": "max"},
        "start": {"optuna": {"url": storage, "study": "mine", "values": {"accuracy": 0}}},
    }
    with pytest.raises(SpecError, match="outcomes of a custom evaluator alone"):
        gasearch.run(spec)
