"""Searches in which every evaluation fails, and evaluators that workers can't import: said at once, and mendable."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import gasearch
from gasearch import cli
from gasearch.errors import SearchFailed, SpecError, UnknownSearch, WorkersUnavailable, WrongState
from gasearch.jobs.start import go_on
from gasearch.search.progress import Silent
from gasearch.storage.records import SearchStatus

SPEC = {
    "name": "broken",
    "task": {"evaluator": "mended_later:evaluate"},
    "space": {"family": "custom", "decisions": {"x": {"choices": list(range(20))}}},
    "objectives": {"a": "min"},
    "evolution": {"population": 4},
    "budget": {"evaluations": 3},
    "workers": {"count": 0},
}
BROKEN = "def evaluate(choices, budget, report):\n    raise RuntimeError('no such file: weights.bin')\n"
MENDED = "def evaluate(choices, budget, report):\n    return {'a': 1.0 * choices['x']}\n"


@pytest.fixture
def url(migrated_sqlite_url, tmp_path, monkeypatch):
    (tmp_path / "mended_later.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what is written twice in a second would be taken for one
    yield migrated_sqlite_url
    sys.modules.pop("mended_later", None)


def mend(tmp_path):
    (tmp_path / "mended_later.py").write_text(MENDED)
    sys.modules.pop("mended_later", None)


def test_a_search_in_which_all_failed_has_failed_and_says_why(url):
    with pytest.raises(SearchFailed) as caught:
        gasearch.run(SPEC, db=url)
    text = str(caught.value)
    assert "broken failed: all 3 evaluations are done, and not one gave a measurement" in text
    assert "3 user_error, the newest one of " in text
    assert "RuntimeError: no such file: weights.bin" in text
    assert caught.value.exit_status == 1
    status = gasearch.open("broken", db=url).status()
    assert (status.state, status.told, status.failures) == (SearchStatus.FAILED, 3, {"user_error": 3})


def test_a_failed_search_goes_on_once_it_is_mended(url, tmp_path):
    with pytest.raises(SearchFailed, match=r"gasearch resume broken --db \S+, or the same ones under another name"):
        gasearch.run(SPEC, db=url)
    with pytest.raises(SearchFailed, match="all 6 evaluations are done"):
        gasearch.open("broken", db=url).resume()
    mend(tmp_path)
    status = gasearch.open("broken", db=url).resume().status()
    assert (status.state, status.told, status.failures) == (SearchStatus.FINISHED, 12, {"user_error": 6})
    with pytest.raises(WrongState, match="is finished"):
        gasearch.open("broken", db=url).resume()


def test_one_measurement_makes_it_a_finished_one(url, tmp_path):
    (tmp_path / "mended_later.py").write_text(
        "import itertools\ncalls = itertools.count()\n"
        "def evaluate(choices, budget, report):\n    return {'a': 1.0} if next(calls) == 1 else {}\n"
    )
    assert gasearch.run(SPEC, db=url).status().state is SearchStatus.FINISHED


def test_the_command_line_fails_names_the_causes_and_shows_the_state(url, tmp_path, capsys):
    spec = SPEC | {"space": {"family": "custom", "decisions": {"x": {"choices": [1, 2]}}}}
    (tmp_path / "broken.json").write_text(json.dumps(spec))
    assert cli.call(["run", str(tmp_path / "broken.json"), "--db", url]) == 1
    err = capsys.readouterr().err
    assert "no such file: weights.bin" in err
    assert "mend the cause, then run it under another name, with --set name=OTHER" in err
    assert cli.call(["status", "broken", "--db", url]) == 0
    assert "failed: 2 networks are evaluated" in capsys.readouterr().out
    assert cli.call(["list", "--db", url]) == 0
    assert "failed" in capsys.readouterr().out
    mend(tmp_path)
    assert cli.call(["run", str(tmp_path / "broken.json"), "--set", "name=other", "--db", url]) == 0


# --- the module of the program itself -------------------------------------------------------------------------------

MAIN = """\
import gasearch, json, sys
def evaluate(choices, budget, report):
    return {"a": 1.0 * choices["x"]}
spec, url, workers = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
try:
    print(gasearch.run(spec, db=url, workers=workers).status().state)
except gasearch.errors.GasearchError as error:
    print(type(error).__name__, error)
"""


def run_program(tmp_path, url, evaluator, workers, name="program.py"):
    (tmp_path / name).write_text(f"import gasearch.errors\n{MAIN}")
    spec = SPEC | {"task": {"evaluator": evaluator}}
    command = [sys.executable, str(tmp_path / name), json.dumps(spec), url, str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_an_evaluator_of_the_program_itself_is_refused_for_workers_at_once(url, tmp_path):
    text = run_program(tmp_path, url, "__main__:evaluate", 1)
    assert "SpecError" in text
    assert "'__main__:evaluate' is another module in a worker: put it into a module of its own" in text
    with pytest.raises(UnknownSearch):
        gasearch.open("broken", db=url)


def test_it_works_within_the_program_and_a_resume_elsewhere_says_what_to_do(url, tmp_path):
    assert "finished" in run_program(tmp_path, url, "__main__:evaluate", 0)
    with pytest.raises(SpecError, match="has no function 'evaluate'; put it into a module of its own"):
        go_on("broken", db_url=url, observer=Silent(), evaluations=6)


def test_a_program_that_is_imported_as_its_own_evaluator_is_told_to_guard_what_it_runs(url, tmp_path):
    text = run_program(tmp_path, url, "program:evaluate", 0)
    assert "the module 'program' starts a search while it is imported" in text
    assert 'put what it runs under if __name__ == "__main__":' in text


# --- what workers can import ----------------------------------------------------------------------------------------

NEEDY = "import os\nsecret = os.environ['NEEDED_BY_EVALUATOR']\n" + MENDED


@pytest.mark.filterwarnings("ignore")  # Ray's own on start-up
def test_workers_find_what_the_controller_finds_and_what_they_can_t_import_is_told_before_any_evaluation(
    url, tmp_path, monkeypatch
):
    monkeypatch.setenv("NEEDED_BY_EVALUATOR", "1")
    (tmp_path / "mended_later.py").write_text(NEEDY)
    with pytest.raises(WorkersUnavailable, match=r"task\.evaluator: a worker can't use it: .*KeyError.*NEEDED_BY"):
        gasearch.run(SPEC, db=url, workers=1)
    with pytest.raises(UnknownSearch):
        gasearch.open("broken", db=url)
    spec = SPEC | {"workers": {"count": 1, "environment": ["NEEDED_BY_EVALUATOR"]}}
    status = gasearch.run(spec, db=url).status()
    assert (status.state, status.told, status.failures) == (SearchStatus.FINISHED, 3, {})
