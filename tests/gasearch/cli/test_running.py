"""The commands that start and finish work: what they pass on, and what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gasearch import run
from gasearch.errors import Interrupted, LeaseLost, WorkersUnavailable
from gasearch.storage.records import SearchStatus
from tests.doubles.archived import fill_database, search_record
from tests.doubles.custom_search import CUSTOM_SPEC

SPEC = """\
name: digits
task: {evaluator: "tests.doubles.evaluators:measure"}
space: {family: custom, decisions: {width: {choices: [1, 2, 3, 4]}}}
objectives: {accuracy: max, model_bytes: min}
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


@pytest.fixture
def calls(monkeypatch, folder):
    """Replaces what `api` does by a record of the call; the search is there afterwards."""
    made = []

    def drive(*arguments, db_url, observer, **options):
        made.append((arguments, options))
        fill_database(db_url)
        print("a library's chatter")
        observer.on_notice("a worker was lost")
        return search_record(reason="budget spent", is_owned=False)

    monkeypatch.setattr("gasearch.jobs.start.launch", drive)
    monkeypatch.setattr("gasearch.jobs.start.go_on", drive)
    return made


def test_init_writes_a_spec_that_loads_and_never_overwrites_one(gasearch, folder):
    from gasearch.spec.loader import load_spec

    status, out, _ = gasearch("init", "--family", "mlp", "-o", "new.yaml")
    assert (status, out) == (0, "wrote new.yaml; next: gasearch check new.yaml\n")
    assert load_spec(folder / "new.yaml").space.family == "mlp"
    status, out, err = gasearch("init", "-o", "new.yaml")
    assert (status, out) == (2, "")
    assert "new.yaml exists already" in err
    status, out, _ = gasearch("init", "--family", "mlp")
    assert out == Path("new.yaml").read_text()


def test_check_reports_what_a_spec_spans_and_refuses_what_can_t_be_used(gasearch):
    status, out, err = gasearch("check", "search.yaml")
    assert (status, err) == (0, "")
    assert "4 evaluations" in out
    status, out, err = gasearch("check", "search.yaml", "--set", "budget.evaluation=5")
    assert (status, out) == (2, "")
    assert "evaluations" in err
    assert gasearch("check", "missing.yaml")[0] == 2


def test_run_passes_overrides_and_workers_on_and_ends_with_the_front_and_what_is_next(gasearch, calls):
    status, out, err = gasearch("run", "search.yaml", "--set", "budget.evaluations=3", "--workers", "0")
    [((spec,), options)] = calls
    assert (spec.name, spec.budget.evaluations, options) == ("digits", 3, {"workers": 0})
    assert status == 0
    assert "00020002    0.9700" in out
    for command in ("best digits --knee", "plot digits -o digits.html", "export digits 00010001 -o digits-model"):
        assert f"gasearch {command}\n" in out
    assert "a worker was lost\n" in err
    assert "digits: budget spent" in err


def test_the_commands_that_follow_name_the_database_if_it_was_named(gasearch, calls, folder):
    _, out, _ = gasearch("run", "search.yaml", "--db", f"sqlite:///{folder}/other.db")
    assert f"gasearch best digits --db sqlite:///{folder}/other.db --knee" in out


def test_a_password_is_not_repeated():
    from gasearch.jobs.commands import option

    assert option("postgresql://me:se@cret@host/db") == " --db postgresql://me:PASSWORD@host/db"
    assert option("sqlite:///my searches.db") == " --db 'sqlite:///my searches.db'"


def test_a_search_runs_is_asked_and_is_extended_by_commands_alone(gasearch):
    Path("search.yaml").write_text(
        SPEC.replace(":measure", ":truth").replace("accuracy: max, model_bytes", "error: min, cost")
    )
    status, out, err = gasearch("run", "search.yaml", "--set", "budget.evaluations=3")
    assert status == 0
    assert "gasearch plot digits" in out
    assert "gasearch export" not in out  # nothing of a custom evaluator is ours to export
    assert "digits: 3/3 evaluations" in err
    summary = json.loads(gasearch("status", "digits", "--format", "json")[1])
    assert (summary["state"], summary["told"], summary["is_active"]) == ("finished", 3, False)
    status, _, err = gasearch("run", "search.yaml")
    assert (status, "already" in err) == (2, True)
    assert gasearch("resume", "digits", "--evaluations", "4")[0] == 0
    assert json.loads(gasearch("status", "digits", "--format", "json")[1])["told"] == 4
    [best] = json.loads(gasearch("best", "digits", "--by", "cost", "--format", "json")[1])
    assert best["blueprint"] == {"choices": {"width": 1}}


