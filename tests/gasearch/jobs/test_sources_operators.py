"""Operators of the user's own, by a spec and from Python: found, tried, and the same after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import gasearch
from gasearch.errors import SpecError, WrongState
from gasearch.jobs.sources import find_configure, named
from gasearch.jobs.spec_check import report
from gasearch.jobs.start import go_on, launch
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from gasearch.storage.sql import open_reader

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(8))} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 4, "surrogate": False, "toolbox": "mine:configure"},
    "budget": {"evaluations": 12},
    "workers": {"count": 0},
}
NUDGE = """
import random

def configure(toolbox, space):
    def nudge(individual):
        place = random.randrange(len(individual))
        individual[place] = (individual[place] + 1) % space.sizes[place]
        return (individual,)

    toolbox.register("mutate", nudge)
    toolbox.cxpb = 0.2
"""


def configure(toolbox, space):
    """For `gasearch.run`."""
    del space

    def rotate(individual):
        individual[:] = [*individual[1:], individual[0]]
        return (individual,)

    toolbox.register("mutate", rotate)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The file of the module `mine`, which can be imported."""
    file = tmp_path / "modules/mine.py"
    file.parent.mkdir()
    file.write_text(NUDGE)
    monkeypatch.syspath_prepend(file.parent)
    yield file
    sys.modules.pop("mine", None)


class Listening(Silent):
    def __init__(self):
        self.notices = []

    def on_notice(self, message):
        self.notices.append(message)


def candidates(url, name="small"):
    with closing(open_reader(url)) as reader:
        return list(reader.candidates(reader.search(name).id))


def test_a_spec_names_what_configures_the_toolbox(migrated_sqlite_url, mine):
    assert mine.exists()
    launch(load_spec(SPEC), db_url=migrated_sqlite_url, observer=Silent())
    assert any("nudge" in candidate.operator for candidate in candidates(migrated_sqlite_url))


def test_check_names_it_and_finds_what_cannot_work(mine):
    assert "operators by mine:configure" in report(load_spec(SPEC))
    mine.write_text(NUDGE.replace("% space.sizes[place]", "+ 90"))
    sys.modules.pop("mine")
    with pytest.raises(SpecError, match=r"evolution\.toolbox: mine:configure: .*'mutate' \(nudge\) made a gene out of"):
        report(load_spec(SPEC))


