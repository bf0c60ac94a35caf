"""What a refusal advises works: each command that a message names is run as it stands there, and goes on."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import closing

import pytest

from gasearch import cli
from gasearch.storage.sql import open_reader

SPEC = {
    "name": "advised",
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(9))} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 4, "surrogate": False},
    "budget": {"evaluations": 5},
    "workers": {"count": 0},
}
COMMAND = re.compile(r"gasearch (resume [^`;,\n]*?)(?:`|;|,|$)", re.MULTILINE)


@pytest.fixture
def gasearch(migrated_sqlite_url, tmp_path, monkeypatch, capsys):
    """Runs a command; gives its status and what it says. A file SPEC holds the spec."""
    monkeypatch.setenv("GASEARCH_DB", migrated_sqlite_url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))

    def run(command):
        status = cli.call(shlex.split(command))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def told(url):
    with closing(open_reader(url)) as reader:
        return reader.counts(reader.search("advised").id).told


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
def test_the_advised_command_goes_on(gasearch, migrated_sqlite_url, way):
    first, second = WAYS[way]
    assert gasearch(first)[0] == (1 if way == "hours spent" else 0)  # then nothing was measured
    before = told(migrated_sqlite_url)
    status, text = gasearch(second)
    assert status != 0
    if way == "resumed with fewer":
        assert "such as --evaluations 10" in text
        advised = "resume advised --evaluations 10"
    else:
        [advised] = COMMAND.findall(text)
    status, text = gasearch(advised)
    assert status == 0, f"{advised}: {text}"
    assert told(migrated_sqlite_url) > before
