"""The limits of an evaluation on its node: memory, disk, processes; both figures are said when it takes more."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from typing import Final

from gasearch_workers.machine.node import node_memory
from gasearch_workers.machine.processes import descendants, memory_of
from gasearch_workers.messages import FailureKind

NODE_SHARE: Final = 0.9  #: Of a node's memory that its workers share; Ray itself kills workers at 0.95.
LEAST_MEMORY: Final = 2**30  #: Bytes: what a training with its libraries takes at the least.
MOST_PROCESSES: Final = 256
MEMORY_KEY: Final = "workers.memory_limit"  #: How the spec names the limit.
MOST_FILES: Final = 100_000  #: In a temporary folder.


class Exceeded(Exception):
    """An evaluation took more than it may."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks at what an evaluation has taken."""

    pid: int  #: Of its process.
    folder: str  #: Its temporary one.
    memory_limit_bytes: int | None
    disk_limit_bytes: int | None

    def check(self) -> None:
        """Look at all that the process and what it started take now.

        Raises:
            Exceeded: if that is more than they may, with both figures.
        """
        others = descendants(self.pid, most=MOST_PROCESSES)
        if len(others) > MOST_PROCESSES:
            text = f"the evaluation has more than {MOST_PROCESSES} processes, those that nobody waited for included"
            raise Exceeded(FailureKind.USER_ERROR, text)
        limit = self.memory_limit_bytes
        if limit is not None and (taken := memory_of((self.pid, *others), limit=limit)) > limit:
            text = f"the evaluation took {size(taken)} of memory; its limit is {size(limit)} ({MEMORY_KEY})"
            raise Exceeded(FailureKind.OUT_OF_MEMORY, text)
        limit = self.disk_limit_bytes
        if limit is None:
            return
        taken, files = folder_content(self.folder)
        found = size(taken) if taken > limit else f"more than {MOST_FILES:,} files" if files > MOST_FILES else ""
        if found:
            text = f"the evaluation left {found} in its temporary folder; its limit is {size(limit)}"
            raise Exceeded(FailureKind.USER_ERROR, f"{text} (workers.disk_limit)")


def restrict(*, memory_limit_bytes: int | None, disk_limit_bytes: int | None) -> None:
    """Bound this process for its next evaluation, and what it starts.

    A single allocation far beyond the memory limit is a MemoryError, a file beyond the disk limit an OSError. Address
    space costs nothing until it is used, so its bound is wider than that of the memory, which the host watches.
    """
    space = None if memory_limit_bytes is None else memory_limit_bytes + memory_limit_bytes // 4 + LEAST_MEMORY // 2
    _bound(resource.RLIMIT_DATA, space)
    _bound(resource.RLIMIT_FSIZE, disk_limit_bytes)


def keep_no_core() -> None:
    """A process that is killed by its own fault leaves no image of its memory on the disk."""
    _bound(resource.RLIMIT_CORE, 0)


def _bound(kind: int, wanted: int | None) -> None:
    """Set the soft limit; the hard one, where there is one, still holds."""
    _, hard = resource.getrlimit(kind)
    bounds = [bound for bound in (wanted, None if hard == resource.RLIM_INFINITY else hard) if bound is not None]
    with contextlib.suppress(ValueError, OSError):  # macOS bounds some of these by less than it says
        resource.setrlimit(kind, (min(bounds, default=resource.RLIM_INFINITY), hard))


def share_of_memory(sharers: int) -> int:
    """Bytes that each of so many workers of this node may use."""
    return max(LEAST_MEMORY, int(NODE_SHARE * node_memory() / max(1, sharers)))


def folder_content(folder: str) -> tuple[int, int]:
    """Bytes on the disk, and number, of all that a folder holds, of `MOST_FILES` at most; sparse files as they are."""
    total, count, ahead = 0, 0, [folder]
    while ahead and count <= MOST_FILES:
        with contextlib.suppress(OSError), os.scandir(ahead.pop()) as entries:  # gone meanwhile, or not to be read
            for entry in entries:
                count += 1
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
    return total, count


def size(count: int) -> str:
    """Bytes for people: "512 MB", "2.1 GB"."""
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
