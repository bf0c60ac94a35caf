"""Workers and Ray itself killed in the middle of a search: it completes, and ends as the undisturbed one.

The long ones print how soon the search was back at work.
"""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest
from gasearch_workers.machine.processes import end_session, is_alive

from tests.doubles.command_line import finish
from tests.doubles.ray_processes import WORKER, family, gone, named, trial_of
from tests.doubles.searches import without_times

SPEC = """
name: small
seed: 5
task: {{evaluator: "tests.doubles.evaluators:{evaluator}"}}
space:
  family: custom
  decisions:
    a: {{choices: [0, 1, 2, 3, 4, 5, 6, 7]}}
    b: {{choices: [0, 1, 2, 3, 4, 5, 6, 7]}}
    c: {{choices: [0, 1, 2, 3, 4, 5, 6, 7]}}
    d: {{choices: [0, 1, 2, 3, 4, 5, 6, 7]}}
objectives: {{error: min, cost: min}}
evolution: {{population: 12, mode: generational}}
budget: {{evaluations: {evaluations}}}
workers: {{count: {workers}}}
"""


class Disturbed:
    """A search that runs on Ray workers while a test does its worst."""

    def __init__(self, gasearch, *, evaluations, workers=2, address=None):
        self.gasearch, self.evaluations = gasearch, evaluations
        if address is not None:
            workers = f'{workers}, address: "{address}"'
        (gasearch.folder / "small.yaml").write_text(
            SPEC.format(evaluator="unhurried", evaluations=evaluations, workers=workers)
        )
        self.process = gasearch.start("run", "small.yaml")
        gasearch.wait_for(2, self.process, timeout_s=100)
        self.begun = family(self.process.pid)

    def named(self, name):
        return named(self.process.pid, name)

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)

    def seconds_to_next(self, *, timeout_s=150):
        """Wall seconds until two more outcomes are stored than now: one may have been on its way."""
        began, completed = time.monotonic(), self.gasearch.completed()
        self.gasearch.wait_for(min(completed + 2, self.evaluations), self.process, timeout_s=timeout_s)
        return time.monotonic() - began

    def require_the_undisturbed_answer(self, *, most_lost):
        """Wait for the end; nothing is missing, nothing is counted twice, no process is left."""
        self.begun |= family(self.process.pid)
        done = finish(self.process, timeout_s=400)
        assert done.status == 0, done.err
        assert gone(self.begun), self.begun
        retries = self.gasearch.ask(lambda reader: reader.counts(reader.search("small").id).retries)
        print(f"{retries} attempts lost")
        assert retries <= most_lost
        disturbed = self.gasearch.ask(answer)
        self.gasearch.url = f"sqlite:///{self.gasearch.folder}/undisturbed.db"
        self.gasearch.environment["GASEARCH_DB"] = self.gasearch.url
        text = SPEC.format(evaluator="quick", evaluations=self.evaluations, workers=0)
        (self.gasearch.folder / "small.yaml").write_text(text)
        assert self.gasearch.here("run", "small.yaml").status == 0
        assert disturbed == self.gasearch.ask(answer)
        return done


def answer(reader):
    """All of a generational search, but for the order in which outcomes of one generation arrived."""
    record = reader.search("small")
    outcomes = [
        (one.candidate, one.replicate, one.seed, without_times(one.result.outcome))
        for one in reader.evaluations(record.id)
    ]
    return {
        "candidates": [(one.number, one.key, one.generation, one.parents) for one in reader.candidates(record.id)],
        "outcomes": sorted(outcomes, key=lambda outcome: outcome[:2]),
        "front": sorted(network.key for network in reader.front(record.id)),
        "generations": [(one.number, one.front_size, one.hypervolume) for one in reader.generations(record.id)],
    }


def kill_every_2_s(search, seconds, victims):
    """Kill one after another; returns how many."""
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until and search.process.poll() is None:
        time.sleep(2)
        victim = next(victims)(search)
        if victim is not None:
            search.kill(victim)
            kills += 1
    return kills


def any_worker(search):
    workers = search.named(WORKER)
    return random.choice(workers) if workers else None


def trial_of_any_worker(search):
    worker = any_worker(search)
    return None if worker is None else trial_of(worker)


