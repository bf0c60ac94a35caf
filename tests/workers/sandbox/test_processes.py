"""Processes as /proc shows them, what they take, and that none of them survives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gasearch_workers.messages import FailureKind
from gasearch_workers.sandbox import limits
from gasearch_workers.sandbox.limits import Exceeded, Watch, folder_content, share_of_memory, size
from gasearch_workers.sandbox.processes import descendants, end_processes, is_alive, marked, memory_of
from gasearch_workers.sandbox.reaper import start_reaper

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")

MARK = f"GASEARCH_TRIAL=test-{os.getpid()}"


def start(command, *, mark=MARK):
    """A shell that runs a command and waits for a word that never comes."""
    name, _, value = mark.partition("=")
    return subprocess.Popen(
        ["/bin/sh", "-c", f"{command}\necho ready\nread word"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value, "PATH": os.environ["PATH"]},
        start_new_session=True,
    )


@pytest.fixture
def family():
    """A process with two children, one in a session of its own."""
    process = start("sleep 600 & setsid sleep 601 &")
    assert process.stdout.readline() == b"ready\n"
    yield process
    end_processes(lambda: {process.pid, *descendants(process.pid), *marked(MARK)})
    process.communicate()


def wait_until(condition, *, within_s=10):
    until = time.monotonic() + within_s
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


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
    process = start("(while :; do sleep 600 & sleep 0.01; done) &")
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


def test_a_watch_tells_both_figures(family, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below/file").write_bytes(b"x" * 3_000_000)
    watch = Watch(pid=family.pid, folder=str(tmp_path), memory_limit_bytes=10**9, disk_limit_bytes=2_000_000)
    with pytest.raises(Exceeded, match=r"left 3[.0-9]* MB in its temporary folder; its limit is 2 MB") as exceeded:
        watch.check()
    assert exceeded.value.kind is FailureKind.USER_ERROR
    watch = Watch(pid=family.pid, folder=str(tmp_path), memory_limit_bytes=100_000, disk_limit_bytes=None)
    with pytest.raises(
        Exceeded, match=r"took .* MB of memory; its limit is 0\.1 MB \(workers.memory_limit\)"
    ) as exceeded:
        watch.check()
    assert exceeded.value.kind is FailureKind.OUT_OF_MEMORY
    Watch(pid=family.pid, folder=str(tmp_path), memory_limit_bytes=10**9, disk_limit_bytes=10**9).check()


def test_many_small_files_are_too_much_too(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_FILES", 3)
    for number in range(5):
        (tmp_path / str(number)).touch()
    assert folder_content(str(tmp_path)) == (0, 5)
    with pytest.raises(Exceeded, match="left more than 3 files in its temporary folder"):
        Watch(pid=os.getpid(), folder=str(tmp_path), memory_limit_bytes=None, disk_limit_bytes=10**9).check()


def test_workers_share_nine_tenths_of_the_memory_and_have_enough_to_begin(monkeypatch):
    monkeypatch.setattr(limits, "node_memory", lambda: 4_000_000_000)
    assert share_of_memory(2) == 1_800_000_000
    assert share_of_memory(64) == 2**30


@pytest.mark.parametrize(("count", "text"), [(512_000_000, "512 MB"), (2_150_000_000, "2.15 GB"), (0, "0 MB")])
def test_bytes_are_told_in_a_fitting_unit(count, text):
    assert size(count) == text


def test_a_reaper_cleans_up_once_its_host_is_gone(family, tmp_path):
    (tmp_path / "left/below").mkdir(parents=True)
    wait_until(lambda: len(descendants(family.pid)) == 2)
    host = start_reaper(MARK, str(tmp_path / "left"))
    time.sleep(0.05)
    assert (tmp_path / "left").exists()
    os.close(host)
    wait_until(lambda: not (tmp_path / "left").exists())
    assert marked(MARK) == []
