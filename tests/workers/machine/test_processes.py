"""Processes as /proc shows them, what they take, and that none of them survives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gasearch_workers.machine.processes import (
    descendants,
    end_processes,
    end_session,
    is_alive,
    marked,
    memory_of,
    session_members,
    start_python,
    start_reaper,
)

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


def test_a_session_is_its_leader_its_members_and_what_they_started_elsewhere():
    with one_family() as leader:
        members = {leader.pid, *descendants(leader.pid)}
        assert session_members(leader.pid) == members
        end_session(leader.pid, spared=leader.pid)
        assert not any(map(is_alive, members - {leader.pid}))
        assert is_alive(leader.pid)


def test_a_session_ends_although_its_leader_did_before():
    with one_family() as leader:
        [member] = session_members(leader.pid) - {leader.pid} - outside(leader.pid)
        os.kill(leader.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(leader.pid))
        end_session(leader.pid)
        assert not is_alive(member)


def outside(leader):
    return {pid for pid in descendants(leader) if os.getsid(pid) != leader}


def test_a_reaper_cleans_up_once_its_host_is_gone(family, tmp_path):
    (tmp_path / "left/below").mkdir(parents=True)
    wait_until(lambda: len(descendants(family.pid)) == 2)
    host = start_reaper(MARK, str(tmp_path / "left"))
    time.sleep(0.05)
    assert (tmp_path / "left").exists()
    os.close(host)
    wait_until(lambda: not (tmp_path / "left").exists())
    assert marked(MARK) == []


def test_a_python_begins_with_the_paths_the_environment_and_the_descriptors_that_it_is_given(tmp_path):
    (tmp_path / "found_there.py").write_text("answer = 42")
    read_end, write_end = os.pipe()
    program = f"import os, found_there; print(found_there.answer, dict(os.environ)); os.write({write_end}, b'done')"
    with (tmp_path / "output").open("wb") as output:
        process = start_python(
            program,
            paths=[str(tmp_path), *sys.path],
            environment={"LC_ALL": "C"},
            output=output.fileno(),
            inherited=[write_end],
        )
    assert process.wait() == 0
    assert os.read(read_end, 10) == b"done"
    assert (tmp_path / "output").read_text().startswith("42 {'LC_ALL': 'C'")
    os.close(read_end)
    os.close(write_end)
