"""A supervised search whose controller is killed, stopped by signals, or loses its supervisor."""

import os
import signal
import subprocess
import sys
import time

import pytest
from gasearch_workers.machine.processes import descendants, is_alive

from tests.doubles.command_line import finish
from tests.doubles.ray_processes import family, gone
from tests.doubles.searches import digest


def controller_of(supervisor):
    """The process that runs the search now."""
    children = [pid for pid in descendants(supervisor.pid) if is_alive(pid)]
    return min(children, default=None)


def kill_controller(supervisor):
    killed = controller_of(supervisor)
    os.kill(killed, signal.SIGKILL)
    return killed


def test_a_killed_controller_is_started_again_and_the_answer_is_the_undisturbed_one(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"population: 8": "population: 8, mode: generational"})
    process = gasearch.start("run", spec, "--supervise")
    gasearch.wait_for(3, process)
    killed = kill_controller(process)
    began = time.monotonic()
    gasearch.wait_for(gasearch.completed() + 2, process)
    print(f"back at work in {time.monotonic() - began:.1f} s")
    assert controller_of(process) != killed
    assert os.getpgid(controller_of(process)) == controller_of(process)
    done = finish(process)
    assert done.status == 0, done.err
    assert "small was killed by SIGKILL; starting it again in 1 s" in done.err
    assert "gasearch best small --knee" in done.out
    disturbed = gasearch.ask(digest)
    gasearch.url = gasearch.environment["GASEARCH_DB"] = f"sqlite:///{gasearch.folder}/undisturbed.db"
    assert gasearch.here("run", spec).status == 0
    assert gasearch.ask(digest) == disturbed


def test_a_supervised_search_in_which_everything_fails_is_paused_with_its_budget_unspent(gasearch):
    spec = gasearch.write_spec(truth="raises", **{"evaluations: 40": "evaluations: 400"})
    done = finish(gasearch.start("run", spec, "--supervise"))
    assert done.status == 5, done.err
    assert "20 evaluations in a row failed (20 user_error)" in done.sentence
    assert "Mend the cause, then go on with: gasearch resume small" in done.sentence
    assert "starting it again" not in done.err
    assert (gasearch.completed(), gasearch.record().state.value) == (20, "stopped")


def test_a_supervised_search_that_is_asked_to_stop_stays_stopped(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"evaluations: 40": "evaluations: 400"})
    process = gasearch.start("run", spec, "--supervise")
    gasearch.wait_for(2, process)
    assert gasearch.here("stop", "small").status == 0
    done = finish(process, timeout_s=60)
    assert done.status == 130, done.err
    assert "starting it again" not in done.err
    assert gasearch.record().state.value == "stopped"


def test_a_supervised_search_outlives_an_outage_that_outlasts_its_patience(gasearch, postgresql, postgresql_url):
    gasearch.url = gasearch.environment["GASEARCH_DB"] = postgresql_url
    gasearch.environment["GASEARCH_DB_PATIENCE"] = "0.5"
    log = (gasearch.folder / "log").open("w+")
    command = [sys.executable, "-m", "gasearch", "run", gasearch.write_spec(truth="unhurried"), "--supervise"]
    command += ["--set", "budget.evaluations=100"]
    process = subprocess.Popen(command, cwd=gasearch.folder, env=gasearch.environment, stdout=log, stderr=log)
    gasearch.wait_for(3, process)
    postgresql.stop()
    try:
        until = time.monotonic() + 90
        while "lost its database; starting it again in 2 s" not in (gasearch.folder / "log").read_text():
            assert process.poll() is None, (gasearch.folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        postgresql.start()
    assert process.wait(90) == 0, (gasearch.folder / "log").read_text()
    log.close()
    assert (gasearch.completed(), gasearch.record().state.value) == (100, "finished")


@pytest.mark.slow
def test_a_killed_controller_takes_its_ray_along_and_the_next_one_starts_its_own(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"count: 0": "count: 2", "evaluations: 40": "evaluations: 150"})
    process = gasearch.start("run", spec, "--supervise")
    gasearch.wait_for(3, process)
    before = family(process.pid)
    kill_controller(process)
    began = time.monotonic()
    assert gone(before)
    print(f"no process was left after {time.monotonic() - began:.1f} s")
    gasearch.wait_for(gasearch.completed() + 1, process)
    print(f"back at work after {time.monotonic() - began:.1f} s")
    begun = family(process.pid)
    done = finish(process)
    assert done.status == 0, done.err
    assert gone(begun)
    assert gasearch.completed() == 150


@pytest.mark.slow
def test_one_signal_to_the_supervisor_drains_the_search(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"), "--supervise")
    gasearch.wait_for(3, process)
    process.send_signal(signal.SIGINT)  # as a terminal does: to the supervisor's group alone
    done = finish(process, timeout_s=30)
    assert done.status == 130, done.err
    assert done.sentence.startswith("small stopped (interrupted) after ")
    assert gasearch.record().state.value == "stopped"
    gasearch.resumes(completed=40)


@pytest.mark.slow
def test_two_signals_to_the_supervisor_stop_the_search_at_once(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="sleeps_from_the_third"), "--supervise")
    gasearch.wait_for(2, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    done = finish(process, timeout_s=60)  # the evaluation sleeps ten minutes
    assert done.status == 130, done.err
    assert done.sentence.startswith("small stopped at once; ")


@pytest.mark.slow
def test_a_killed_supervisor_leaves_a_search_that_goes_on_alone(gasearch):
    spec = gasearch.write_spec(truth="unhurried", **{"evaluations: 40": "evaluations: 500"})
    process = gasearch.start("run", spec, "--supervise")
    gasearch.wait_for(3, process)
    controller = controller_of(process)
    process.kill()
    process.wait()
    refused = gasearch.run("resume", "small", "--supervise")
    assert refused.status == 2
    assert f"search 'small' is being run by process {controller} on " in refused.sentence
    assert gasearch.run("stop", "small").status == 0
    until = time.monotonic() + 30
    while is_alive(controller) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(controller)
    assert gasearch.record().state.value == "stopped"
    process.stdout.close()
    process.stderr.close()


@pytest.mark.slow
def test_bad_input_is_refused_without_another_start(gasearch):
    spec = gasearch.write_spec()
    assert gasearch.here("run", spec).status == 0
    assert gasearch.run("resume", "nobody", "--supervise").status == 2
    done = gasearch.run("run", spec, "--supervise")
    assert done.status == 2
    assert "there is a search named 'small' already" in done.sentence
    assert "starting it again" not in done.err
