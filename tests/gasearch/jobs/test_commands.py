"""What a refusal advises works: each command that a message names is run as it stands there, and goes on.

The database is named by `--db` alone, by a path that a shell would part: whoever copies the advice has nothing else.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import typer

import gasearch as package
from gasearch import cli
from gasearch.errors import WrongState
from gasearch.jobs import commands
from gasearch.storage.engines import parse_url
from gasearch.storage.owner import current_owner
from gasearch.storage.sql import open_archive, open_reader
from tests.doubles.evaluators import quick
from tests.doubles.old_stores import make_old_store

SPEC = {
    "name": "advised",
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(9))} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 4, "surrogate": False},
    "budget": {"evaluations": 5},
    "workers": {"count": 0},
}
#: A command in a text: up to a quote, a line's end, or what goes on with the sentence, outside its own quotation marks.
COMMAND = re.compile(r"""gasearch ((?:'[^'\n]*'|"[^"\n]*"|[^'"`;,&\n()])+)""")


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.delenv("GASEARCH_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's mine").mkdir()
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    return f"sqlite:///{tmp_path}/it's mine/store.db"


@pytest.fixture
def follow(capsys):
    """Runs a command as a text advises it; gives its status and what it says."""

    def run(command):
        status = cli.call(shlex.split(command))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def gasearch(url, follow):
    """The same for a command with that database."""
    return lambda command: follow(f"{command} --db {shlex.quote(url)}")


@pytest.fixture
def evaluator(monkeypatch):
    """Lets the evaluator do something else for a while."""

    def become(function):
        monkeypatch.setattr("tests.doubles.evaluators.quick", function)

    return become


def advised(text, verb):
    """The one command of that verb in a text."""
    [found] = {found.strip() for found in COMMAND.findall(text) if re.match(rf"{verb}\b", found)}
    return found


def completed(url):
    with closing(open_reader(url)) as reader:
        return reader.counts(reader.search("advised").id).completed


def fails(choices, budget, report):
    raise RuntimeError("no luck")


