"""What a resume takes over, what it refuses, and what it says of a world that has changed."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import closing

import pytest
from gasearch_workers.evaluation import deployed

from gasearch.errors import SpecError, WrongState
from gasearch.jobs import resume as resuming
from gasearch.jobs.resume import require_unfinished
from gasearch.jobs.start import go_on, launch
from gasearch.search.budget import STALLED
from gasearch.search.progress import Silent
from gasearch.spec.changes import changed, changes
from gasearch.spec.evaluator_source import changed_files, evaluator_source
from gasearch.spec.loader import load_spec
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_reader
from tests.doubles.archived import search_record

SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:quick"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(8))} for name in "abc"}},
    "objectives": {"error": "min", "cost": "min"},
    "evolution": {"population": 4, "surrogate": False},
    "budget": {"evaluations": 8},
    "workers": {"count": 0},
}


class Listening(Silent):
    def __init__(self):
        self.notices = []

    def on_notice(self, message):
        self.notices.append(message)


@pytest.fixture
def url(migrated_sqlite_url):
    return migrated_sqlite_url


@pytest.fixture
def finished(url):
    launch(load_spec(SPEC), db_url=url, observer=Silent())
    return url


def resume(url, *overrides, **options):
    """The notices of a resume."""
    observer = Listening()
    go_on("small", db_url=url, observer=observer, overrides=overrides, **options)
    return observer.notices


def stored(url):
    with closing(open_reader(url)) as reader:
        record = reader.search("small")
        return json.loads(record.spec_json), reader.events(record.id), reader.counts(record.id)


def kinds(url):
    return [event.kind for event in stored(url)[1]]


# --- the spec --------------------------------------------------------------------------------------------------------


def test_changes_name_each_key_with_both_values():
    before = load_spec(SPEC)
    after = load_spec(SPEC, ["seed=6", "space.decisions.b.choices=[1, 2]", "budget.stalled=50", "workers.cpus=2"])
    assert list(map(str, changes(before, after))) == [
        "seed: 5 -> 6",
        "space.decisions.b.choices: [0, 1, 2, 3, 4, 5, 6, 7] -> [1, 2]",
        "budget.stalled: null -> 50",
        "workers.cpus: 1.0 -> 2.0",
    ]
    assert changes(before, load_spec(SPEC)) == []


def test_a_key_that_one_spec_lacks_is_named_as_missing():
    after = load_spec(SPEC, ["space.decisions={a: {choices: [0, 1]}, z: {choices: [0, 1]}}"])
    texts = list(map(str, changes(load_spec(SPEC), after)))
    assert "space.decisions.b.choices: [0, 1, 2, 3, 4, 5, 6, 7] -> (none)" in texts
    assert "space.decisions.z.choices: (none) -> [0, 1]" in texts


@pytest.mark.parametrize("given", [{}, {"source": SPEC}, {"source": SPEC | {"name": "other"}}])
def test_a_stored_spec_without_changes_and_the_one_it_came_from_are_the_same(given):
    spec = load_spec(SPEC)
    again = changed(spec, given.get("source"), ())
    assert again == spec


def test_a_budget_and_workers_may_change_and_the_budget_stays(finished):
    overrides = ["budget.evaluations=12", "budget.stalled=500", "budget.device_hours=3", "workers.time_limit_s=60"]
    assert resume(finished, *overrides) == []
    spec, events, counts = stored(finished)
    assert counts.completed == 12
    assert spec["budget"] == {
        "evaluations": 12, "hours": None, "device_hours": 3.0, "stalled": 500, "gain_per_device_hour": None
    }  # fmt: skip
    assert spec["workers"] == stored(finished)[0]["workers"]
    assert spec["workers"]["time_limit_s"] is None  # the workers of one run
    by_kind = {event.kind: event.message for event in events}
    assert json.loads(by_kind["extended"]) == spec["budget"]
    assert by_kind["changed"] == "workers.time_limit_s: null -> 60.0"


def test_a_spec_that_is_given_again_gives_its_budget(finished, tmp_path):
    path = tmp_path / "other-name.yaml"
    path.write_text(json.dumps({key: value for key, value in SPEC.items() if key != "name"}))
    resume(finished, "budget.evaluations=10", source=path)
    assert stored(finished)[2].completed == 10


def test_any_other_change_is_refused_with_the_difference_and_nothing_is_written(finished):
    before = stored(finished)
    with pytest.raises(WrongState) as caught:
        resume(finished, "seed=6", "evolution.population=8", "budget.evaluations=20")
    assert str(caught.value) == (
        "search 'small' goes on with the spec that it began with, save budget.* and workers.*; these keys differ:\n"
        "  seed: 5 -> 6\n"
        "  evolution.population: 4 -> 8\n"
        "leave them as they were, or begin a new search: its start.searches: [small] begins with this one's front"
    )
    assert caught.value.exit_status == 2
    assert stored(finished) == before


def test_another_name_is_refused(finished):
    with pytest.raises(WrongState, match='name: "small" -> "other"'):
        resume(finished, "name=other", "budget.evaluations=20")


def test_a_change_that_changes_nothing_is_none(finished):
    resume(finished, "evolution.algorithm=nsga2", "budget.evaluations=10")  # what auto stands for
    assert stored(finished)[2].completed == 10


def test_a_key_that_no_spec_has_is_refused_as_anywhere(finished):
    with pytest.raises(SpecError, match=r"budget\.evaluation"):
        resume(finished, "budget.evaluation=9")


def test_running_a_name_again_shows_how_the_specs_differ(finished):
    with pytest.raises(WrongState, match="there is a search named 'small' already") as same:
        launch(load_spec(SPEC), db_url=finished, observer=Silent())
    assert "differs" not in str(same.value)
    assert "go on with `gasearch resume small --evaluations 16`" in str(same.value)
    with pytest.raises(WrongState, match=r"`gasearch resume small --set budget\.evaluations=16`, or give"):
        launch(load_spec(SPEC, ["budget.evaluations=16"]), db_url=finished, observer=Silent())
    with pytest.raises(WrongState, match=r"its spec differs from this one:\n  seed: 5 -> 9$"):
        launch(load_spec(SPEC, ["seed=9"]), db_url=finished, observer=Silent())


# --- its end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "reason", "busy_s", "advice"),
    [
        ({"evaluations": 9}, "all 9 evaluations are done", 0, "--evaluations 18"),
        ({"device_hours": 0.5}, "the budget of 0.5 device-hours is spent", 1800, "--set budget.device_hours=1"),
        ({"stalled": 40}, f"{STALLED} by 0.1% over 40 evaluations", 0, "--set budget.stalled=80"),
        (
            {"gain_per_device_hour": 0.05},
            "the hypervolume is expected to grow by 0.10% per device-hour, less than the 5.00% asked for",
            0,
            "--set budget.gain_per_device_hour=null",
        ),
    ],
)
def test_a_finished_search_says_which_part_of_its_budget_must_grow(budget, reason, busy_s, advice):
    spec = load_spec(SPEC | {"budget": {"evaluations": 100} | budget})
    record = search_record(name="small", spec_json=spec.to_json(), state=SearchStatus.FINISHED, reason=reason)
    message = f"is finished: .*; extend it with: gasearch resume small {advice}(, or begin|$)"
    with pytest.raises(WrongState, match=message):
        require_unfinished(record, spec, completed=9, busy_s=busy_s)


def test_a_search_that_has_stalled_is_not_extended_by_evaluations_alone(url):
    spec = load_spec(SPEC | {"budget": {"evaluations": 400, "stalled": 10}})
    launch(spec, db_url=url, observer=Silent())
    completed = stored(url)[2].completed
    assert completed < 400
    with pytest.raises(
        WrongState, match=rf"extend it with: gasearch resume small --set budget\.stalled={2 * completed}"
    ):
        resume(url, evaluations=500)
    resume(url, "budget.stalled=null", evaluations=completed + 5)
    assert stored(url)[2].completed == completed + 5


# --- the world around it ---------------------------------------------------------------------------------------------


def test_a_search_keeps_the_versions_that_it_began_with_and_a_resume_with_others_says_so(finished, monkeypatch):
    assert kinds(finished) == ["versions"]
    began = resuming.current_versions()
    assert {"gasearch", "python", "numpy", "torch"} <= set(began)
    now = began | {"gasearch": "9.9", "torch": "3.0.0"}
    monkeypatch.setattr(resuming, "current_versions", lambda toolchain: now)
    message = (
        f"small began with gasearch {began['gasearch']}, torch {began['torch']} and goes on with gasearch 9.9, torch "
        "3.0.0: what it finds may differ"
    )
    assert resume(finished, evaluations=9) == [message]
    assert kinds(finished) == ["versions", "extended", "other versions"]
    assert stored(finished)[1][-1].message == message


def test_a_search_keeps_the_cross_compiler_that_it_began_with_and_goes_on_with_no_other(url, monkeypatch):
    here = {"arm-none-eabi-gcc": "12.2.1", "zig": "0.17.1"}

    def compiled_by(wanted, compiler=""):
        return next((f"{name} {text}" for name, text in here.items() if compiler in ("", name)), "")

    def why_not_here(wanted, compiler=""):
        return {} if compiled_by(wanted, compiler) else {"flash_bytes": f"it needs {compiler}"}

    monkeypatch.setattr(deployed, "compiled_by", compiled_by)
    monkeypatch.setattr(deployed, "why_not_here", why_not_here)
    monkeypatch.setattr("gasearch_workers.evaluation.evaluate.deployed_metrics", lambda *_: {"flash_bytes": 900.0})
    gcc = here.pop("arm-none-eabi-gcc")
    spec = {
        "name": "small",
        "task": {"dataset": "digits"},
        "space": {"family": "mlp", "layers": [1, 1], "width": [4, 8], "weight_bits": [4, 8], "activation_bits": 8},
        "objectives": {"accuracy": "max", "flash_bytes": "min"},
        "recipe": {"epochs": 1},
        "budget": {"evaluations": 2},
        "workers": {"count": 0},
    }
    launch(load_spec(spec), db_url=url, observer=Silent())
    here["zig"], here["arm-none-eabi-gcc"] = "0.18.0", gcc
    assert any("zig 0.17.1 and goes on with zig 0.18.0" in notice for notice in resume(url, evaluations=3))
    here.pop("zig")
    with pytest.raises(SpecError, match=r"it needs zig\nthe search began with zig; sizes by another compiler don't"):
        resume(url, evaluations=4)


def test_the_versions_of_a_search_of_before_are_those_of_its_first_outcome(url, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("gasearch.jobs.setup.__version__", "0.1.0")
        before.setattr(resuming.World, "note_versions", lambda _, toolchain: None)
        launch(load_spec(SPEC), db_url=url, observer=Silent())
    began = resuming.current_versions()
    monkeypatch.setattr(resuming, "current_versions", lambda toolchain: began | {"python": "3.99.1"})
    [notice] = resume(url, evaluations=9)
    assert notice.startswith(f"small began with gasearch 0.1.0, python {began['python']} and goes on with gasearch ")
    [event] = [event for event in stored(url)[1] if event.kind == "versions"]
    assert json.loads(event.message)["gasearch"] == "0.1.0"


def test_an_evaluator_that_is_gone_is_named_and_the_search_stays_as_it_was(url, tmp_path, monkeypatch):
    (tmp_path / "my_evaluator.py").write_text("from tests.doubles.evaluators import quick\n")
    monkeypatch.syspath_prepend(tmp_path)
    launch(load_spec(SPEC, ["task.evaluator=my_evaluator:quick"]), db_url=url, observer=Silent())
    before = stored(url)
    (tmp_path / "my_evaluator.py").unlink()
    sys.modules.pop("my_evaluator")
    with pytest.raises(SpecError, match=r"'my_evaluator:quick' can't be imported .*put its folder on PYTHONPATH"):
        resume(url, evaluations=9)
    assert stored(url) == before


TRAINED = {
    "name": "small",
    "space": {"family": "mlp", "layers": [1, 2], "width": [4, 8]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    "recipe": {"epochs": 1, "batch_size": 128},
    "evolution": {"population": 4, "surrogate": False, "replicates": 0},
    "budget": {"evaluations": 4},
    "workers": {"count": 0},
}


def test_data_that_are_gone_are_named_and_found_again_elsewhere(url, tmp_path):
    rows = "\n".join(f"{n % 7},{n % 5},{n % 3},{'ab'[n % 2]}" for n in range(60))
    data = tmp_path / "table.csv"
    data.write_text(f"x,y,z,label\n{rows}\n")
    launch(load_spec(TRAINED | {"task": {"dataset": str(data), "target": "label"}}), db_url=url, observer=Silent())
    before = stored(url)
    (tmp_path / "moved").mkdir()
    shutil.move(data, tmp_path / "moved" / "table.csv")
    with pytest.raises(SpecError, match=r"task\.dataset: .*table\.csv"):
        resume(url, evaluations=5)
    assert stored(url) == before
    resume(url, f"task.dataset={tmp_path}/moved/table.csv", evaluations=5)
    assert stored(url)[2].completed == 5
    assert stored(url)[0]["task"]["dataset"] == f"{tmp_path}/moved/table.csv"
    (tmp_path / "moved" / "table.csv").write_text(f"x,y,z,label\n{rows}\n1,2,3,a\n")
    with pytest.raises(WrongState, match="began with data of fingerprint"):
        resume(url, evaluations=6)


def test_inherited_weights_that_are_gone_are_noticed(url, tmp_path, monkeypatch):
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))
    inheriting = TRAINED["recipe"] | {"inherit": True}
    launch(load_spec(TRAINED | {"task": {"dataset": "digits"}, "recipe": inheriting}), db_url=url, observer=Silent())
    assert resume(url, evaluations=5) == []
    shutil.rmtree(tmp_path / "cache" / "weights")
    [notice] = resume(url, evaluations=6)
    assert "with the weights that small has trained is missing: networks whose parents it held begin from" in notice
    assert stored(url)[1][-1].kind == "lost weights"


# --- the evaluator ----------------------------------------------------------------------------------------------


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    """An evaluator in a folder, with a module that it imports within a function, and one that it doesn't."""
    folder = tmp_path / "code"
    (folder / "cells").mkdir(parents=True)
    (folder / "cells/__init__.py").write_text("")
    (folder / "cells/train.py").write_text(
        "def evaluate(choices, budget, report):\n"
        "    from .costs import cost\n"
        "    return {'error': 1 / (1 + choices['a']), 'cost': cost(choices)}\n"
    )
    (folder / "cells/costs.py").write_text("import json\n\ndef cost(choices):\n    return sum(choices.values())\n")
    (folder / "cells/notes.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    yield folder / "cells"
    for name in [name for name in sys.modules if name.partition(".")[0] == "cells"]:
        del sys.modules[name]


@pytest.mark.parametrize(("file", "is_said"), [("train", True), ("costs", True), ("__init__", True), ("notes", False)])
def test_a_resume_says_which_files_of_the_evaluator_have_changed(url, evaluator, file, is_said):
    launch(load_spec(SPEC | {"task": {"evaluator": "cells.train:evaluate"}}), db_url=url, observer=Silent())
    assert [text for text in resume(url, evaluations=10) if "evaluator" in text] == []
    (evaluator / f"{file}.py").write_text("# another version\n" + (evaluator / f"{file}.py").read_text())
    completed = [text for text in resume(url, evaluations=12) if "evaluator" in text]
    begin = f"the evaluator of small has changed since the search began (cells/{file}.py): what it finds from here on"
    assert [text.startswith(begin) for text in completed] == [True] * is_said
    with closing(open_reader(url)) as reader:
        events = [
            event.message for event in reader.events(reader.search("small").id) if event.kind == "other evaluator"
        ]
    assert events == completed


def test_an_evaluator_without_a_source_has_nothing_to_compare():
    assert evaluator_source("math:sqrt") == ""
    assert evaluator_source("no.such:module") == ""
    assert changed_files("", evaluator_source("json:dumps")) == []


def test_of_an_installed_evaluator_its_own_package_counts():
    assert {file.partition("/")[0] for file in json.loads(evaluator_source("json.decoder:scanstring"))} == {"json"}
