"""A search in the background: its log, its session, and what it says where it doesn't start."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gasearch.errors import BadInput, GasearchError
from gasearch.jobs.detach import last_words, launch_detached, log_file
from tests.doubles.archived import fill_database


def test_the_log_lies_next_to_a_sqlite_file_else_here():

    assert str(log_file("a/b", "sqlite:////data/x%20y.db")) == "/data/gasearch-a_b.log"
    assert str(log_file("digits", "sqlite:///gasearch.db")) == "gasearch-digits.log"
    assert str(log_file("digits", "postgresql://me:secret@host/db")) == "gasearch-digits.log"


def test_a_search_in_the_background_that_fails_at_once_reports_why(tmp_path):
    fill_database(f"sqlite:///{tmp_path}/store.db")
    began = time.monotonic()
    with pytest.raises(GasearchError, match=r"did not start: .*'nope'.* \(log: ") as caught:
        launch_detached(
            ["status", "nope"],
            name="a/b",
            db_url=f"sqlite:///{tmp_path}/store.db",
            is_up=lambda pid: False,
            patience_s=30,
        )
    assert caught.value.exit_status == 2
    assert time.monotonic() - began < 20


def test_a_detached_process_outlives_its_starter_in_a_session_of_its_own(tmp_path):
    url = f"sqlite:///{tmp_path}/gasearch.db"
    asked = []

    def is_up(pid):
        asked.append(True)
        return "serving" in log_of_server.read_text() if log_of_server.exists() else False

    log_of_server = tmp_path / "gasearch-web.log"
    fill_database(url)
    pid, log = launch_detached(["serve", "--port", "0"], name="web", db_url=url, is_up=is_up, patience_s=30)
    try:
        assert log == log_of_server
        assert asked
        assert os.getsid(pid) == pid != os.getsid(0)
        assert url not in Path(f"/proc/{pid}/cmdline").read_text()
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def test_the_interpreter_of_the_detached_process_is_this_one(monkeypatch, tmp_path):
    commands = []

    class Started:
        pid = 1
        returncode = None

        def __init__(self, command, **options):
            commands.append((command, options["env"]["GASEARCH_DB"], options["start_new_session"]))

    monkeypatch.setattr("gasearch.jobs.detach.subprocess.Popen", Started)
    launch_detached(["run", "x.yaml"], name="x", db_url=f"sqlite:///{tmp_path}/x.db", is_up=lambda pid: True)
    assert commands == [([sys.executable, "-m", "gasearch", "run", "x.yaml"], f"sqlite:///{tmp_path}/x.db", True)]


def test_a_folder_that_takes_no_log_is_refused_before_anything_is_started(tmp_path):
    url = f"sqlite:///{tmp_path}/missing/store.db"
    with pytest.raises(BadInput, match=r"can't write the log file .*gasearch-x\.log: No such file"):
        launch_detached(["list"], name="x", db_url=url, is_up=lambda pid: True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chatter\ngasearch: it failed: no\n  1 raised\nmend it\n", "it failed: no\n  1 raised\nmend it"),
        ("gasearch: before\ngasearch: at last\n", "at last"),
        ("started\nsmall was killed by SIGKILL: giving up\n", "small was killed by SIGKILL: giving up"),
        ("", ""),
        ("x" * 20_000 + "\nthe end", "the end"),
    ],
)
def test_last_words_are_the_last_sentence_else_the_last_line_of_a_command_s_part(tmp_path, text, words):
    log = tmp_path / "log"
    log.write_text(f"gasearch: of an earlier command\n{text}")
    assert last_words(log, len("gasearch: of an earlier command\n")) == words
    assert last_words(tmp_path / "none", 0) == ""
