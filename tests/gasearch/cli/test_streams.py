"""Commands whose streams are closed, full, too narrow, or read by nobody."""

import json
import os
import subprocess
import sys

import pytest

from tests.doubles.archived import fill_database
from tests.doubles.command_line import CommandLine

COMMAND = f"{sys.executable} -m gasearch"


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a line of bash beside a database; returns status, stdout and stderr."""
    folder = tmp_path_factory.mktemp("streams")
    commands = CommandLine(folder)
    fill_database(commands.url)
    spec = commands.write_spec(**{"evaluations: 40": "evaluations: 4"})
    assert spec == "small.yaml"

    def run(line, **variables):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line.replace("gasearch", COMMAND)],
            cwd=folder,
            env=commands.environment | variables,
            capture_output=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr.decode()

    return run


def test_a_finished_search_is_finished_whether_its_front_can_be_printed_or_not(shell):
    for number, redirected in enumerate((">&-", "> /dev/full", "| true")):
        status, _, err = shell(f"gasearch run small.yaml --set name=s{number} {redirected}")
        assert (status, "unexpected" in err, "Traceback" in err) == (0, False, False), err
        assert ("can't print the front to stdout: " in err) == (redirected != "| true")


@pytest.mark.parametrize("redirected", [">&-", "> /dev/full", ">&- 2>&-", "> /dev/full 2> /dev/full"])
@pytest.mark.parametrize("command", ["list", "--help"])
def test_an_answer_that_nobody_can_get_is_a_failure_and_a_sentence(shell, command, redirected):
    status, out, err = shell(f"gasearch {command} {redirected}")
    assert (status, out) == (1, b"")
    if "2>" not in redirected:
        full = "No space left on device; free some space, then ask again"
        why = "it is closed" if redirected == ">&-" else full
        assert err == f"gasearch: can't print the answer to stdout: {why}\n"


@pytest.mark.parametrize("command", ["front digits", "list --format csv", "front --help"])
def test_a_reader_that_has_enough_is_no_failure(shell, command):
    status, _, err = shell(f"gasearch {command} | true")
    assert (status, err) == (0, "")


def test_a_closed_descriptor_is_not_given_to_a_database(shell):
    """Else what a library prints would be written into it."""
    status, _, err = shell("gasearch run small.yaml --set name=closed <&- >&- 2>&-; gasearch db check")
    assert status == 0, err


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_an_answer_fits_into_a_narrow_encoding(shell, variables):
    name = f"n{len(variables)}"
    status, _, err = shell(f"gasearch run small.yaml --set name={name} --set 'space.decisions.a.choices=[é, 中]'")
    assert status == 0, err
    for form in ("table", "csv", "json"):
        status, out, err = shell(f"gasearch front {name} --format {form}", **variables)
        assert (status, err) == (0, "")
        assert out.isascii()
    assert {row["blueprint"]["choices"]["a"] for row in json.loads(out)} <= {"é", "中"}


# --- paths ------------------------------------------------------------------------------------------------------

PLACES = {
    "in no folder": "nowhere/x",
    "a folder": "folder",
    "where nobody may write": "/proc/x",
    "below a file": "small.yaml/x",
    "too long": "n" * 300,
    "too deep": "/".join(["d" * 200] * 30),
    "a device": "/dev/full",
    "a loop": "loop",
    "no text": os.fsdecode(b"bad\xff"),
}
OPTIONS = (
    "check {}",
    "init -o {}",
    "plot digits -o {}.html",
    "db backup --force {}",
    "db restore {}",
    "list --db sqlite:///{}",
    "db upgrade --db sqlite:///{}",
    "run small.yaml --db sqlite:///{}",
    "resume digits --spec {}",
    "check small.yaml --set task={{dataset:\u00a0'{}'}}",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_path_that_can_t_be_used_is_a_sentence(command_line, option, place):
    if place in ("a device", "a loop") and option.startswith(("plot", "db backup", "init")):
        pytest.skip("a name of a new file beside it, or one that may be replaced")
    arguments = [part.replace("\u00a0", " ").format(PLACES[place]) for part in option.split(" ")]
    done = command_line.here(*arguments)
    if done.status:
        assert done.status in (1, 2, 4)
        assert "defect" not in done.err
        assert "Traceback" not in done.err
        assert done.err.startswith("gasearch: ") or "\ngasearch: " in done.err
    else:  # a place that is none to the option: a name for its file
        assert place in ("no text", "a folder")


@pytest.fixture(scope="module")
def command_line(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    commands = CommandLine(folder)
    fill_database(commands.url)
    commands.write_spec(**{"evaluations: 40": "evaluations: 4"})
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    yield commands
    commands.close()


def test_a_backup_that_can_t_be_written_does_not_blame_the_database(command_line):
    for place in ("/proc/nowhere.db", "nowhere/x.db", "small.yaml/x.db"):
        done = command_line.here("db", "backup", place)
        assert (done.status, done.sentence.startswith(f"can't write {place}: ")) == (2, True), done.err


@pytest.mark.parametrize("variable", ["GASEARCH_CACHE", "GASEARCH_STATE"])
def test_a_home_that_there_is_not_is_a_sentence(monkeypatch, variable):
    from gasearch import settings
    from gasearch.errors import BadInput

    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(BadInput, match=rf"there is no home folder .*: name a folder by {variable}"):
        settings.cache_folder() if variable == "GASEARCH_CACHE" else settings.state_folder()
