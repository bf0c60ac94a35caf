"""The command line over a real database."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from gasearch_workers.messages import CurvePoint

from gasearch.objectives.fitness import FrontChange
from gasearch.query.summary import search_summary
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.archived import fill_database, scripted_reader, search_record, with_constraints
from tests.doubles.records import candidate, key_of, measured, new_search

HEAVY = ("torch", "ray", "scipy", "alembic", "optuna", "plotly", "fastapi", "deap", "moocore", "onnx", "sklearn")
READING = ["list", "status digits", "best digits", "front digits", "history digits", "show digits 0001"]
READING += ["why digits 0001"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/gasearch.db"
    fill_database(url)
    return url


@pytest.fixture(autouse=True)
def environment(monkeypatch, url):
    monkeypatch.setenv("GASEARCH_DB", url)
    monkeypatch.delenv("GASEARCH_DEBUG", raising=False)


def in_subprocess(*arguments, code="from gasearch.cli import main; main()", **options):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_help_lists_every_command_and_each_command_gives_examples(gasearch):
    status, out, _ = gasearch("--help")
    assert status == 0
    commands = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()]
    wanted = "init check data run resume list status stop best front history show failures"
    wanted += " delete plot compare why tune export serve db"
    assert sorted(commands) == sorted(wanted.split())
    for command in [*wanted.split()[:-1], "db upgrade", "db current"]:
        status, out, _ = gasearch(*command.split(), "--help")
        assert status == 0
        assert f"  Examples:\n    gasearch {command}" in out or f"gasearch {command}" in out.partition("Examples:")[2]


def test_the_version_is_that_of_the_package(gasearch):
    from importlib.metadata import version

    assert gasearch("--version") == (0, f"gasearch {version('gasearch')}\n", "")


@pytest.mark.parametrize("command", READING)
def test_with_json_or_csv_stdout_holds_nothing_else(gasearch, command):
    status, out, err = gasearch(*command.split(), "--format", "json")
    assert (status, err) == (0, "")
    content = json.loads(out)
    status, out, err = gasearch(*command.split(), "--format", "csv")
    assert (status, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == (len(content) if isinstance(content, list) else 1)


@pytest.mark.parametrize("command", READING)
def test_every_reading_command_prints_a_table(gasearch, command):
    status, out, err = gasearch(*command.split())
    assert (status, err) == (0, "")
    assert "0.9700" in out or "00010001" in out


def test_what_a_library_prints_while_reading_does_not_reach_stdout(gasearch, monkeypatch):
    from gasearch.storage import sql

    opened = sql.open_reader

    def chatty(url):
        print("chatter")
        return opened(url)

    monkeypatch.setattr(sql, "open_reader", chatty)
    status, out, err = gasearch("best", "digits", "--format", "json")
    assert (status, err) == (0, "chatter\n")
    assert json.loads(out)[0]["key"] == "00020002"


def test_best_answers_under_limits(gasearch):
    status, out, _ = gasearch(
        "best", "digits", "--by", "accuracy", "--where", "latency_ms <= 0.6", "--where", "model_bytes < 6 KB",
        "--format", "json",
    )  # fmt: skip
    [row] = json.loads(out)
    assert (status, row["key"], row["model_bytes"]) == (0, "00010001", 2500)
    assert row["blueprint"]["family"] == "cnn"
    assert [json.loads(gasearch("best", "digits", "--knee", "--format", "json")[1])[0]["key"]] == ["00010001"]


def test_the_front_table_shows_what_was_asked_for_before_the_usual_costs(gasearch):
    _, out, _ = gasearch("front", "digits", "--by", "flops:min", "--where", "macs <= 6000")
    assert out.splitlines()[0].split()[:6] == ["key", "accuracy", "model_bytes", "flops", "macs", "latency_ms"]


def test_the_front_table_shows_objectives_costs_and_spread(gasearch):
    _, out, _ = gasearch("front", "digits")
    header, *rows = out.splitlines()
    assert header.split() == ["key", "accuracy", "model_bytes", "macs", "latency_ms", "latency_spread_ms"]
    assert len(rows) == 4
    assert rows[0].split()[:2] == ["00020002", "0.9700"]


@pytest.mark.parametrize("command", ["best", "front"])
def test_nothing_found_is_an_empty_answer_status_1_and_the_nearest_miss(gasearch, command):
    status, out, err = gasearch(command, "digits", "--where", "latency_ms <= 0.01", "--format", "json")
    assert (status, json.loads(out)) == (1, [])
    assert err.count("\n") == 1
    assert "latency_ms <= 0.01" in err
    assert "the nearest has latency_ms 0.1 ms + 0.01 ms of spread (00040004)" in err


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["best", "digits", "--by", "speed"], 2, "has no metric 'speed'"),
        (["best", "digits", "--where", "fast"], 2, "a limit reads like"),
        (["best", "digits", "--knee", "--by", "macs"], 2, "leave one of the two out"),
        (["status", "nope"], 2, "nope"),
        (["show", "digits", "ffff"], 2, "ffff"),
        (["stop", "digits"], 2, "can't be stopped"),
        (["stop", "nope"], 2, "nope"),
        (["status", "digits", "--watch", "--format", "json"], 2, "leave out --format json"),
        (["plot", "digits", "-o", "front.png"], 2, "expected a name that ends in .html"),
        (["list", "--db", "sqlite:////nowhere/at/all.db"], 4, "nowhere"),
        (["best", "digits", "--format", "yaml"], 2, "yaml"),
        (["best"], 2, "NAME"),
        (["frnt"], 2, "front"),
    ],
)
def test_a_failure_is_a_sentence_on_stderr_and_a_status(gasearch, arguments, status, text):
    found, out, err = gasearch(*arguments)
    assert (found, out) == (status, "")
    assert text in err
    assert "Traceback" not in err


def test_stop_creates_no_database_where_there_is_none(gasearch, tmp_path):
    assert gasearch("stop", "digits", "--db", f"sqlite:///{tmp_path}/typo.db")[0] == 4
    assert list(tmp_path.iterdir()) == []


def test_stop_asks_the_controller_of_a_running_search(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/running.db"
    fill_database(url, state=SearchStatus.RUNNING)
    status, out, _ = gasearch("stop", "digits", "--db", url)
    assert (status, "gasearch resume digits" in out) == (0, True)
    from gasearch.storage.sql import open_reader

    reader = open_reader(url)
    assert reader.search("digits").is_stop_requested
    reader.close()


def test_a_defect_is_reported_without_a_traceback_unless_asked_for(gasearch, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr("gasearch.cli.reading.best_points", fail)
    status, _, err = gasearch("best", "digits")
    assert (status, "Traceback" in err) == (1, False)
    assert "unexpected error: RuntimeError: boom" in err
    assert "GASEARCH_DEBUG=1" in err
    monkeypatch.setenv("GASEARCH_DEBUG", "1")
    status, _, err = gasearch("best", "digits")
    assert (status, "Traceback" in err) == (1, True)


def test_ctrl_c_while_reading_is_a_word_and_status_130(gasearch, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gasearch.cli.reading.best_points", interrupt)
    assert gasearch("best", "digits") == (130, "", "gasearch: interrupted\n")


def test_status_says_how_busy_the_workers_were_and_what_was_stopped_reused_and_trained_again(gasearch):
    from gasearch.cli.reading import status_lines

    reader = scripted_reader(worker_seconds=16.0)
    summary = replace(
        search_summary(reader, "digits"),
        algorithm="nsga2", mode="steady-state", stopped=4, stopped_seconds=0.5, finished_seconds=2.0,
        saved_seconds=90.0, reused=3, replicates=2,
    )  # fmt: skip
    lines = dict(status_lines(summary))
    assert lines["searched by"] == "nsga2, steady-state"
    assert lines["evaluations"] == "8 of 40, of which 3 reused from earlier searches and 2 further trainings"
    assert lines["stopped early"] == "4, after 0.5 s on average (to the end: 2 s); that saved about 1 min 30 s"
    assert lines["workers busy"] == "50% of 16 s"
    plain = dict(status_lines(search_summary(scripted_reader(worker_seconds=0.0), "digits")))
    assert (plain["evaluations"], plain["stopped early"], plain["workers busy"]) == ("8 of 40", "0", "8 s in all")


def test_watch_ends_with_the_search(gasearch, monkeypatch, tmp_path):
    from gasearch.cli import reading

    url = f"sqlite:///{tmp_path}/running.db"
    fill_database(url, state=SearchStatus.RUNNING)
    naps = []

    def end_meanwhile(seconds):
        naps.append(seconds)
        from gasearch.storage.sql import open_archive

        archive = open_archive(url, notice=lambda message: None)
        from gasearch.storage.records import Lease

        archive.release(
            Lease(search_id=1, owner="host/4711", epoch=1), state=SearchStatus.FINISHED, reason="budget spent"
        )
        archive.close()

    monkeypatch.setattr(reading.time, "sleep", end_meanwhile)
    status, out, _ = gasearch("status", "digits", "--watch", "--db", url)
    assert (status, len(naps)) == (0, 1)
    assert out.startswith("digits: 8 of 40 evaluations, hypervolume 0.6250\n")
    assert "finished: budget spent" in out


def test_plot_writes_the_file_and_prints_its_name(gasearch, tmp_path):
    path = tmp_path / "front.html"
    assert gasearch("plot", "digits", "-o", str(path)) == (0, f"{path}\n", "")
    assert "Pareto front of digits" in path.read_text(encoding="utf-8")


def test_the_schema_is_shown_and_upgraded(gasearch, tmp_path):
    status, out, _ = gasearch("db", "current")
    assert (status, out.endswith("(up to date)\n")) == (0, True)
    url = f"sqlite:///{tmp_path}/new.db"
    status, out, _ = gasearch("db", "upgrade", "--db", url)
    assert (status, out.startswith("the schema is at ")) == (0, True)
    assert gasearch("db", "current", "--db", url)[0] == 0


def test_an_empty_database_says_how_to_begin(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"
    gasearch("db", "upgrade", "--db", url)
    assert gasearch("list", "--format", "json", "--db", url) == (0, "[]\n", "")
    status, out, err = gasearch("list", "--db", url)
    assert (status, out) == (0, "")
    assert "gasearch init" in err


def test_serving_without_its_libraries_names_the_command_that_installs_them(gasearch, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("gasearch.web")]:
        monkeypatch.delitem(sys.modules, name)
    status, _, err = gasearch("serve")
    assert (status, err) == (1, "gasearch: the service needs fastapi: pip install 'gasearch[serve]'\n")


def test_serving_beyond_this_machine_needs_a_token_of_one_s_own(gasearch, monkeypatch):
    monkeypatch.delenv("GASEARCH_TOKEN", raising=False)
    status, _, err = gasearch("serve", "--host", "0.0.0.0", "--port", "0")
    assert (status, "set GASEARCH_TOKEN" in err) == (2, True)
    monkeypatch.setenv("GASEARCH_TOKEN", "short")
    status, _, err = gasearch("serve")
    assert (status, "at least 16 characters; got 5" in err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["best", "digits"], ["best", "digits", "--knee"], ["why", "digits", "0001"], ["why", "digits"]],
)
def test_a_quick_answer_loads_no_heavy_library(arguments):
    assert_loads_none_of(HEAVY, arguments)


@pytest.mark.parametrize("arguments", [["list"], ["status", "digits"], ["compare", "digits", "other"]])
def test_an_answer_with_a_volume_loads_what_computes_it_and_nothing_else_of_weight(arguments, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/two.db"
    for name in ("digits", "other"):
        fill_database(url, search_record(name))
    monkeypatch.setenv("GASEARCH_DB", url)
    assert_loads_none_of([name for name in HEAVY if name != "moocore"], arguments)


def assert_loads_none_of(libraries, arguments):
    code = (
        "import sys\nfrom gasearch.cli import call\nstatus = call(sys.argv[1:])\n"
        f"print(*sorted(set({libraries!r}) & set(sys.modules)), file=sys.stderr)\nsys.exit(status)"
    )
    done = in_subprocess(*arguments, code=code)
    assert (done.returncode, done.stderr.split()) == (0, [])
    assert done.stdout


def test_a_reader_that_leaves_early_causes_no_complaint(tmp_path):
    command = f"{sys.executable} -m gasearch front digits --format json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[", "")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "gasearch", "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_constraints_of_the_spec_bind_the_answer(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/bound.db"
    fill_database(url, with_constraints(search_record(), "model_bytes <= 8 KB"))
    [row] = json.loads(gasearch("best", "digits", "--where", "accuracy > 0", "--format", "json", "--db", url)[1])
    assert row["key"] == "00060006"


def test_a_search_in_the_background_that_fails_at_once_reports_why(tmp_path, url):
    from gasearch.errors import GasearchError
    from gasearch.jobs.detach import launch_detached

    began = time.monotonic()
    with pytest.raises(GasearchError, match=r"did not start: .*'nope'.* \(log: ") as caught:
        launch_detached(["status", "nope"], name="a/b", db_url=url, is_up=lambda pid: False, patience_s=30)
    assert caught.value.exit_status == 2
    assert time.monotonic() - began < 20


def test_the_log_lies_next_to_a_sqlite_file_else_here():
    from gasearch.jobs.detach import log_file

    assert str(log_file("a/b", "sqlite:////data/x%20y.db")) == "/data/gasearch-a_b.log"
    assert str(log_file("digits", "sqlite:///gasearch.db")) == "gasearch-digits.log"
    assert str(log_file("digits", "postgresql://me:secret@host/db")) == "gasearch-digits.log"


# --- gone for good ----------------------------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    fill_database(url)
    return url


def test_a_search_is_deleted_once_the_user_says_so(gasearch, finished):
    status, out, err = gasearch("delete", "digits", "--db", finished)
    assert (status, out) == (2, "")
    assert "nobody can be asked whether to delete digits with its 8 evaluations: add --yes" in err
    assert gasearch("delete", "digits", "--yes", "--db", finished) == (0, "deleted digits\n", "")
    status, _, err = gasearch("delete", "digits", "--yes", "--db", finished)
    assert (status, "no search named 'digits'" in err) == (2, True)


@pytest.mark.parametrize(("answer", "status", "said"), [("n\n", 1, "nothing was deleted"), ("y\n", 0, "")])
def test_a_person_is_asked_before_a_search_is_deleted(finished, answer, status, said):
    import pty

    person, terminal = pty.openpty()
    os.write(person, answer.encode())
    done = in_subprocess("delete", "digits", "--db", finished, stdin=terminal)
    os.close(person), os.close(terminal)
    assert done.returncode == status
    assert "delete digits with its 8 evaluations, for good?" in done.stderr
    assert said in done.stderr
    assert done.stdout == ("deleted digits\n" if status == 0 else "")


def test_a_curve_is_shown_as_a_table(gasearch, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    curve = tuple(
        CurvePoint(epoch=epoch, train_loss=1 / epoch, accuracy=epoch / 4, metrics=(("f1", epoch / 8),))
        for epoch in (1, 2)
    )
    with closing(open_archive(url, notice=lambda message: None)) as archive:
        lease = archive.create_search(new_search(), owner="alice", ttl_s=60)
        archive.add_candidates(lease, [candidate(0)])
        archive.add_evaluations(lease, [(measured(0, accuracy=0.5, curve=curve), FrontChange(entered=(0,)))])
    status, out, _ = gasearch("show", "digits", key_of(0), "--db", url)
    table = [line.split() for line in out.partition("curve:\n")[2].splitlines()]
    assert (status, table) == (
        0, [["epoch", "train_loss", "accuracy", "f1"], ["1", "1", "0.2500", "0.125"], ["2", "0.5", "0.5000", "0.25"]]
    )  # fmt: skip
