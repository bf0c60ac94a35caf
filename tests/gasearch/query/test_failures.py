"""Failures by cause, with their last words; by real searches in this process."""

import csv
import io
import json

import pytest

import gasearch
from gasearch import cli
from tests.doubles import talkative

SPEC = """
name: talk
task: {evaluator: "tests.doubles.talkative:fails_in_several_ways"}
space: {family: custom, decisions: {x: {choices: [0, 1, 2, 3, 4, 5, 6, 7]}}}
objectives: {error: min}
evolution: {algorithm: random}
budget: {evaluations: 8}
workers: {count: 0}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures")
    url = f"sqlite:///{folder}/store.db"
    (folder / "talk.yaml").write_text(SPEC)
    gasearch.run(folder / "talk.yaml", db=url)
    return url


@pytest.fixture
def call(capsys, monkeypatch, url):
    monkeypatch.setenv("GASEARCH_DB", url)

    def run(*arguments):
        status = cli.call(arguments)
        captured = capsys.readouterr()
        assert status == 0, captured.err
        return captured.out

    return run


def test_causes_come_by_number_whatever_figures_their_messages_hold(url):
    causes = gasearch.open("talk", db=url).failures()
    assert [(cause.count, cause.retried, cause.failure) for cause in causes] == [
        (3, 0, "user_error"),
        (2, 1, "out_of_memory"),
        (1, 0, "user_error"),
    ]
    assert causes[0].message.startswith("ValueError: ")
    assert causes[0].message.endswith(" is too large")
    assert f"line {talkative.line_of('too large')}, in fails_in_several_ways" in causes[0].traceback
    assert causes[0].output.startswith("x = ")


def test_failures_are_a_table_a_csv_and_json(call):
    lines = call("failures", "talk").splitlines()
    assert lines[0].split() == ["count", "retried", "failure", "key", "message"]
    assert lines[1].split()[:3] == ["3", "0", "user_error"]
    rows = list(csv.DictReader(io.StringIO(call("failures", "talk", "--format", "csv"))))
    assert [row["count"] for row in rows] == ["3", "2", "1"]
    found = json.loads(call("failures", "talk", "--format", "json"))
    assert [row["count"] for row in found] == [3, 2, 1]
    assert "traceback" not in found[0]
    assert "Traceback" in json.loads(call("failures", "talk", "--full", "--format", "json"))[0]["traceback"]


def test_full_failures_quote_an_example_of_each(call):
    out = call("failures", "talk", "--full")
    assert out.count("  where it was:\n    Traceback (most recent call last):\n") == 3
    assert out.count("  the last that it printed:\n    x = ") == 3
    assert "2 out_of_memory, 1 of them tried again, such as " in out


def test_show_tells_where_each_attempt_was_and_what_it_printed_with_no_code_for_the_terminal(call, url):
    colourful = next(one for one in gasearch.open("talk", db=url).failures() if "red" in one.message)
    out = call("show", "talk", colourful.key)
    assert "    x = 4\n    100 %\n    red and \\x1b]0;title\\x07\n" in out
    assert "\x1b" not in out
    assert f"line {talkative.line_of('red')}, in fails_in_several_ways" in out
    large = next(one for one in gasearch.open("talk", db=url).failures() if one.failure == "out_of_memory")
    assert call("show", "talk", large.key).count("MemoryError") >= 2


def test_a_search_without_failures_says_so(call, url, capsys):
    gasearch.run({**gasearch_spec(), "name": "quiet", "budget": {"evaluations": 1}}, db=url)
    assert call("failures", "quiet") == ""
    assert json.loads(call("failures", "quiet", "--format", "json")) == []


def gasearch_spec():
    return {
        "task": {"evaluator": "tests.doubles.evaluators:quick"},
        "space": {"family": "custom", "decisions": {name: {"choices": [0, 1]} for name in "abc"}},
        "objectives": {"error": "min"},
        "workers": {"count": 0},
    }
