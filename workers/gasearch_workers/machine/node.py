"""CPUs and memory that this process may use of its machine, as affinity and control groups (containers) bound them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GROUPS: Path = Path("/sys/fs/cgroup")
MEMBERSHIP: Path = Path("/proc/self/cgroup")
MEMORY: Path = Path("/proc/meminfo")
_UNBOUND: Final = 2**60  #: Bytes from which on version 1 means "no limit".


def usable_cpus() -> int:
    """CPUs that this process may keep busy, at least 1; of a quota such as 2.5 CPUs the whole ones."""
    counts = [float(os.cpu_count() or 1)]
    if hasattr(os, "process_cpu_count"):  # from Python 3.13: also PYTHON_CPU_COUNT
        counts.append(os.process_cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    for folder in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            quota, period = (folder / "cpu.max").read_text().split()
            counts.append(int(quota) / int(period))
        with contextlib.suppress(OSError, ValueError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:  # -1: none
                counts.append(int(quota) / int(period))
    return max(1, int(min(counts)))


def node_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    return min([_all_bytes(), *(limit for limit, _ in _memory_groups())])


def free_memory() -> int:
    """Bytes of memory that this machine, or the container that this process is in, can still give."""
    return min([_available_bytes(), *(limit - used for limit, used in _memory_groups())])


def _memory_groups() -> Iterator[tuple[int, int]]:
    """Limit and use of each group that bounds this process."""
    for folder in _groups("memory"):
        for limit, use in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with contextlib.suppress(OSError, ValueError):
                found = int((folder / limit).read_text())
                if found < _UNBOUND:
                    yield found, _number_in(folder / use)


def _number_in(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and those above it, innermost first; of both versions, whichever there are.

    A container may see its group's name as the machine knows it, but its folder as the topmost one: what isn't there
    is passed over by who reads it.
    """
    for line in _lines_of(MEMBERSHIP):
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        for top in {GROUPS / names, GROUPS / controller} if names else {GROUPS}:
            inner = top / path.lstrip("/")
            while inner != top:
                yield inner
                inner = inner.parent
            yield top


def _lines_of(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:  # no Linux
        return []


def _all_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _available_bytes() -> int:
    found = [line for line in _lines_of(MEMORY) if line.startswith("MemAvailable:")]
    return int(found[0].split()[1]) * 1024 if found else _all_bytes()
