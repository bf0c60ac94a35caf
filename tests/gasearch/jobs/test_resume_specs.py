"""A resume sees every difference between specs: the order of keys is the stored one, other types are other choices."""

from __future__ import annotations

import enum
import json
import os
import subprocess
import sys
from contextlib import closing

import pytest

from gasearch.errors import StoreError, WrongState
from gasearch.jobs.start import go_on, launch
from gasearch.jobs.stored_check import check_database
from gasearch.search.progress import Silent
from gasearch.spec.changes import changed, changes
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader
from tests.doubles.forgery import forge

EVALUATOR = """\
import itertools, os
calls = itertools.count(1)
def evaluate(choices, budget, report):
    if os.environ.get("DIES_AT") == str(next(calls)):
        os._exit(9)
    x, y, z = (choices.get(name, 0) for name in "xyz")
    return {"a": 1.0 * x**2 + y, "b": 1000.0 - 30 * x + z}
"""
SPEC = {
    "name": "ordered",
    "seed": 3,
    "task": {"evaluator": "ordered_evaluator:evaluate"},
    "space": {
        "family": "custom",
        "decisions": {
            "x": {"choices": list(range(12))},
            "y": {"choices": [1, 2, 3]},
            "z": {"choices": list(range(12)), "when": {"x": [4, 5, 6, 7, 8, 9, 10, 11], "y": [2, 3]}},
        },
    },
    "objectives": {"a": "min", "b": "min"},
    "evolution": {"population": 6, "surrogate": False},
    "start": {"designs": [{"x": 4, "y": 2, "z": 1}]},
    "budget": {"evaluations": 20},
    "workers": {"count": 0},
}


@pytest.fixture
def url(migrated_sqlite_url, tmp_path, monkeypatch):
    (tmp_path / "ordered_evaluator.py").write_text(EVALUATOR)
    monkeypatch.syspath_prepend(tmp_path)
    yield migrated_sqlite_url
    sys.modules.pop("ordered_evaluator", None)


def turned(content):
    """The same mappings, every one with its keys the other way round, where a spec allows that."""
    if isinstance(content, dict):
        return {key: turned(content[key]) for key in reversed(content)}
    return [turned(item) for item in content] if isinstance(content, list) else content


TURNED = turned(SPEC)
TURNED["space"]["decisions"] = {name: TURNED["space"]["decisions"][name] for name in "yxz"}  # z's conditions first


def everything(url, name="ordered"):
    """What a search proposed and found, in order."""
    with closing(open_reader(url)) as reader:
        record = reader.search(name)
        return [
            (one.candidate, one.result.key, json.dumps(one.result.outcome.metrics()))
            for one in reader.evaluations(record.id)
        ], [(one.number, one.hypervolume, one.best) for one in reader.generations(record.id)]


def die_at(call, url, tmp_path, **changes):
    """Run the search in a process of its own that dies within an evaluation."""
    (tmp_path / "ordered.json").write_text(json.dumps(SPEC | changes))
    command = [sys.executable, "-m", "gasearch", "run", str(tmp_path / "ordered.json"), "--db", url]
    paths = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(command, env=os.environ | paths | {"DIES_AT": str(call)}, capture_output=True, check=False)
    assert done.returncode == 9, done.stderr


@pytest.mark.parametrize("mode", ["steady-state", "generational"])
def test_a_killed_search_goes_on_in_the_stored_order_whatever_the_order_of_the_keys(url, tmp_path, mode):
    evolution = SPEC["evolution"] | {"mode": mode}
    die_at(9, url, tmp_path, evolution=evolution)
    go_on("ordered", db_url=url, observer=Silent(), source=TURNED | {"evolution": evolution}, evaluations=30)
    launch(
        load_spec(SPEC | {"evolution": evolution}, ["name=whole", "budget.evaluations=30"]),
        db_url=url,
        observer=Silent(),
    )
    assert everything(url) == everything(url, "whole")
    assert check_database(url) == []


@pytest.mark.parametrize("override", ["objectives={b: min, a: min}", "budget.evaluations=25"])
def test_an_extension_keeps_the_stored_order_too(url, override):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    go_on("ordered", db_url=url, observer=Silent(), source=TURNED, overrides=[override], evaluations=30)
    launch(load_spec(SPEC, ["name=whole", "budget.evaluations=30"]), db_url=url, observer=Silent())
    assert everything(url) == everything(url, "whole")
    with closing(open_reader(url)) as reader:
        record = reader.search("ordered")
        assert list(json.loads(record.spec_json)["space"]["decisions"]) == ["x", "y", "z"]
        assert record.objectives == (("a", False), ("b", False))


