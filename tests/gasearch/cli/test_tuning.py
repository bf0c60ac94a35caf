"""Trials of recipes as the command line prints them."""

import csv
import io
import json

import pytest

from gasearch.cli.console import Format
from gasearch.cli.tuning import print_tuned
from gasearch.deploy.tuning import TunedNetwork
from gasearch.storage.records import TuningTrial

RECIPES = ({"learning_rate": 0.1, "dropout": 0.0, "epochs": 3}, {"learning_rate": 0.1, "dropout": 0.5, "epochs": 3})


def tuned(key="0002", *, importances=None):
    trials = tuple(
        TuningTrial(
            key=key, study="recipe", number=number, recipe_json=json.dumps(recipe), value=0.5 - number / 10, message=""
        )
        for number, recipe in enumerate(RECIPES)
    )
    note = "" if importances else "importances take 15 trials that succeeded; there are 2"
    return TunedNetwork(
        key=key, metric="accuracy", trials=trials, best=trials[0], importances=importances, importances_note=note
    )


@pytest.fixture
def printed(capsys):
    def run(*networks, form=Format.TABLE):
        print_tuned("digits", networks, form)
        return capsys.readouterr()

    return run


def test_the_table_shows_in_what_trials_differ_and_that_importances_are_not_known(printed):
    out, err = printed(tuned())
    assert out.splitlines()[0].split() == ["number", "value", "learning_rate", "dropout"]
    assert out.splitlines()[-1] == ("importances: not known: importances take 15 trials that succeeded; there are 2")
    assert err == "next:  gasearch export digits 0002 -o digits-0002-tuned --tuned\n"


def test_importances_are_a_line_below_the_table(printed):
    out, _ = printed(tuned(importances={"dropout": 0.75, "learning_rate": 0.25}))
    assert out.splitlines()[-1] == "importances (for being among the best): dropout 75 %, learning_rate 25 %"


def test_several_networks_are_told_apart(printed):
    out, err = printed(tuned("0002"), tuned("0003"))
    assert [line for line in out.splitlines() if line.startswith("network")] == ["network 0002", "network 0003"]
    assert len(err.splitlines()) == 2


def test_json_has_all_of_each_network(printed):
    [one] = json.loads(printed(tuned(importances={"dropout": 1.0}), form=Format.JSON).out)
    rows = [{"number": number, "value": 0.5 - number / 10, **RECIPES[number], "message": ""} for number in (0, 1)]
    assert one == {
        "key": "0002",
        "metric": "accuracy",
        "best": rows[0],
        "importances": {"dropout": 1.0},
        "importances_note": "",
        "trials": rows,
    }


def test_csv_has_a_row_for_each_trial(printed):
    rows = list(csv.DictReader(io.StringIO(printed(tuned("0002"), tuned("0003"), form=Format.CSV).out)))
    assert [(row["key"], row["number"], row["dropout"]) for row in rows] == [
        ("0002", "0", "0.0"),
        ("0002", "1", "0.5"),
        ("0003", "0", "0.0"),
        ("0003", "1", "0.5"),
    ]


def test_a_network_without_a_trial_that_succeeded_has_nothing_to_export(printed):
    failed = TuningTrial(key="0a", study="recipe", number=0, recipe_json="{}", value=None, message="diverged: nan")
    one = TunedNetwork(
        key="0a", metric="accuracy", trials=(failed,), best=None, importances=None, importances_note="none"
    )
    assert printed(one).err == ""
    assert json.loads(printed(one, form=Format.JSON).out)[0]["best"] is None


def test_tune_prints_what_came_of_it(gasearch, monkeypatch):
    trial = TuningTrial(
        key="00020002", study="recipe", number=0, recipe_json='{"learning_rate": 0.003}', value=0.98, message=""
    )
    tuned = TunedNetwork(
        key="00020002", metric="accuracy", trials=(trial,), best=trial, importances=None, importances_note="too few"
    )

    def tune(*arguments, trials, db_url, observer, workers):
        print("chatter")
        assert (arguments, trials, workers) == (("digits", ["0002", "0003"]), 7, 2)
        return [tuned]

    monkeypatch.setattr("gasearch.deploy.tuning.tune_networks", tune)
    options = ("--trials", "7", "--workers", "2", "--format", "json")
    status, out, err = gasearch("tune", "digits", "0002", "0003", *options)
    assert (status, err) == (0, "chatter\n")
    assert [one["key"] for one in json.loads(out)] == ["00020002"]
