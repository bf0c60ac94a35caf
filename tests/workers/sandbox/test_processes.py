"""Processes as /proc shows them, what they take, and that none of them survives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gasearch_workers.sandbox.processes import descendants, end_processes, is_alive, marked, memory_of

from tests.doubles.families import MARK, one_family, start_family, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@pytest.fixture
def family():
    with one_family() as process:
        yield process


def test_descendants_and_marked_processes_are_found(family):
    wait_until(lambda: len(descendants(family.pid)) == 2)
    assert set(marked(MARK)) == {family.pid, *descendants(family.pid)}
    assert descendants(2**22 - 1) == []


def test_this_process_is_never_among_the_marked(monkeypatch):
    assert os.getpid() not in marked(next(iter(Path("/proc/self/environ").read_bytes().split(b"\0"))).decode())


def test_all_of_a_family_ends_although_its_head_ended_before(family):
    family.kill()
    wait_until(lambda: not is_alive(family.pid))
    killed = end_processes(lambda: marked(MARK))
    assert len(killed) == 2
    assert not any(map(is_alive, killed))
    assert marked(MARK) == []


def test_a_family_that_grows_while_it_is_ended_ends_too():
    process = start_family("(while :; do sleep 600 & sleep 0.01; done) &")
    wait_until(lambda: len(descendants(process.pid)) >= 3)
    end_processes(lambda: {process.pid, *descendants(process.pid), *marked(MARK)})
    process.communicate()
    assert marked(MARK) == []


def test_memory_that_is_shared_counts_once_where_it_decides():
    code = "import os, time; held = bytearray(80_000_000); os.fork(); os.fork(); print(1, flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    for _ in range(4):
        process.stdout.readline()
    pids = [process.pid, *descendants(process.pid)]
    rough, exact = memory_of(pids, limit=10**12), memory_of(pids, limit=100_000_000)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(pids) == 4
    assert rough > 4 * 80_000_000
    assert 80_000_000 < exact < 130_000_000
