"""The log of a search tells what the store holds."""

from __future__ import annotations

import json
import logging
from collections import Counter
from contextlib import closing

import pytest

import gasearch
from gasearch import cli
from gasearch.storage.sql import open_reader

SPEC = """\
name: told
seed: 3
task: {evaluator: "tests.doubles.evaluators:uneven"}
space: {family: custom, decisions: {a: {choices: [1, 2, 3, 4, 5, 6]}, b: {choices: [1, 2, 3, 4, 5, 6]}}}
objectives: {error: min, cost: min}
budget: {evaluations: 12}
evolution: {population: 4}
workers: {count: 0}
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GASEARCH_DB", f"sqlite:///{tmp_path}/gasearch.db")
    path = tmp_path / "search.yaml"
    path.write_text(SPEC)
    return path


def called(capsys, *arguments):
    assert cli.call(arguments) == 0
    return capsys.readouterr()


def test_a_search_can_be_reconstructed_from_its_log_alone(spec, tmp_path, capsys):
    options = ("--log-format", "json", "--log-level", "debug")
    lines = called(capsys, "run", str(spec), *options).err.splitlines()
    lines += called(capsys, "resume", "told", "--evaluations", "24", *options).err.splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["search"] == "told" for event in events if event["logger"] == "gasearch.search")
    count = Counter(event["event"] for event in events)
    with closing(open_reader(f"sqlite:///{tmp_path}/gasearch.db")) as reader:
        search = reader.search("told")
        counts, generations = reader.counts(search.id), reader.generations(search.id)
        stays = {number: reader.stays(search.id, number) for number in range(counts.candidates)}
        networks = list(reader.networks(search.id))
    assert counts.failures.keys() == {"user_error", "out_of_memory"}
    assert count["evaluation finished"] + count["evaluation failed"] == counts.completed == 24
    assert count["evaluation failed"] == sum(counts.failures.values())
    assert count["evaluation retried"] == counts.retries > 0
    assert count["candidate proposed"] == counts.candidates
    assert count["front entered"] == sum(map(len, stays.values()))
    on_front = Counter(event["candidate"] for event in events if event["event"] == "front entered")
    on_front.subtract(event["candidate"] for event in events if event["event"] == "front left")
    assert sorted(on_front.elements()) == [one.number for one in networks if one.is_on_front]
    closed = [event["hypervolume"] for event in events if event["event"] == "generation closed"]
    assert closed == [one.hypervolume for one in generations]
    for measured in (event for event in events if event["event"] == "evaluation finished"):
        [network] = [one for one in networks if one.number == measured["candidate"]]
        assert (measured["key"], measured["metrics"]) == (network.key, network.metrics)
    assert [event["event"] for event in events if event["event"].startswith("search")] == [
        "search started", "search ended", "search resumed", "search ended",
    ]  # fmt: skip
    [started] = [event for event in events if event["event"] == "search started"]
    assert started["seed"] == 3
    assert started["spec_hash"] == search.spec_hash
    assert started["time"].endswith("Z")
    assert count["lease taken"] == 2


def test_without_being_asked_a_search_logs_nothing_and_stdout_never_holds_a_line(spec, capsys):
    quiet = called(capsys, "run", str(spec))
    assert "evaluation finished" not in quiet.err
    loud = called(capsys, "run", str(spec), "--set", "name=loud", "--log-level", "info")
    assert "INFO gasearch.search: evaluation finished search=loud candidate=0 attempt=1 key=" in loud.err
    assert "gasearch.search" not in quiet.out + loud.out


def test_a_call_from_python_leaves_logging_alone_and_reaches_a_handler_of_the_caller_s(spec, caplog, capfd):
    loggers = [logging.getLogger(name) for name in ("", "gasearch", "gasearch_workers")]
    before = [(one.level, list(one.handlers)) for one in loggers]
    gasearch.run(spec)
    assert [(one.level, list(one.handlers)) for one in loggers] == before
    assert capfd.readouterr() == ("", "")
    with caplog.at_level(logging.INFO, logger="gasearch"):
        gasearch.run(spec, workers=0, db=spec.with_name("other.db"))
    finished = [one for one in caplog.records if one.getMessage() == "evaluation finished"]
    assert {one.search for one in finished} == {"told"}


def test_a_search_that_breaks_off_is_logged_with_its_traceback(spec, monkeypatch, capsys):
    def breaks(*arguments, **options):
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr("gasearch.search.loop.SearchLoop.run", breaks)
    assert cli.call(["run", str(spec), "--log-format", "json"]) == 1
    broken = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (broken["level"], broken["event"], broken["search"]) == ("error", "search broke off", "told")
    assert "RuntimeError: nobody foresaw it" in broken["traceback"]


def test_no_password_of_the_database_is_logged(spec, caplog):
    from gasearch.jobs.search_log import logged
    from gasearch.storage.records import Lease
    from tests.doubles.records import new_search

    class Created:
        def create_search(self, new, *, owner, ttl_s):
            return Lease(search_id=1, owner=owner, epoch=1)

    with caplog.at_level(logging.INFO, logger="gasearch"):
        archive = logged(Created(), "told", db_url="postgresql://me:geheim@host/db?sslpassword=geheim2")
        archive.create_search(new_search(), owner="a/1", ttl_s=1.0)
    assert caplog.records[0].database == "postgresql://me:***@host/db?sslpassword=***"
