"""Evaluations made again: equal bit for bit, within what the search knows of chance, or different, and what differs."""

import json
import re
import sqlite3
import sys
from contextlib import closing

import pytest

import gasearch
from gasearch.deploy.reproduction import ComparedMetric, reproduce_network
from gasearch.deploy.stored import layered_setup
from gasearch.deploy.versions import OtherVersion
from gasearch.errors import BadInput, UnknownSearch, WrongState
from gasearch.search.progress import Silent
from gasearch.search.replication import TRAININGS
from gasearch.storage.sql import open_reader
from tests.doubles.forgery import forge

SPEC = {
    "name": "digits",
    "seed": 3,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 1], "width": [4, 8, 16], "weight_bits": [2, 4]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    # Measured, but no objective: which networks are trained again must not hang on how busy the machine is.
    "constraints": ["latency_ms <= 10 s"],
    "recipe": {"epochs": 2, "data_share": 0.5, "batch_size": 16},
    "evolution": {"population": 4, "replicates": 0.4},
    "early_stop": False,
    "budget": {"evaluations": 10},
    "workers": {"count": 0},
}


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search for digits that has trained some networks again."""
    path = tmp_path_factory.mktemp("reproduced") / "store.db"
    found = gasearch.run(SPEC, db=path)
    found.url, found.path = f"sqlite:///{path}", path
    return found


def network_of(search, *, is_trained_again):
    return next(one for one in search.evaluations() if one.metrics and (TRAININGS in one.metrics) is is_trained_again)


def by_name(reproduction):
    return {one.name: one for one in reproduction.metrics}


def copied(search, folder):
    """The URL of a copy of its store, with what is still in the log."""
    path = folder / "store.db"
    with closing(sqlite3.connect(search.path)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return f"sqlite:///{path}"


@pytest.fixture
def forged(search, tmp_path):
    """Reproduces a network in a copy of the store where something else is stored of its first training."""

    def reproduce(network, **changes):
        url = copied(search, tmp_path)
        forge(url, "evaluations", {"candidate": network.number, "attempt": 1}, **changes)
        return reproduce_network("digits", network.key, db_url=url, observer=Silent())

    return reproduce


def test_an_evaluation_comes_out_equal_bit_for_bit(search):
    network = network_of(search, is_trained_again=False)
    found = search.reproduce(network.key[:8])
    assert (found.key, found.verdict, found.versions) == (network.key, "equal", ())
    metrics = by_name(found)
    assert {name: one.before for name, one in metrics.items()} == {
        name: value for name, value in network.metrics.items() if name in metrics
    }
    assert all(one.now == one.before for one in found.metrics)
    assert {"accuracy", "macro_f1", "auc", "model_bytes", "generalization_gap", "images_seen", "energy_j"} <= set(
        metrics
    )
    assert not {"latency_ms", "train_seconds", "efficiency"} & set(metrics)
    [note] = found.notes
    assert note.startswith("not compared, as no training decides it: ")
    assert "latency_ms" in note


def test_of_a_network_that_was_trained_again_the_first_training_is_made_again(search):
    network = network_of(search, is_trained_again=True)
    found = search.reproduce(network.key)
    assert found.verdict == "equal"
    with closing(open_reader(search.url)) as reader:
        first = next(one for one in reader.trainings(1, [network.number]) if not one.replicate)
    assert by_name(found)["accuracy"].now == first.result.outcome.accuracy
    assert any("means over" in note and "a mean can't be repeated" in note for note in found.notes)
    assert by_name(found)["accuracy"].tolerance > 0
    assert by_name(found)["macro_f1"].tolerance is None


def compared(before, now, tolerance=None, name="accuracy"):
    return ComparedMetric(name=name, before=before, now=now, tolerance=tolerance)


def test_a_metric_is_within_a_tolerance_that_is_known():
    assert compared(0.5, 0.5).is_within
    assert compared(0.5, 0.52, 0.03).is_within
    assert not compared(0.5, 0.54, 0.03).is_within
    assert not compared(0.5, 0.52).is_within
    assert not compared(0.5, None, 0.03).is_within
    assert compared(0.5, None, 0.03).difference is None
    assert compared(0.5, 0.25).difference == -0.25


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.5, "within tolerance"), (-0.9, "within tolerance"), (1.5, "different")]
)
def test_a_score_that_differs_is_within_a_tolerance_that_the_search_knows_or_different(search, forged, share, verdict):
    network = network_of(search, is_trained_again=False)
    tolerance = by_name(search.reproduce(network.key))["accuracy"].tolerance
    accuracy = network.metrics["accuracy"]
    found = forged(network, accuracy=accuracy + share * tolerance, macro_f1=0.125)
    assert found.verdict == verdict
    assert by_name(found)["accuracy"].difference == pytest.approx(-share * tolerance)
    assert by_name(found)["accuracy"].now == accuracy
    assert any("tolerance: 2 standard errors" in note and "(accuracy)" in note for note in found.notes)
    assert "no tolerance is known of macro_f1: the verdict doesn't count them" in found.notes


def test_what_arithmetic_counts_has_to_be_equal(search, forged):
    network = network_of(search, is_trained_again=False)
    assert forged(network, model_bytes=network.metrics["model_bytes"] + 1).verdict == "different"


def test_versions_that_differ_are_named(search, forged):
    network = network_of(search, is_trained_again=False)
    now = network.versions
    assert "torch" in now
    then = re.sub(r"torch [^,]*", "torch 1.2.3", now).replace("1 thread", "2 thread")
    found = forged(network, versions=then, device="cuda:1")
    assert found.verdict == "equal"
    others = {one.name: (one.before, one.now) for one in found.versions}
    assert others == {
        "torch": ("1.2.3", re.search(r"torch ([^,]*)", now)[1]),
        "threads": ("2", "1"),
        "device": ("cuda", "cpu"),
    }


def test_other_data_are_named_where_the_network_can_be_trained_on_them_and_else_refused(search, tmp_path):
    network, url = network_of(search, is_trained_again=False), copied(search, tmp_path)
    with closing(open_reader(url)) as reader:
        data = json.loads(reader.search("digits").data_json)
    forge(url, "searches", {"name": "digits"}, data_json=json.dumps(data | {"fingerprint": "f00d"}), version="0.1.0")
    found = reproduce_network("digits", network.key, db_url=url, observer=Silent())
    assert found.versions == (OtherVersion(name="data", before="f00d", now=data["fingerprint"]),)
    forge(url, "searches", {"name": "digits"}, data_json=json.dumps(data | {"fingerprint": "f00d", "outputs": 9}))
    with pytest.raises(WrongState, match="began with data of fingerprint f00d"):
        reproduce_network("digits", network.key, db_url=url, observer=Silent())


def test_unknown_networks_are_refused(search):
    with pytest.raises(UnknownSearch):
        search.reproduce("zzz")


def test_a_network_that_began_with_a_parent_s_weights_can_t_be_made_again_one_that_did_not_can(tmp_path, monkeypatch):
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))
    spec = SPEC | {
        "objectives": {"accuracy": "max"},
        "recipe": {"epochs": 1, "batch_size": 32, "inherit": True},
        "evolution": {"population": 4, "replicates": 0.0},
    }
    search = gasearch.run(spec, db=tmp_path / "store.db")
    fresh = next(one for one in search.evaluations() if not one.parents)
    least = min(one.metrics["images_seen"] for one in search.evaluations())
    child = next(one for one in search.evaluations() if one.metrics["images_seen"] > least)
    assert search.reproduce(fresh.key).verdict == "equal"
    with pytest.raises(BadInput, match=f"network {child.key} began with the weights of a parent, .* can't be repeated"):
        search.reproduce(child.key)


CUSTOM = {
    "name": "custom",
    "task": {"evaluator": "own_evaluator:measure"},
    "space": {"family": "custom", "decisions": {"a": {"choices": [1, 2, 3]}}},
    "objectives": {"cost": "min"},
    "budget": {"evaluations": 3},
    "workers": {"count": 0},
}


def test_a_custom_evaluator_that_has_changed_gives_other_numbers_and_is_named(tmp_path, monkeypatch):
    file = tmp_path / "own_evaluator.py"
    file.write_text("def measure(choices, budget, report):\n    return {'cost': choices['a'] + 0.5}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    search = gasearch.run(CUSTOM, db=tmp_path / "store.db")
    key = search.best("cost").key
    assert search.reproduce(key).verdict == "equal"
    file.write_text("def measure(choices, budget, report):\n    return {'cost': choices['a'] + 0.75}\n")
    monkeypatch.delitem(sys.modules, "own_evaluator")
    found = search.reproduce(key)
    assert (found.verdict, by_name(found)["cost"].difference) == ("different", 0.25)
    assert found.versions == (
        OtherVersion(name="evaluator", before="as the search began", now="changed: own_evaluator.py"),
    )
    assert "the search has trained no network twice, so no tolerance is known" in found.notes
    file.write_text("def measure(choices, budget, report):\n    raise RuntimeError('gone')\n")
    monkeypatch.delitem(sys.modules, "own_evaluator")
    failed = search.reproduce(key)
    assert failed.verdict == "different"
    assert failed.notes[0].startswith("it failed this time (user_error): RuntimeError: gone")
    assert by_name(failed)["cost"].now is None


def test_a_search_whose_recipe_was_tuned_is_reproduced_by_the_recipe_found(tmp_path):
    spec = SPEC | {
        "objectives": {"accuracy": "max"},
        "recipe": {"epochs": 1, "learning_rate": 0.0001, "tune": {"trials": 3}},
        "evolution": {"population": 4, "replicates": 0.0},
        "budget": {"evaluations": 2},
    }
    search = gasearch.run(spec, db=tmp_path / "store.db")
    with closing(open_reader(f"sqlite:///{tmp_path}/store.db")) as reader:
        record = reader.search("digits")
        setup = layered_setup(reader, record, "export", Silent())
    assert setup.problem.recipe.learning_rate != 0.0001
    found = [search.reproduce(network.key) for network in search.evaluations()]
    assert [one.verdict for one in found] == ["equal", "equal"]
