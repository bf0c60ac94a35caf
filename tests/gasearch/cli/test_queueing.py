"""The commands of the queue."""

from __future__ import annotations

import json

import pytest

SPEC = """\
name: digits
task: {evaluator: "tests.doubles.evaluators:quick"}
space: {family: custom, decisions: {width: {choices: [1, 2, 3, 4]}}}
objectives: {error: min, cost: min}
budget: {evaluations: 4}
evolution: {population: 4}
workers: {count: 0}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GASEARCH_DB", f"sqlite:///{tmp_path}/gasearch.db")
    monkeypatch.delenv("GASEARCH_DEBUG", raising=False)
    (tmp_path / "search.yaml").write_text(SPEC)
    return tmp_path


def rows(gasearch, *command):
    status, out, _ = gasearch(*command, "--format", "json")
    assert status == 0
    return json.loads(out)


def test_a_search_is_submitted_listed_run_and_asked_like_any_other(gasearch):
    status, out, _ = gasearch("submit", "search.yaml", "--priority", "3")
    assert (status, out) == (
        0, "digits is in the queue, place 1; see: gasearch queue; take it out with: gasearch stop digits\n",
    )  # fmt: skip
    [row] = rows(gasearch, "queue")
    names = ("place", "name", "state", "priority", "submitter")
    assert [row[name] for name in names] == [1, "digits", "queued", 3, "local"]
    header, line = gasearch("queue")[1].splitlines()
    assert header.split()[:4] == ["place", "name", "state", "priority"]
    assert line.split()[:5] == ["1", "digits", "queued", "3", "local"]
    assert "queued, place 1" in gasearch("list")[1]
    assert rows(gasearch, "list") == []
    assert rows(gasearch, "status", "digits")["state"] == "queued"
    assert gasearch("controller", "--until-empty", "--poll", "0.1")[0] == 0
    assert rows(gasearch, "queue") == []
    [ended] = rows(gasearch, "queue", "--ended", "5")
    assert (ended["exit_status"], ended["message"]) == (0, "all 4 evaluations are done")
    assert rows(gasearch, "status", "digits")["told"] == 4
    assert gasearch("submit", "--resume", "digits", "--evaluations", "6")[0] == 0
    assert "queued, place 1" in gasearch("status", "digits")[1]
    assert gasearch("controller", "--until-empty", "--poll", "0.1")[0] == 0
    assert rows(gasearch, "status", "digits")["told"] == 4, "the space has no more"


def test_what_waits_leaves_the_queue_by_stop(gasearch):
    gasearch("submit", "search.yaml")
    assert gasearch("stop", "digits") == (0, "digits has left the queue\n", "")
    assert rows(gasearch, "status", "digits")["state"] == "ended"
    assert gasearch("stop", "digits")[0] == 2


def test_an_empty_queue_says_how_it_is_filled(gasearch):
    gasearch("token", "create", "x")
    assert gasearch("queue") == (0, "", "the queue is empty; fill it with: gasearch submit SPEC\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "gasearch submit SPEC, or gasearch submit --resume NAME"),
        (["search.yaml", "--resume", "digits"], "say which one"),
        (["search.yaml", "--evaluations", "5"], "a spec takes --set budget.evaluations=N"),
        (["--resume", "digits", "--set", "seed=2"], "--set belongs to a spec"),
        (["--resume", "nope"], "there is no search named 'nope'"),
        (["search.yaml", "--set", "budget.evaluation=5"], "evaluations"),
        (["search.yaml", "--set", 'task.evaluator="tests.doubles.evaluators:gone"'], "gone"),
        (["search.yaml", "--priority", "2000"], "--priority"),
        (["missing.yaml"], "there is no spec file"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_queued(gasearch, arguments, text):
    gasearch("token", "create", "x")  # so that there is a database
    status, out, err = gasearch("submit", *arguments)
    assert (status, out) == (2, "")
    assert text in err
    assert rows(gasearch, "queue") == []


def test_a_name_is_queued_once(gasearch):
    gasearch("submit", "search.yaml")
    status, _, err = gasearch("submit", "search.yaml")
    assert (status, "'digits' is in the queue already" in err) == (2, True)
