"""Signals to a running search: it ends with status 130 and the command that resumes, and resumes."""

import os
import signal
import time

import pytest

from tests.doubles.command_line import finish


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_the_search_and_names_the_command_that_resumes(gasearch, number):
    process = gasearch.start("run", gasearch.write_spec(truth="unhurried"))
    gasearch.wait_for(3, process)
    process.send_signal(number)
    done = finish(process, timeout_s=30)
    assert done.status == 130, done.err
    assert "stopping after the evaluations in flight; once more to stop at once" in done.err
    told = gasearch.told()
    assert 3 <= told < 40
    assert (
        done.sentence
        == f"small stopped (interrupted) after {told} of 40 evaluations; go on with: gasearch resume small"
    )
    assert gasearch.record().state.value == "stopped"
    gasearch.resumes(told=40)


def test_a_second_signal_stops_at_once_in_the_middle_of_an_evaluation(gasearch):
    process = gasearch.start("run", gasearch.write_spec(truth="sleeps_from_the_third"))
    gasearch.wait_for(2, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = finish(process, timeout_s=30)
    assert time.monotonic() - began < 10
    assert done.status == 130, done.err
    assert done.sentence == "small stopped at once; what was in flight runs again; go on with: gasearch resume small"
    record = gasearch.record()
    assert (record.state.value, record.owner, gasearch.told()) == ("stopped", None, 2)
    gasearch.environment["GASEARCH_TEST_AWAKE"] = "1"
    assert gasearch.run("resume", "small", "--evaluations", "10").status == 0
    assert gasearch.told() == 10


@pytest.mark.parametrize("count", [2, 5])
def test_a_burst_of_signals_leaves_a_store_that_resumes(gasearch, count):
    process = gasearch.start("run", gasearch.write_spec())
    gasearch.wait_for(3, process)
    for _ in range(count):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.002)
    done = finish(process, timeout_s=30)
    assert done.status == 130, done.err
    assert "Traceback" not in done.err
    gasearch.resumes(told=40)


@pytest.mark.parametrize("delay_s", [0.3, 0.7])
def test_ctrl_c_while_it_starts_is_a_word_and_leaves_nothing_half_begun(gasearch, delay_s):
    spec = gasearch.write_spec()
    process = gasearch.start("run", spec)
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    done = finish(process, timeout_s=30)
    assert done.status in (130, -signal.SIGINT, 0), done.err
    if gasearch.told() < 40:
        again = gasearch.here("run", spec)
        assert again.status == 0 or gasearch.here("resume", "small").status == 0
    assert gasearch.told() == 40
