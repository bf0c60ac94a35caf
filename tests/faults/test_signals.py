"""Signals to a running search: it ends with status 130 and the command that resumes, and resumes."""

import contextlib
import os
import pty
import signal
import sys
import threading
import time

import pytest

from tests.doubles.command_line import finish
from tests.doubles.ray_processes import WORKER, family, gone, named


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_the_search_and_names_the_command_that_resumes(gasearch, number):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(3, process)
    process.send_signal(number)
    done = finish(process, timeout_s=30)
    assert done.status == 130, done.err
    assert "stopping after the evaluations in flight; once more to stop at once" in done.err
    completed = gasearch.completed()
    assert 3 <= completed < 40
    assert (
        done.sentence
        == f"small stopped (interrupted) after {completed} of 40 evaluations; go on with: gasearch resume small"
    )
    assert gasearch.record().state.value == "stopped"
    gasearch.resumes(completed=40)


def test_a_second_signal_stops_at_once_in_the_middle_of_an_evaluation(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="sleeps_from_the_third"))
    gasearch.wait_for(2, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    done = finish(process, timeout_s=60)  # the evaluation sleeps ten minutes
    assert done.status == 130, done.err
    assert done.sentence == "small stopped at once; what was in flight runs again; go on with: gasearch resume small"
    record = gasearch.record()
    assert (record.state.value, record.owner, gasearch.completed()) == ("stopped", None, 2)
    gasearch.environment["GASEARCH_TEST_AWAKE"] = "1"
    assert gasearch.run("resume", "small", "--evaluations", "10").status == 0
    assert gasearch.completed() == 10


@pytest.mark.parametrize("count", [2, 5])
def test_a_burst_of_signals_leaves_a_store_that_resumes(gasearch, count):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(3, process)
    for _ in range(count):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.002)
    done = finish(process, timeout_s=30)
    assert done.status == 130, done.err
    assert "Traceback" not in done.err
    gasearch.resumes(completed=40)


@pytest.mark.parametrize("delay_s", [0.3, 0.7])
def test_ctrl_c_while_it_starts_is_a_word_and_leaves_nothing_half_begun(gasearch, delay_s):
    spec = gasearch.write_spec()
    process = gasearch.start("run", spec)
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    done = finish(process, timeout_s=30)
    assert done.status in (130, -signal.SIGINT, 0), done.err
    if gasearch.completed() < 40:
        again = gasearch.here("run", spec)
        assert again.status == 0 or gasearch.here("resume", "small").status == 0
    assert gasearch.completed() == 40


class Terminal:
    """A command that has a terminal of its own, which can be closed."""

    def __init__(self, gasearch, *arguments):
        self.pid, self._side = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(gasearch.folder)
                os.execve(sys.executable, [sys.executable, "-m", "gasearch", *arguments], gasearch.environment)
            finally:
                os._exit(127)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError):
            while os.read(self._side, 65536):
                pass

    def close(self):
        """As a window that is closed: the system sends SIGHUP to whoever runs in it."""
        os.close(self._side)

    def status(self, *, within_s=30):
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("it did not end")

    def poll(self):
        """As of a process: None, for it runs."""


@pytest.mark.parametrize("options", [(), pytest.param(("--supervise",), marks=pytest.mark.slow)])
def test_a_closed_terminal_drains_the_search_that_ran_in_it(gasearch, options):
    terminal = Terminal(gasearch, "run", gasearch.write_spec(truth="unhurried"), *options)
    gasearch.wait_for(3, terminal)
    terminal.close()
    assert terminal.status() == 130
    record = gasearch.record()
    assert (record.state.value, record.reason, record.owner) == ("stopped", "interrupted", None)
    gasearch.resumes(completed=40)


@pytest.mark.parametrize("options", [(), pytest.param(("--supervise",), marks=pytest.mark.slow)])
def test_a_detached_search_outlives_its_terminal_and_a_hangup_of_its_group(gasearch, options):
    terminal = Terminal(gasearch, "run", gasearch.write_spec(truth="unhurried"), "--detach", *options)
    gasearch.wait_for(1, terminal)
    controller = int(gasearch.record().owner.split("/")[1])
    with contextlib.suppress(OSError):
        terminal.close()
    os.killpg(os.getsid(controller), signal.SIGHUP)
    os.kill(controller, signal.SIGHUP)
    assert terminal.status() in (0, -signal.SIGHUP, 1)  # the starter may have been about to say what it started
    gasearch.wait_for(40, terminal)
    until = time.monotonic() + 20
    while gasearch.record().state.value == "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert gasearch.record().state.value == "finished"


@pytest.mark.slow
def test_an_evaluation_of_an_hour_on_a_ray_worker_ends_10_s_after_the_first_signal(gasearch):
    spec = gasearch.write_spec(truth="sleeps", **{"count: 0": "count: 1"})
    process = gasearch.start("run", spec)
    until = time.monotonic() + 60
    while not named(process.pid, WORKER) or not gasearch.is_stored():
        assert time.monotonic() < until
        assert process.poll() is None, finish(process).err
        time.sleep(0.1)
    time.sleep(1.0)
    begun = family(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    began = time.monotonic()
    done = finish(process, timeout_s=60)
    print(f"ended after {time.monotonic() - began:.1f} s")
    assert done.status == 130, done.err
    assert done.sentence.startswith("small stopped (interrupted) after 0 of 40 evaluations; go on with: ")
    assert gone(begun)