def test_of_a_noisy_search_every_command_tells_the_same(gasearch, folder):
    spec = SPEC.replace("evaluators:measure", "evaluators:quick").replace(
        "accuracy: max, model_bytes: min", "error: min, cost: min"
    )
    spec = spec.replace("[1, 2, 3, 4]", str([*range(30)])).replace("evaluations: 4", "evaluations: 40")
    (folder / "noisy.yaml").write_text(spec.replace("{population: 4}", "{population: 8, replicates: 0.5}"))
    assert gasearch("run", "noisy.yaml")[0] == 0

    def rows(*command):
        return json.loads(gasearch(*command, "--format", "json")[1])

    front = rows("front", "digits")
    assert any(row.get("error_spread") for row in front)
    assert rows("front", "digits", "--where", "cost >= -1") == rows("best", "digits", "--count", "99") == front
    assert {row["key"] for row in rows("best", "digits", "--knee", "--count", "99")} == {row["key"] for row in front}
    summary, history = rows("status", "digits"), rows("history", "digits")
    assert summary["best"]["error"] == min(row["error"] for row in front)
    assert history[-1]["best_error"] == summary["best"]["error"]
    assert history[-1]["hypervolume"] == summary["hypervolume"]
    assert any(row["hypervolume_lost"] for row in history)
    _, _, err = gasearch("history", "digits")
    assert re.search(r"evaluation \d+, a further training of [0-9a-f]+, lowered the hypervolume by 0\.\d+", err)
    assert gasearch("db", "check")[0] == 0


def test_resume_passes_the_new_budget_on(gasearch, calls):
    status, _, _ = gasearch("resume", "digits", "--evaluations", "80", "--hours", "0.5", "--workers", "2")
    assert status == 0
    unchanged = {"source": None, "overrides": ()}
    assert calls == [(("digits",), {"evaluations": 80, "hours": 0.5, "workers": 2, **unchanged})]


def test_resume_passes_a_spec_and_overrides_on(gasearch, calls):
    overrides = ["budget.device_hours=3", "workers.count=4"]
    status, _, _ = gasearch("resume", "digits", "--spec", "search.yaml", "--set", overrides[0], "--set", overrides[1])
    assert status == 0
    [(_, options)] = calls
    assert (options["source"], options["overrides"]) == (Path("search.yaml"), overrides)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Interrupted("digits stopped; go on with: gasearch resume digits"), 130),
        (LeaseLost("another controller owns it"), 3),
        (WorkersUnavailable("Ray did not start"), 1),
    ],
)
def test_how_a_run_ends_early_is_its_exit_status(gasearch, monkeypatch, error, status):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("gasearch.jobs.start.launch", fail)
    assert gasearch("run", "search.yaml") == (status, "", f"gasearch: {error}\n")


def test_export_prints_the_folder(gasearch, monkeypatch):
    def export(name, key, directory, *, db_url, observer, is_tuned, formats, is_symmetric):
        assert (formats, is_symmetric) == (["c", "h"], False)
        print("chatter")
        observer.on_notice("training 0002 again")
        return directory

    monkeypatch.setattr("gasearch.deploy.networks.export_network", export)
    assert gasearch("export", "digits", "0002", "-o", "out", "--formats", "c, h") == (
        0,
        "out\n",
        "chatter\ntraining 0002 again\n",
    )


def test_detach_starts_the_same_command_without_the_password_on_its_command_line(gasearch, monkeypatch):
    started = []

    def launch(argv, *, name, db_url, is_up):
        started.append((argv, name, db_url))
        assert not is_up(4711)
        fill_database(db_url, state=SearchStatus.RUNNING)
        assert is_up(4711)  # as the double's owner is called
        assert not is_up(4712)
        return 4711, Path("gasearch-digits.log")

    monkeypatch.setattr("gasearch.jobs.detach.launch_detached", launch)
    arguments = ["run", "search.yaml", "--set", "seed=2", "--workers", "1"]
    status, out, _ = gasearch(*arguments, "--detach", "--db", "sqlite:///detached.db")
    assert status == 0
    assert started == [(arguments, "digits", "sqlite:///detached.db")]
    assert "process 4711" in out
    assert "gasearch-digits.log" in out
    assert "gasearch status digits --db sqlite:///detached.db --watch" in out


def test_detach_refuses_a_bad_spec_and_an_unknown_search_at_once(gasearch, folder):
    assert gasearch("run", "search.yaml", "--detach", "--set", "seed=x")[0] == 2
    fill_database(f"sqlite:///{folder}/gasearch.db")
    status, _, err = gasearch("resume", "nope", "--detach")
    assert (status, "nope" in err) == (2, True)
    assert not list(folder.glob("*.log"))


def test_a_search_is_exported_as_a_study_of_optuna(gasearch, tmp_path):
    url, storage = f"sqlite:///{tmp_path}/store.db", f"sqlite:///{tmp_path}/study.db"
    run(CUSTOM_SPEC, db=url)
    status, out, _ = gasearch("export", "small", "--to", "optuna", storage, "--study", "s", "--db", url)
    assert (status, out) == (0, "12 trials in the study s\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--to wandb x://y", "a search can go to optuna; got --to 'wandb'"),
        ("KEY --to optuna sqlite:///s.db", "leave out the network's key and -o"),
        ("KEY", "gasearch export small KEY -o DIR"),
    ],
)
def test_an_export_that_says_too_much_or_too_little_is_bad_input(gasearch, options, text):
    status, _, err = gasearch("export", "small", *options.split())
    assert (status, text in err) == (2, True)
