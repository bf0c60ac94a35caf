"""Who holds a lease: "host/process/start", from which another process of that host tells whether the holder lives."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path


def current_owner() -> str:
    """The name of this process as an owner: host, process number, and when and where it started."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{pid}/{_machine()}-{_start(pid)}"


def is_gone(owner: str) -> bool:
    """Whether that owner certainly runs no more: a process of this machine that ended, its number perhaps reused.

    False whenever that can't be known: an owner on another machine, in another container, or before a reboot.
    """
    match owner.split("/"):
        case [host, pid, start] if host == socket.gethostname() and pid.isdecimal() and "-" in start:
            machine, _, started = start.partition("-")
            if machine != _machine():
                return False
            return not _is_alive(int(pid)) or _start(int(pid)) != started
        case _:
            return False


def describe(owner: str) -> str:
    """The owner as a sentence names it."""
    match owner.split("/"):
        case [host, pid, _]:
            return f"process {pid} on {host}"
        case _:
            return owner


def being_run(search: str, owner: str) -> str:
    """The sentence that refuses a search which somebody else runs."""
    return f"search {search!r} is being run by {describe(owner)}: wait for it, or end it with `gasearch stop {search}`"


def _machine() -> str:
    """Name what two processes share exactly if they see the same process numbers: this boot, this process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.blake2b((boot + os.readlink("/proc/self/ns/pid")).encode(), digest_size=3).hexdigest()
    except OSError:  # not Linux: the host's name must do
        return "0"


def _start(pid: int) -> str:
    """When a process started, in clock ticks since the boot; "0" where that can't be known."""
    return status[19] if (status := _status(pid)) else "0"


def _is_alive(pid: int) -> bool:
    """Whether a process of that number exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return _status(pid)[:1] != ["Z"]


def _status(pid: int) -> list[str]:
    """What Linux says of a process, behind its name; [] where that can't be known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