@pytest.mark.slow
def test_workers_and_trials_killed_for_10_s_change_nothing_in_the_answer(gasearch):
    search = Disturbed(gasearch, evaluations=60)
    kills = kill_every_2_s(search, 10, itertools.cycle((any_worker, trial_of_any_worker)))
    assert kills >= 2
    search.require_the_undisturbed_answer(most_lost=kills)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_killed_every_2_s_for_60_s_changes_nothing_in_the_answer(gasearch):
    search = Disturbed(gasearch, evaluations=500)
    kills = kill_every_2_s(search, 60, itertools.repeat(any_worker))
    print(f"{kills} kills")
    assert kills >= 20
    search.require_the_undisturbed_answer(most_lost=kills)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("of", ["worker", "trial"])
def test_a_search_is_soon_back_at_work_when_its_only_worker_is_killed(gasearch, of):
    search = Disturbed(gasearch, evaluations=80, workers=1)
    waits = []
    for _ in range(3):
        [worker] = search.named(WORKER)
        search.kill(worker if of == "worker" else trial_of(worker))
        waits.append(search.seconds_to_next())
        search.seconds_to_next()
    print(f"back at work after the {of}'s death in", [f"{wait:.1f} s" for wait in waits])
    search.require_the_undisturbed_answer(most_lost=3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_killed_part_of_ray_is_started_again(gasearch, part):
    search = Disturbed(gasearch, evaluations=150)
    [victim] = search.named(part)
    before, began = family(search.process.pid), time.monotonic()
    search.kill(victim)
    assert gone(before)  # workers go on for a moment without it
    search.seconds_to_next()
    wait = time.monotonic() - began
    print(f"back at work after the {part}'s death in {wait:.1f} s")
    done = search.require_the_undisturbed_answer(most_lost=2)
    assert done.err.count("Ray went away (a process of Ray's own died): starting it again") == 1
    assert done.err.count("Ray is back after") == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_control_service_that_is_away_for_5_s_costs_nothing(gasearch):
    search = Disturbed(gasearch, evaluations=200)
    [gcs] = search.named("gcs_server")
    os.kill(gcs, signal.SIGSTOP)
    time.sleep(5)
    os.kill(gcs, signal.SIGCONT)
    done = search.require_the_undisturbed_answer(most_lost=0)
    assert "Ray went away" not in done.err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_control_service_that_is_away_for_75_s_is_replaced(gasearch):
    search = Disturbed(gasearch, evaluations=1000)
    [gcs] = search.named("gcs_server")
    os.kill(gcs, signal.SIGSTOP)
    began = time.monotonic()
    assert gone({gcs}, within_s=75)
    search.seconds_to_next()
    wait = time.monotonic() - began
    print(f"back at work {wait:.1f} s after the control service stopped answering")
    search.require_the_undisturbed_answer(most_lost=2)


@pytest.fixture
def cluster(gasearch):
    """A Ray cluster that the test starts, with a token of its own."""
    token = gasearch.folder / "token"
    token.write_text(64 * "a")
    token.chmod(0o600)
    gasearch.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    cluster = Cluster(gasearch)
    yield cluster
    cluster.end()


class Cluster:
    """Nodes on this machine, as `tests.doubles.ray_nodes` starts them."""

    def __init__(self, gasearch):
        self._gasearch, self._process, self.address = gasearch, None, ""
        self._port = free_port()

    def start(self):
        """Start it, at the same port as the last time."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.ray_nodes", str(self._port)],
            env=self._gasearch.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.address = self._process.stdout.readline().strip()
        assert self.address.endswith(f":{self._port}")

    def do(self, order):
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self):
        if self._process is not None:
            assert not alive(end_session(self._process.pid))
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None


def free_port():
    """Below those that the system gives to whoever asks for any, so that nobody else takes it in between."""
    while True:
        port = random.randrange(21_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port


def alive(pids):
    return [pid for pid in pids if is_alive(pid)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_that_is_away_for_75_s_is_waited_for(gasearch, cluster):
    cluster.start()
    search = Disturbed(gasearch, evaluations=200, address=cluster.address)
    cluster.end()
    began = time.monotonic()
    time.sleep(75)
    cluster.start()
    search.seconds_to_next()
    wait = time.monotonic() - began
    print(f"back at work {wait:.1f} s after the cluster went away for 75 s and the time that it took to start")
    done = search.require_the_undisturbed_answer(most_lost=4)
    assert done.err.count("Ray is back after") == 1
    assert 3 <= done.err.count("Ray is still away") <= 6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nodes_that_leave_and_join_cost_what_ran_on_them(gasearch, cluster):
    cluster.start()
    search = Disturbed(gasearch, evaluations=300, address=cluster.address)
    for order in ("remove", "add", "remove", "add"):
        assert cluster.do(order) == "done"
        print(f"after {order}: {search.seconds_to_next():.1f} s")
        time.sleep(5)
    search.require_the_undisturbed_answer(most_lost=8)
