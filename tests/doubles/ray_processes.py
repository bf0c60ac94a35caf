"""The processes of a running search, found below its controller by what they are."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from gasearch_workers.machine.processes import descendants, is_alive

WORKER = "ray::TrainingWo"  # as much as the system keeps of a name


def named(controller: int, name: str) -> list[int]:
    """The living processes of that name among what a controller has started, oldest first."""
    found = []
    for pid in descendants(controller):
        with contextlib.suppress(OSError):
            if is_alive(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return sorted(found)


def family(controller: int) -> set[int]:
    """All that a controller has started."""
    return {pid for pid in descendants(controller) if is_alive(pid)}


def trial_of(worker: int) -> int | None:
    """The process in which a worker runs its evaluations."""
    children = [pid for pid in descendants(worker) if is_alive(pid)]
    return min(children, default=None)


def gone(pids: set[int], *, within_s: float = 20.0) -> bool:
    """Whether all of these end in that time."""
    until = time.monotonic() + within_s
    while any(map(is_alive, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
