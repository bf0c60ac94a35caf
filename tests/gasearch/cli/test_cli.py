"""The command line over a real database."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gasearch.storage.records import SearchStatus
from tests.doubles.archived import fill_database, search_record

HEAVY = ("torch", "ray", "scipy", "alembic", "optuna", "plotly", "fastapi", "deap", "moocore", "onnx", "sklearn")


pytestmark = pytest.mark.usefixtures("stored_digits")


def in_subprocess(*arguments, code="from gasearch.__main__ import main; main()", **options):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_help_lists_every_command_and_each_command_gives_examples(gasearch):
    status, out, _ = gasearch("--help")
    assert status == 0
    listed = out.partition("\nSet up:\n")[2].splitlines()
    commands = [line.split()[0] for line in listed if line.startswith("  ")]
    wanted = "init check data run resume list status stop best trade report front history show failures"
    wanted += " delete plot compare why sensitivity reproduce tune finalize ensemble export verify serve db"
    wanted += " submit queue controller token"
    assert sorted(commands) == sorted(wanted.split())
    path = ["init", "check", "run", "status", "best", "finalize", "export", "verify"]
    assert [command for command in commands if command in path] == path
    for command in [
        *(one for one in wanted.split() if one not in ("db", "token")),
        "db upgrade",
        "db current",
        "token create",
        "token audit",
    ]:
        status, out, _ = gasearch(*command.split(), "--help")
        assert status == 0
        assert f"  Examples:\n    gasearch {command}" in out or f"gasearch {command}" in out.partition("Examples:")[2]


def test_the_version_is_that_of_the_package(gasearch):
    from importlib.metadata import version

    assert gasearch("--version") == (0, f"gasearch {version('gasearch')}\n", "")


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
        (["list", "--db", "/nowhere/at/all.db"], 4, "there is no database sqlite:////nowhere/at/all.db"),
        (["list", "--db", "foo"], 2, "got 'foo'; a SQLite file of that name is sqlite:///foo"),
        (["list", "--db", "mysql://me:secret@host/db"], 2, "'mysql' databases are not supported"),
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

    monkeypatch.setattr("gasearch.cli.choosing.best_points", fail)
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

    monkeypatch.setattr("gasearch.cli.choosing.best_points", interrupt)
    assert gasearch("best", "digits") == (130, "", "gasearch: interrupted\n")


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