RUN = "run spec.json"
WAYS = {
    "the same spec again": (RUN, RUN),
    "with more evaluations": (RUN, f"{RUN} --set budget.evaluations=9"),
    "with fewer evaluations": (RUN, f"{RUN} --set budget.evaluations=2"),
    "with fewer evaluations and more hours": (RUN, f"{RUN} --set budget.evaluations=2 --set budget.hours=9"),
    "resumed": (RUN, "resume advised"),
    "resumed with fewer": (RUN, "resume advised --set budget.evaluations=2"),
    "device-hours spent": (f"{RUN} --set budget.device_hours=1e-20", "resume advised"),
    "device-hours raised too little": (
        f"{RUN} --set budget.device_hours=1e-20",
        "resume advised --set budget.device_hours=2e-20",
    ),
    "device-hours spent, the name taken": (f"{RUN} --set budget.device_hours=1e-20", RUN),
    "hours spent": (f"{RUN} --set budget.hours=1e-9", "resume advised"),
    "stalled": (f"{RUN} --set budget.evaluations=400 --set budget.stalled=10", "resume advised"),
    "slow": (
        f"{RUN} --set budget.evaluations=400 --set budget.gain_per_device_hour=100",
        "resume advised",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_advised_command_goes_on(gasearch, follow, url, way):
    first, second = WAYS[way]
    status, text = gasearch(first)
    assert status == (1 if way == "hours spent" else 0), text
    if way == "hours spent":
        assert "has no measured network yet" in text
    before = completed(url)
    status, text = gasearch(second)
    assert status != 0
    if way == "resumed with fewer":
        assert "such as --evaluations 10" in text
        status, text = gasearch("resume advised --evaluations 10")
    else:
        status, text = follow(advised(text, "resume"))
    assert status == 0, text
    assert completed(url) > before


def test_a_search_in_which_all_failed_is_gone_on_with(gasearch, follow, url, evaluator):
    evaluator(fails)
    status, text = gasearch(RUN)
    assert (status, completed(url)) == (1, 5)
    evaluator(quick)
    assert follow(advised(text, "resume"))[0] == 0
    assert completed(url) == 10


def test_a_paused_search_is_gone_on_with(gasearch, follow, url, evaluator):
    evaluator(fails)
    status, text = gasearch(f"{RUN} --set budget.evaluations=30")
    assert status == 5
    stored = gasearch("status advised")[1]  # the reason was written down by the run
    assert advised(stored, "resume") == advised(text, "resume")
    evaluator(quick)
    assert follow(advised(text, "resume"))[0] == 0
    assert completed(url) == 30


def test_an_interrupted_search_is_gone_on_with(gasearch, follow, url, evaluator):
    def interrupts(choices, budget, report):
        os.kill(os.getpid(), signal.SIGINT)
        return {"error": 1.0, "cost": 1.0}

    evaluator(interrupts)
    status, text = gasearch(RUN)
    assert status == 130
    evaluator(quick)
    assert follow(advised(text, "resume"))[0] == 0
    assert completed(url) == 5


def test_a_search_without_its_controller_is_gone_on_with(gasearch, follow, url):
    gasearch(RUN)
    with closing(open_archive(url, notice=print)) as archive:
        archive.claim("advised", owner=f"{current_owner()}0", ttl_s=600.0)  # a process that ended long ago
    text = gasearch("status advised")[1]
    assert "interrupted" in text
    assert follow(advised(text, "resume"))[0] == 0
    assert "finished" in gasearch("status advised")[1]


def test_a_search_that_runs_is_watched_and_stopped(gasearch, follow, url):
    gasearch(RUN)
    with closing(open_archive(url, notice=print)) as archive:
        lease = archive.claim("advised", owner=current_owner(), ttl_s=600.0)
        running, taken = gasearch("resume advised"), gasearch(RUN)
        assert (running[0], taken[0]) == (2, 2)
        status, asked = follow(advised(running[1], "stop"))
        assert status == 0
        assert "running" in follow(advised(asked, "status"))[1]
        archive.release(lease, state=archive.search("advised").state, reason="")
    status, text = follow(advised(taken[1], "status"))
    assert (status, "--watch" in advised(taken[1], "status"), "advised" in text) == (0, True, True)
    assert follow(advised(asked, "resume"))[0] == 0


@pytest.mark.parametrize("question", ["plot advised -o front.html", "best advised", "history advised"])
def test_a_question_too_early_leads_to_the_status(gasearch, follow, question):
    gasearch(f"{RUN} --set budget.hours=1e-9")
    text = gasearch(question)[1]
    status, text = follow(advised(text, "status"))
    assert (status, "0 of 5" in text) == (0, True)


def test_an_unknown_name_leads_to_the_list_and_an_empty_list_to_a_run(gasearch, follow, url, tmp_path):
    gasearch("db upgrade")
    status, text = gasearch("list")
    (tmp_path / "spec.json").rename(tmp_path / "search.yaml")
    assert follow(advised(text, "run"))[0] == 0
    status, text = gasearch("status other")
    assert status == 2
    status, text = follow(advised(text, "list"))
    assert (status, "advised" in text) == (0, True)


def test_what_a_finished_search_leads_to(gasearch, follow, tmp_path):
    text = gasearch(RUN)[1]
    assert follow(advised(text, "best"))[0] == 0
    assert follow(advised(text, "plot"))[0] == 0
    assert (tmp_path / "advised.html").exists()


@pytest.mark.parametrize("question", ["list", "db current"])
def test_an_older_database_leads_to_its_upgrade(gasearch, follow, url, question):
    make_old_store(url, "0004")
    text = gasearch(question)[1]
    assert follow(advised(text, "db upgrade"))[0] == 0
    assert gasearch("list")[0] == 0


def test_a_damaged_database_leads_to_its_check_and_a_damaged_backup_to_its_own(gasearch, follow, url, tmp_path):
    gasearch(RUN)
    gasearch("db backup 'my copy.db'")
    for file in (parse_url(url).database, tmp_path / "my copy.db"):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE searches SET reason = CAST(x'ff' AS TEXT)")
    for command in ("list", "db restore 'my copy.db'"):
        status, text = gasearch(command)
        assert status in (1, 4)
        assert ("my copy.db" in advised(text, "db check")) == ("restore" in command)
        status, text = follow(advised(text, "db check"))
        assert (status, "1 finding" in text) == (1, True)


def test_a_supervised_search_advises_as_its_supervisor_would(url, follow, tmp_path):
    spec = SPEC | {"task": {"evaluator": "tests.doubles.evaluators:raises"}}
    (tmp_path / "spec.json").write_text(json.dumps(spec | {"budget": {"evaluations": 30}}))
    command = [sys.executable, "-m", "gasearch", *RUN.split(), "--supervise", "--db", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 5
    status, text = follow(f"{advised(done.stderr, 'resume')} --set budget.evaluations=1")
    assert (status, "20 evaluations already" in text) == (2, True)


def test_from_python_the_advice_names_the_database_too(url, follow, monkeypatch):
    package.run(SPEC, db=url)
    with pytest.raises(WrongState) as finished:
        package.Search("advised", db=url).resume()
    assert follow(advised(str(finished.value), "resume"))[0] == 0
    assert completed(url) == 10
    monkeypatch.setenv("GASEARCH_DB", url)  # which the user's shell has as well
    with pytest.raises(WrongState, match="gasearch resume advised --evaluations 20"):
        package.Search("advised", db=url).resume()


def test_a_password_is_not_advised():
    with commands.advising("postgresql://me:hunter22@host/db?sslpassword=hunter33"):
        texts = [
            commands.completed("go on with: gasearch resume night"),
            str(commands.child_environment("")["GASEARCH_DB_OPTION"]),
        ]
    assert texts[0] == f"go on with: gasearch resume night{texts[1]}"
    assert "me:PASSWORD@host" in texts[0]
    assert "hunter" not in "".join(texts)


def test_what_names_its_database_or_is_no_command_stays_as_it_is():
    with commands.advising("sqlite:///other.db"):
        once = commands.completed("see: gasearch status night; `gasearch list` shows all; gasearch resume a.b-c")
        assert once.count(" --db sqlite:///other.db") == 3
        assert commands.completed(once) == once
        for text in (
            "an older gasearch is running",
            "gasearch check spec.yaml",
            "gasearch db restore",
            "gasearch listens",
        ):
            assert commands.completed(text) == text


def test_every_command_that_uses_a_database_is_completed():
    def using(group, prefix=""):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from using(command, f"{prefix}{name} ")
            elif any("--db" in option.opts for option in command.params):
                yield prefix + name

    found = set(using(typer.main.get_command(cli.app)))
    assert found - {"serve", "db restore"} == {*commands.OF_A_SEARCH, *commands.OF_A_DATABASE}
