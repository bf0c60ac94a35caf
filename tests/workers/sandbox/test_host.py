"""The host of trials: what it answers, and what is left when it is gone. The harm is in tests/faults."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.machine.environment import MARK
from gasearch_workers.machine.processes import marked
from gasearch_workers.messages import (
    Blueprint,
    Failure,
    FailureKind,
    Layer,
    Measurement,
    Recipe,
)
from gasearch_workers.sandbox import host as host_module
from gasearch_workers.sandbox.host import StartError, TrialHost

from tests.doubles.requests import custom_request, request_for

NETWORK = Blueprint(
    family="mlp",
    input_shape=(1, 8, 8),
    layers=(Layer(kind="linear", width=16, weight_bits=4, activation_bits=8), Layer(kind="linear", width=10)),
)
GIANT = replace(NETWORK, layers=(replace(NETWORK.layers[0], width=8192),) * 6 + NETWORK.layers[1:])


@pytest.fixture(scope="module")
def trainer():
    """A host that trains on the digits."""
    host = TrialHost(load_dataset("digits"))
    yield host
    host.close()


def untimed(result):
    return replace(result.outcome, train_seconds=0.0)


def test_a_trial_trains_as_this_process_would(trainer):
    request = request_for(NETWORK, recipe=Recipe(epochs=2), measures=frozenset({"latency_ms"}))
    found, prepared = trainer.prepare(request)
    expected, also_prepared = Evaluator(load_dataset("digits")).prepare(request)
    assert isinstance(found.outcome, Measurement), found.outcome
    assert untimed(found) == untimed(expected)
    assert prepared == also_prepared
    assert (found.device, found.versions, found.worker) == (expected.device, expected.versions, expected.worker)


def test_a_training_ends_itself_at_its_time_limit(trainer):
    result, _ = trainer.prepare(request_for(NETWORK, recipe=Recipe(epochs=500), time_limit_s=0.2))
    assert result.outcome.kind is FailureKind.TIMED_OUT
    assert "passed its limit of 0.2 s" in result.outcome.message


def test_a_training_that_does_not_end_itself_is_ended(trainer, monkeypatch):
    monkeypatch.setattr(host_module, "OWN_GRACE_S", 0.3)
    assert trainer.device == "cpu"
    threading.Timer(0.4, os.kill, (trainer.process_id, signal.SIGSTOP)).start()
    result, _ = trainer.prepare(request_for(NETWORK, recipe=Recipe(epochs=10_000), time_limit_s=1.0))
    assert result.outcome == Failure(kind=FailureKind.TIMED_OUT, message="no answer within its time limit of 1 s")


def test_a_process_that_an_earlier_evaluation_left_stuck_is_replaced_without_a_word(monkeypatch):
    monkeypatch.setattr(host_module, "BEGIN_S", 0.3)
    host = TrialHost(None)
    host.prepare(custom_request(x=3))
    os.kill(host.process_id, signal.SIGSTOP)
    result, _ = host.prepare(custom_request(x=3))
    host.close()
    assert isinstance(result.outcome, Measurement)


def test_the_duration_is_that_of_the_evaluation_however_late_its_host_looks(monkeypatch):
    def looked_up_late(pids, *, limit):
        time.sleep(0.3)
        return 0

    monkeypatch.setattr(host_module, "memory_of", looked_up_late)
    host = TrialHost(None)
    result, _ = host.prepare(custom_request(evaluator="tests.doubles.clocks:clock_set_back", x=1))
    host.close()
    assert isinstance(result.outcome, Measurement)
    assert result.seconds >= 0.05


@pytest.mark.parametrize("x", [-1, 1])
def test_no_evaluator_sets_its_own_duration(x):
    host = TrialHost(None)
    began = time.monotonic()
    result, _ = host.prepare(custom_request(evaluator="tests.doubles.clocks:stopwatch_set", x=x))
    took = time.monotonic() - began
    host.close()
    assert isinstance(result.outcome, Measurement)
    assert 0.0 < result.seconds <= took


def test_a_network_beyond_the_memory_limit_is_refused_before_its_training(trainer):
    result, _ = trainer.prepare(replace(request_for(GIANT), memory_limit_bytes=10**9))
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "its limit is 1.0 GB (workers.memory_limit)" in result.outcome.message
    assert not result.outcome.is_retryable  # the same arithmetic would refuse it again


def test_a_training_that_outgrows_its_limit_is_out_of_memory_with_the_limit(trainer):
    hidden = Layer(kind="conv", width=4096, kernel=1, weight_bits=8, activation_bits=8)
    wide = replace(NETWORK, family="cnn", layers=(hidden, NETWORK.layers[-1]))
    result, _ = trainer.prepare(replace(request_for(wide), memory_limit_bytes=850_000_000))
    assert result.outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "at least" not in result.outcome.message  # it began
    assert result.outcome.is_retryable
    assert "its limit is 850 MB (workers.memory_limit)" in result.outcome.message


def test_a_limit_of_the_host_s_holds_where_the_request_has_none():
    host = TrialHost(None, memory_limit_bytes=200_000_000)
    result, _ = host.prepare(custom_request(evaluator="tests.doubles.poisoned:takes_memory_by_and_by"))
    host.close()
    assert "its limit is 200 MB" in result.outcome.message


def test_a_process_that_died_between_two_evaluations_is_replaced_without_a_word():
    host = TrialHost(None)
    assert host.device == "custom"
    os.kill(host.process_id, signal.SIGKILL)
    result, _ = host.prepare(custom_request(x=3))
    host.close()
    assert isinstance(result.outcome, Measurement)


def test_an_evaluator_that_can_t_be_imported_is_a_user_error():
    host = TrialHost(None)
    result, _ = host.prepare(custom_request(evaluator="no.such.module:evaluate"))
    host.close()
    assert result.outcome.kind is FailureKind.USER_ERROR
    assert "'no.such.module:evaluate' can't be imported" in result.outcome.message


def test_an_evaluator_is_tried_out_before_it_is_asked_and_found_where_the_controller_finds_it(tmp_path):
    (tmp_path / "found_by_path.py").write_text("from tests.doubles.evaluators import measure\n")
    (tmp_path / "ends_it.py").write_text("import os\nos._exit(3)\n")
    hosts = TrialHost(None), TrialHost(None, paths=(str(tmp_path), "/no/such/folder"))
    assert "No module named 'found_by_path'" in hosts[0].import_problem("found_by_path:measure")
    assert hosts[1].import_problem("found_by_path:measure") == ""
    assert "has no function 'measured'" in hosts[1].import_problem("found_by_path:measured")
    assert "that ended its process: exit status 3" in hosts[1].import_problem("ends_it:measure")
    result, _ = hosts[1].prepare(custom_request(evaluator="found_by_path:measure", x=3))
    assert isinstance(result.outcome, Measurement)
    for host in hosts:
        host.close()


def test_a_process_that_can_t_start_is_said_at_once_and_by_each_evaluation(monkeypatch):
    host = TrialHost(None)
    assert host.device == "custom"
    monkeypatch.setattr(sys, "executable", "/bin/false")
    os.kill(host.process_id, signal.SIGKILL)
    os.waitid(os.P_PID, host.process_id, os.WEXITED | os.WNOWAIT)
    with pytest.raises(StartError, match="the evaluation's process doesn't start: exit status 1"):
        _ = host.device
    result, _ = host.prepare(custom_request())
    host.close()
    assert result.outcome.kind is FailureKind.WORKER_LOST
    assert "doesn't start: exit status 1" in result.outcome.message


def test_a_killed_host_leaves_no_process_and_no_folder(tmp_path):
    code = (
        "from tests.doubles.requests import custom_request\n"
        "from gasearch_workers.sandbox.host import TrialHost\n"
        "host = TrialHost(None)\n"
        "print(host.mark, host.folder, flush=True)\n"
        "host.prepare(custom_request(evaluator='tests.doubles.poisoned:waits_for_its_child'))\n"
    )
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    mark, folder = process.stdout.readline().split()
    until = time.monotonic() + 20
    while len(marked(f"{MARK}={mark}")) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(marked(f"{MARK}={mark}")) == 3  # its process, a shell, what the shell started
    process.kill()
    process.wait()
    process.stdout.close()
    while (marked(f"{MARK}={mark}") or Path(folder).exists()) and time.monotonic() < until:
        time.sleep(0.02)
    assert marked(f"{MARK}={mark}") == []
    assert not Path(folder).exists()


def test_a_host_that_adopts_orphans_finds_what_hides_its_origin():
    """In a process of its own: all of its children count as the trials'."""
    code = (
        "import os\n"
        "from tests.doubles.requests import custom_request\n"
        "from gasearch_workers.sandbox.host import TrialHost\n"
        "from gasearch_workers.machine.processes import descendants\n"
        "host = TrialHost(None, adopts_orphans=True)\n"
        "request = custom_request(evaluator='tests.doubles.poisoned:hides_a_daemon_and_dies', x=1)\n"
        "print(host.prepare(request)[0].outcome.message)\n"
        "host.close()\n"
        "print(descendants(os.getpid()))\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "the evaluation ended its own process: exit status 4\n[]\n"


def test_an_evaluator_computes_with_as_many_threads_as_its_worker_has_cpus(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Ray sets it
    host = TrialHost(None, threads=2)
    result, _ = host.prepare(custom_request(evaluator="tests.doubles.careless:tells_its_threads"))
    host.close()
    assert dict(result.outcome.others) == {"torch": 2.0, "child": 2.0}


def test_a_training_of_ours_takes_one_thread_whatever_its_worker_has():
    host = TrialHost(load_dataset("digits"), threads=2)
    result, _ = host.prepare(request_for(NETWORK))
    host.close()
    assert isinstance(result.outcome, Measurement), result.outcome
    assert result.versions.endswith("1 thread")
