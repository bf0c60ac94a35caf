"""All processes of a session, found and ended: what a process has started stays in its session unless it leaves it."""

from __future__ import annotations

from gasearch_workers.sandbox.processes import descendants, end_processes, every_process


def session_members(leader: int) -> set[int]:
    """The processes of that leader's session, and what these have started, in whichever session."""
    members = {pid for pid in every_process() if _session(pid) == leader}
    return members | {child for pid in members for child in descendants(pid)}


def end_session(leader: int, *, spared: int = 0) -> list[int]:
    """Kill the processes of a session, whether its leader still lives or not; returns what couldn't be ended.

    Args:
        leader: The process that began it.
        spared: One that is not killed.
    """
    return list(end_processes(lambda: session_members(leader) - {spared}))


def _session(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[3])
    except OSError:
        return None
