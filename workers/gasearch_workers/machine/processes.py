"""Processes of ours: started, and with all that they start found, weighed and ended.

Linux shows them in /proc; elsewhere only the first of a family is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

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


def start_python(
    program: str, *, paths: Sequence[str], environment: Mapping[str, str], output: int, inherited: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Start a Python in a session of its own that reads nothing and has no descriptor but those that it is given.

    Args:
        program: Its statements.
        paths: Where it finds modules.
        environment: All of it.
        output: The descriptor of what it prints.
        inherited: The other descriptors, under the same numbers.

    Raises:
        OSError: if the system has no room for one more process.
    """
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-P", "-c", f"import sys; sys.path[:] = {list(paths)!r}; {program}"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        pass_fds=inherited,
        start_new_session=True,
    )


#: Waits for the end of its input, which only the host holds; then ends what carries the mark, and removes the folder.
#: A shell, as a Python would take ten times the memory for as long as the host lives.
_REAPER: Final = """
exec 3<&0
(
    trap '' HUP INT TERM
    read -r word <&3
    tries=50
    while [ $tries -gt 0 ] && pids=$(grep -slF -e "$1" /proc/[0-9]*/environ | cut -d/ -f3) && [ -n "$pids" ]; do
        kill -STOP $pids
        kill -KILL $pids
        sleep 0.1
        tries=$((tries - 1))
    done
    rm -rf -- "$2"
) </dev/null >/dev/null 2>&1 &
"""


def start_reaper(mark: str, folder: str) -> int:
    """Start what ends the marked processes and removes the folder once this process ends, even if it is killed.

    It does so too once the descriptor that this returns is closed. It is nobody's child, so that who ends the children
    of this process doesn't end it.

    Raises:
        OSError: if the system has no room for it.
    """
    read_end, write_end = os.pipe()
    try:
        subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", _REAPER, "gasearch-reaper", mark, folder],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
            check=True,
        )
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return write_end


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
            found += map(int, shown(pid, f"task/{thread}/children").split())
    return found


def shown(pid: int, file: str) -> bytes:
    """What the system shows of a process in such a file; b"" for one that is gone or another user's, or no Linux."""
    try:
        with open(f"/proc/{pid}/{file}", "rb") as opened:
            return opened.read()
    except OSError:
        return b""


def _status(pid: int) -> list[bytes]:
    """State, parent, group, session and so on; [] for a process that is gone."""
    return shown(pid, "stat").rpartition(b")")[2].split()


def marked(mark: str) -> list[int]:
    """Every process of this user that began with that text ("NAME=value") in its environment; never this one."""
    wanted, found, unseen = mark.encode(), [], _every_process()
    for _ in range(_LOOKS):
        becoming = []  # another program: for that moment it shows no environment at all
        for pid in unseen:
            content = shown(pid, "environ")
            if wanted in content.split(b"\0"):
                found.append(pid)
            elif not content:
                with contextlib.suppress(OSError):  # gone, another user's, or a thread of the system's
                    os.readlink(f"/proc/{pid}/exe")
                    becoming.append(pid)
        if not becoming:
            break
        unseen = becoming
        time.sleep(_PAUSE_S)
    return [pid for pid in found if pid != os.getpid()]


def session_members(leader: int) -> set[int]:
    """The processes of that leader's session, and what these have started, in whichever session."""
    members = {pid for pid in _every_process() if _status(pid)[3:4] == [b"%d" % leader]}
    return members | {child for pid in members for child in descendants(pid)}


def _every_process() -> list[int]:
    with contextlib.suppress(OSError):  # no Linux
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


def is_alive(pid: int) -> bool:
    """True for a process that is there and no zombie."""
    return _status(pid)[:1] not in ([], [b"Z"], [b"X"])


def is_tracker(pid: int) -> bool:
    """True for the helper that Python's multiprocessing keeps for as long as its process lives."""
    return b"multiprocessing.resource_tracker" in shown(pid, "cmdline")


def memory_of(pids: Iterable[int], *, limit: int) -> int:
    """Bytes of memory that processes take together.

    What they share counts once, as long as that decides whether they keep to the limit: weighing it takes longer.
    """
    pids = list(pids)
    rough = sum(map(_resident, pids))
    return rough if rough <= limit or len(pids) == 1 else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    pages = shown(pid, "statm").split()[1:2]
    return int(pages[0]) * _PAGE if pages else 0


def _proportional(pid: int) -> int:
    """Of shared memory the process's part."""
    lines = shown(pid, "smaps_rollup").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), _resident(pid))


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


def end_session(leader: int, *, spared: int = 0) -> set[int]:
    """Kill the processes of a session, whether its leader still lives or not; returns all that it killed.

    Args:
        leader: The process that began it.
        spared: One that is not killed.
    """
    return end_processes(lambda: session_members(leader) - {spared})


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
