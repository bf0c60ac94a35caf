"""The host's process as the controller sees it; these start no Ray."""

import logging
import os
import signal
from pathlib import Path

import pytest
from gasearch_workers.machine.processes import is_alive

from gasearch.dispatch import ray_process
from gasearch.dispatch.ray_process import RayGone, RayProcess
from gasearch.errors import WorkersUnavailable
from tests.doubles.requests import custom_request

ROOT = Path(__file__).parents[3]


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Starts processes of the named double; each is ended at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_process, "CLOSE_S", 0.2)
    processes = []

    def start(host):
        program = f"sys.path[:0] = [{str(ROOT)!r}]; from tests.doubles.ray_hosts import {host}; {host}(%d)"
        monkeypatch.setattr(ray_process, "program", lambda descriptor: program % descriptor)
        processes.append(RayProcess({}, lambda message: None))
        return processes[-1]

    yield start
    for process in processes:
        if is_alive(process.pid):
            process.close(is_patient=False, keeps_logs=True)


def test_its_first_answer_says_that_the_pool_is_there(start):
    process = start("serves")
    assert process.hear(30.0).value is None
    assert (process.slots, process.free) == (2, 2)
    process.call("submit", custom_request("queued"))
    assert process.free == 0


def test_a_call_that_the_process_dies_of_says_how(start):
    process = start("serves")
    process.hear(30.0)
    with pytest.raises(RayGone, match=r"^its process ended with status 3$"):
        process.call("submit", custom_request("dies"))


def test_what_another_start_would_not_mend_is_unavailable(start):
    with pytest.raises(WorkersUnavailable, match=r"^Ray has no room for a worker$"):
        start("refuses").hear(30.0)


def test_an_answer_that_is_not_there_in_time_is_none(start):
    process = start("serves")
    process.hear(30.0)
    assert process.hear(0.01) is None


def test_one_that_is_stopped_is_ended_at_close_all_the_same(start):
    process = start("serves")
    process.hear(30.0)
    os.kill(process.pid, signal.SIGSTOP)
    process.close(is_patient=True, keeps_logs=True)
    assert not is_alive(process.pid)


def test_closing_ends_whatever_it_has_started_in_its_session_and_outside(start, tmp_path):
    process = start("leaves_children")
    process.hear(30.0)
    children = list(map(int, (tmp_path / "children").read_text().split()))
    assert all(map(is_alive, children))
    os.kill(process.pid, signal.SIGSTOP)  # so that it's ended with them
    process.close(is_patient=False, keeps_logs=True)
    assert not any(map(is_alive, children))


def test_its_environment_holds_no_database_and_no_token_of_ours(start, monkeypatch):
    for name in ("GASEARCH_DB", "GASEARCH_TOKEN", "DATABASE_URL", "PGPASSWORD", "PGHOST"):
        monkeypatch.setenv(name, "secret")
    process = start("serves")
    process.hear(30.0)
    shown = Path(f"/proc/{process.pid}/environ").read_text() + Path(f"/proc/{process.pid}/cmdline").read_text()
    assert "secret" not in shown


def test_a_line_of_its_log_is_one_of_the_controller_s(start, caplog):
    caplog.set_level("INFO", logger="gasearch")
    process = start("logs_at_the_level_asked")
    process.hear(30.0)
    [line] = caplog.records
    assert (line.name, line.node, line.levelname) == ("gasearch.dispatch", "edge-3", "INFO")
    assert line.getMessage().startswith("worker started on edge-3\nTraceback")
    assert logging.Formatter().format(line).count("OSError: no room") == 1
