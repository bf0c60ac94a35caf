"""CPUs and memory that this process may use: by affinity and control groups, real ones where they can be made."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gasearch_workers.machine import node
from gasearch_workers.machine.node import free_memory, node_memory, usable_cpus

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"
COUNT = "from gasearch_workers.machine.node import usable_cpus; print(usable_cpus())"
REAL = Path("/sys/fs/cgroup/cpu")  #: Of version 1.


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """One of 16 CPUs and 16 GB: makes files as the kernel shows them, from their names and contents."""
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 16, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 16_000_000, "SC_PAGE_SIZE": 1000}.get)
    for name in ("GROUPS", "MEMBERSHIP", "MEMORY"):
        monkeypatch.setattr(node, name, tmp_path / name)

    def show(membership="", memory=MEMINFO, **groups):
        (tmp_path / "MEMBERSHIP").write_text(membership)
        (tmp_path / "MEMORY").write_text(memory)
        for name, content in groups.items():
            file = tmp_path / "GROUPS" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    return show


@pytest.mark.parametrize(
    ("membership", "groups", "expected"),
    [
        ("", {}, 16),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/host/name\n", {"cpu.max": "400000 100000\n"}, 4),  # a container that sees its group as the topmost one
        ("3:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.cfs_quota_us": "500000\n"}, 5),
        ("1:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n"}, 16),
        ("1:cpu:/host/name\n0::/\n", {"cpu/cpu.cfs_quota_us": "600000\n"}, 6),
        ("1:memory:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n"}, 16),
    ],
)
def test_the_quota_of_every_group_above_counts(machine, membership, groups, expected):
    periods = {name.replace("quota", "period"): "100000\n" for name in groups if "quota" in name}
    machine(membership, **groups, **periods)
    assert usable_cpus() == expected


def test_affinity_counts(machine, monkeypatch):
    machine("0::/\n", **{"cpu.max": "800000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 4})
    assert usable_cpus() == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_process_that_is_bound_to_one_cpu_counts_one():
    first = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(["taskset", "-c", first, sys.executable, "-c", COUNT], capture_output=True, check=True)
    assert done.stdout == b"1\n"


@pytest.mark.skipif(usable_cpus() < 2, reason="one CPU can't be bounded further")
def test_a_process_in_a_real_group_counts_its_quota():
    group = REAL / f"gasearch-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip("control groups of version 1 can't be made here")
    try:
        join = f"echo $$ > {group}/cgroup.procs && exec \"$0\" -c '{COUNT}'"
        done = subprocess.run(["sh", "-c", join, sys.executable], capture_output=True, check=True)
    finally:
        group.rmdir()
    assert done.stdout == b"1\n"


@pytest.mark.parametrize(
    ("membership", "groups", "expected"),
    [
        ("", {}, (16_000_000_000, 8_000_000 * 1024)),
        ("0::/\n", {"memory.max": "2000000000\n", "memory.current": "500000000\n"}, (2_000_000_000, 1_500_000_000)),
        ("0::/\n", {"memory.max": "max\n", "memory.current": "500000000\n"}, (16_000_000_000, 8_000_000 * 1024)),
        ("0::/a/b\n", {"a/memory.max": "3000000000\n"}, (3_000_000_000, 3_000_000_000)),
        (
            "4:memory:/a\n",
            {"memory/a/memory.limit_in_bytes": "4000000000\n", "memory/a/memory.usage_in_bytes": "1000000000\n"},
            (4_000_000_000, 3_000_000_000),
        ),
        ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, (16_000_000_000, 8_000_000 * 1024)),
    ],
)
def test_the_memory_of_every_group_above_counts(machine, membership, groups, expected):
    machine(membership, **groups)
    assert (node_memory(), free_memory()) == expected


def test_a_system_that_shows_nothing_is_taken_at_its_whole_memory(machine):
    assert (node_memory(), free_memory()) == (16_000_000_000, 16_000_000_000)
