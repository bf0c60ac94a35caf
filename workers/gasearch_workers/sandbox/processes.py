"""The processes of a trial, as Linux shows them in /proc: found, weighed, ended. Elsewhere only the first is known."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SUBREAPER, _DEATH_SIGNAL, _NAME = 36, 1, 15  # Linux's numbers of the process controls
END_S = 5.0  #: Wall seconds for killed processes to be gone.
_PAUSE_S = 0.005
_LOOKS = 3


def adopt_orphans() -> None:
    """Have this process inherit what its descendants leave behind, so that it stays their descendant. Linux only."""
    _control(_SUBREAPER, 1)


def die_with(parent: int) -> bool:
    """Have the system kill this process when its parent ends; False where that one is gone already."""
    _control(_DEATH_SIGNAL, signal.SIGKILL)
    return os.getppid() == parent


def name_process(name: str) -> None:
    """Set what `top` calls this process, up to 15 letters. Linux only."""
    _control(_NAME, name.encode())


def _control(option: int, value: int | bytes) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no Linux
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(pid: int, *, most: float = math.inf) -> list[int]:
    """A process's children, theirs and so on, zombies among them; without the process itself.

    Once more than `most` are found, the others are not looked for: where many run, each look takes long.
    """
    found: list[int] = []
    ahead = [pid]
    while ahead and len(found) <= most:
        children = _children(ahead.pop())
        found += children
        ahead += children
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # gone meanwhile, or no Linux
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def marked(mark: str) -> list[int]:
    """Every process of this user that began with that text ("NAME=value") in its environment; never this one."""
    wanted, found, unseen = mark.encode(), [], every_process()
    for _ in range(_LOOKS):
        becoming = []  # another program: for that moment it shows no environment at all
        for pid in unseen:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
                content = file.read()
                if wanted in content.split(b"\0"):
                    found.append(pid)
                elif not content and os.readlink(f"/proc/{pid}/exe"):  # no thread of the system's
                    becoming.append(pid)
        if not becoming:
            break
        unseen = becoming
        time.sleep(_PAUSE_S)
    return [pid for pid in found if pid != os.getpid()]


def every_process() -> list[int]:
    """The numbers of all that the system shows; none where it isn't Linux."""
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:  # no Linux
        return []


def is_alive(pid: int) -> bool:
    """True for a process that is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_tracker(pid: int) -> bool:
    """True for the helper that Python's multiprocessing keeps for as long as its process lives."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"multiprocessing.resource_tracker" in file.read()
    except OSError:
        return False


def memory_of(pids: Iterable[int], *, limit: int) -> int:
    """Bytes of memory that processes take together.

    What they share counts once, as long as that decides whether they keep to the limit: weighing it takes longer.
    """
    pids = list(pids)
    rough = sum(map(_resident, pids))
    return rough if rough <= limit or len(pids) == 1 else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Of shared memory the process's part."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return _resident(pid)


def end_processes(find: Callable[[], Iterable[int]]) -> set[int]:
    """Kill every process that `find` gives, and those that they start meanwhile; returns all that it killed.

    All are stopped before the first is killed: none can start another one for what it sees dying. A process is stopped
    with its group, of which the system forgets none, however fast they multiply; so none may be of this one's group.
    """
    until, killed = time.monotonic() + END_S, set[int]()
    while True:
        stopped: set[int] = set()
        while fresh := {pid for pid in find() if is_alive(pid)} - stopped:
            for group in _groups_of(fresh):
                _signal(-group, signal.SIGSTOP)
            stopped |= fresh
        for pid in stopped:
            _signal(pid, signal.SIGKILL)
        killed |= stopped
        if not stopped or time.monotonic() > until:
            return killed
        while any(map(is_alive, stopped)) and time.monotonic() < until:
            time.sleep(_PAUSE_S)


def stop_group(leader: int) -> None:
    """Stop a process with its group, in one step, before anything is looked for."""
    _signal(-leader, signal.SIGSTOP)


def _groups_of(pids: Iterable[int]) -> set[int]:
    found = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            found.add(os.getpgid(pid))
    return found - {os.getpgrp()}


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