def test_a_name_that_is_taken_differs_in_nothing_where_only_the_order_does(url):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    with pytest.raises(
        WrongState, match="go on with `gasearch resume ordered --evaluations 40`, or give this one"
    ) as taken:
        launch(load_spec(TURNED), db_url=url, observer=Silent())
    assert "differs" not in str(taken.value)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("space.decisions.y.choices", "[1.0, 2, 3]", r"space\.decisions\.y\.choices: \[1, 2, 3\] -> \[1\.0, 2, 3\]"),
        ("space.decisions.y.choices", '["1", 2, 3]', r'\[1, 2, 3\] -> \["1", 2, 3\]'),
        ("space.decisions.y.choices", "[true, 2, 3]", r"\[1, 2, 3\] -> \[true, 2, 3\]"),
        (
            "space.decisions.x.choices",
            "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.0]",
            r"space\.decisions\.x\.choices: \[0, .*11\] -> \[0, .*11\.0\]",
        ),
        ("space.decisions.z.when", "{x: [4, 5, 6, 7, 8, 9, 10, 11]}", r"z\.when\.y: \[2, 3\] -> \(none\)"),
        ("space.decisions.z.when.y", "[3]", r"z\.when\.y: \[2, 3\] -> \[3\]"),
        ("start.designs", "[{x: 4.0, y: 2, z: 1}]", r"start\.designs: .*4, .*4\.0"),
        ("evolution.population", "8", "evolution.population: 6 -> 8"),
        ("objectives", "{a: min, b: max}", 'objectives.b: "min" -> "max"'),
        ("objectives", "{a: min}", r'objectives\.b: "min" -> \(none\)'),
    ],
)
def test_every_other_difference_is_refused_with_its_key(url, path, text, message):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    for options in ({}, {"source": TURNED}):
        with pytest.raises(WrongState, match=message):
            go_on("ordered", db_url=url, observer=Silent(), overrides=[f"{path}={text}"], evaluations=30, **options)


def test_of_long_lists_that_begin_alike_the_item_that_differs_is_named():
    before = load_spec(
        SPEC | {"space": {"family": "custom", "decisions": {"x": {"choices": list(range(100))}}}, "start": {}}
    )
    choices = [*range(99), 99.0]
    after = changed(before, None, [f"space.decisions.x.choices={choices}"])
    assert list(map(str, changes(before, after))) == ["space.decisions.x.choices[99]: 99 -> 99.0"]


class Word(str, enum.Enum):  # noqa: UP042 - whose str() is "Word.ONE"
    ONE = "one"


class Number(enum.IntEnum):
    TWO = 2


def test_choices_are_plain_values_before_and_after_they_are_stored():
    import numpy as np

    choices = [Word.ONE, Number.TWO, np.float64(0.5), True, "1"]
    spec = load_spec({"name": "plain", "task": {"evaluator": "a:b"}, "objectives": {"a": "min"}, "space": {
        "family": "custom", "decisions": {"x": {"choices": choices}}}})  # fmt: skip
    for one in (spec, type(spec).from_json(spec.to_json())):
        held = one.space.decisions["x"].choices
        assert [(type(choice), choice) for choice in held] == [
            (str, "one"),
            (int, 2),
            (float, 0.5),
            (bool, True),
            (str, "1"),
        ]


# --- a row says by itself which network it is of ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"genes": "[1,0,0]"}, "has genes [1, 0, 0], which are the network "),
        ({"genes": "[4,1,13]"}, "has genes [4, 1, 13], which the space of its search doesn't have"),
        ({"genes": "[4,1]"}, "has genes [4, 1], which the space of its search doesn't have"),
        ({"network_json": '{"choices":{"x":4.0,"y":2,"z":1}}'}, 'is stored as {"choices":{"x":4.0,"y":2,"z":1}}'),
    ],
)
def test_a_candidate_whose_genes_and_network_disagree_is_found_and_not_gone_on_with(url, change, finding):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    assert check_database(url) == []
    forge(url, "candidates", {"search_id": 1, "number": 0}, **change)
    [found] = [found.text for found in check_database(url)]
    assert found.startswith("search 'ordered': candidate 0 ")
    assert finding in found
    with pytest.raises(StoreError, match=r"candidate 0 .*it was proposed under another spec, or in another version"):
        go_on("ordered", db_url=url, observer=Silent(), evaluations=30)


def test_a_candidate_under_another_network_s_key_is_found(url):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    forge(url, "candidates", {"search_id": 1, "number": 0}, key="0123456789ab")
    assert any("and is stored as 0123456789ab" in found.text for found in check_database(url))
