"""What an evaluation may take, and what is said when it takes more."""

import os
from pathlib import Path

import pytest
from gasearch_workers.messages import FailureKind
from gasearch_workers.sandbox import limits
from gasearch_workers.sandbox.limits import Exceeded, Watch, folder_content, share_of_memory, size

from tests.doubles.families import one_family

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@pytest.fixture
def family():
    with one_family() as process:
        yield process


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