@pytest.mark.parametrize(
    ("toolbox", "message"),
    [
        ("nowhere:configure", r"'nowhere:configure' can't be imported .*put its folder on PYTHONPATH"),
        ("mine:missing", "the module 'mine' has no function 'missing'"),
        ("mine:random", "the module 'mine' has no function 'random'"),
        ("mine:fails", "mine:fails raised RuntimeError: not today"),
        ("mine:forgets", "mine:forgets: the toolbox has no operator mate"),
        ("mine:remembers", "mine:remembers: selNSGA3WithMemory remembers"),
        ("mine:misses", r"'mate' \(cxUniform\) raised TypeError"),
        (
            "__main__:configure",
            "is another module in the program that resumes the search: put it into a module of its own",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_work(migrated_sqlite_url, mine, toolbox, message):
    mine.write_text(
        NUDGE
        + "from deap import tools\n"
        + "def fails(toolbox, space):\n    raise RuntimeError('not today')\n"
        + "def forgets(toolbox, space):\n    toolbox.unregister('mate')\n"
        + "def remembers(toolbox, space):\n"
        + "    points = tools.uniform_reference_points(2)\n"
        + "    toolbox.register('select', tools.selNSGA3WithMemory(points))\n"
        + "def misses(toolbox, space):\n    toolbox.register('mate', tools.cxUniform)\n"
    )
    count = 1 if toolbox.startswith("__main__") else 0
    spec = load_spec(SPEC, [f"evolution.toolbox={toolbox}", f"workers.count={count}"])
    with pytest.raises(SpecError, match=message):
        launch(spec, db_url=migrated_sqlite_url, observer=Silent())
    with closing(open_reader(migrated_sqlite_url)) as reader:
        assert list(reader.searches()) == []


def test_algorithms_that_propose_by_themselves_take_no_operators():
    with pytest.raises(SpecError, match=r"evolution\.toolbox: optuna:tpe proposes by itself and takes no operators"):
        load_spec(SPEC, ["evolution.algorithm=optuna:tpe"])


def test_what_is_no_name_of_a_function_is_refused():
    with pytest.raises(SpecError, match=r'evolution\.toolbox: must be "package\.module:function"; got .mine'):
        load_spec(SPEC, ["evolution.toolbox=mine"])


def test_a_spec_without_it_is_the_one_that_it_was():
    plain = SPEC | {"evolution": {"population": 4, "surrogate": False}}
    assert load_spec(plain).identity_hash() != load_spec(SPEC).identity_hash()
    assert load_spec(plain).evolution.toolbox is None


def test_from_python_a_function_is_given(tmp_path):
    spec = SPEC | {"evolution": {"population": 4, "surrogate": False}}
    search = gasearch.run(spec, db=tmp_path / "runs.db", toolbox=configure)
    assert any("rotate" in evaluated.operator for evaluated in search.evaluations())
    assert len(search.resume(evaluations=16).evaluations()) == 16


def test_a_function_that_a_resume_could_not_find_is_refused(tmp_path):
    def inner(toolbox, space):
        pass

    for function in (inner, lambda toolbox, space: None):
        with pytest.raises(
            SpecError, match=r"has no name by which a resume could find it: put it into a module of its"
        ):
            gasearch.run(SPEC, db=tmp_path / "runs.db", toolbox=function)
    assert find_configure(named(configure)) is configure


def test_a_resume_says_that_the_operators_have_changed_and_goes_on(migrated_sqlite_url, mine):
    launch(load_spec(SPEC), db_url=migrated_sqlite_url, observer=Silent())
    for text, said in (("", []), ("# another version\n", ["mine.py"])):
        mine.write_text(text + NUDGE)
        listening = Listening()
        go_on(
            "small",
            db_url=migrated_sqlite_url,
            observer=listening,
            evaluations=len(candidates(migrated_sqlite_url)) + 2,
        )
        told = [notice for notice in listening.notices if "toolbox" in notice]
        assert [
            notice.startswith(f"the toolbox of small has changed since the search began ({file})")
            for notice, file in zip(told, said, strict=True)
        ] == [True] * len(said)
    with pytest.raises(WrongState, match=r"evolution\.toolbox: "):
        go_on("small", db_url=migrated_sqlite_url, observer=Silent(), overrides=["evolution.toolbox=null"])


@pytest.mark.parametrize("mode", ["steady-state", "generational"])
def test_a_search_by_own_operators_that_is_killed_goes_on_as_if_it_never_had_been(tmp_path, mode):
    (tmp_path / "killing.py").write_text(
        "import os, signal\n"
        "from lookup_table import evaluate as measure\n"
        "count = 0\n"
        "def evaluate(choices, budget, report):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == int(os.environ.get('KILLED_AT', '0')):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return measure(choices, budget, report)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(EXAMPLES)])
    overrides = [f"evolution.mode={mode}", "task.evaluator=killing:evaluate", "evolution.population=12"]
    options = [word for override in overrides for word in ("--set", override)]

    def call(db, *words, killed_at=0):
        environment = os.environ | {"PYTHONPATH": paths, "KILLED_AT": str(killed_at), "GASEARCH_DB": f"sqlite:///{db}"}
        command = [sys.executable, "-m", "gasearch", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    start = ["run", str(EXAMPLES / "own-operators.yaml"), *options, "--set", "budget.evaluations=60"]
    whole = call("whole.db", *start)
    assert whole.returncode == 0, whole.stderr
    assert call("cut.db", *start, killed_at=41).returncode == -9
    resumed = call("cut.db", "resume", "own-operators")
    assert resumed.returncode == 0, resumed.stderr
    both = [candidates(f"sqlite:///{tmp_path}/{name}.db", "own-operators") for name in ("whole", "cut")]
    assert both[0] == both[1]
    assert len(both[0]) == 60
    assert any("move_bits" in candidate.operator for candidate in both[0])
    assert any("cxUniform" in candidate.operator for candidate in both[0])
