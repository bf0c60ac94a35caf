"""Where a process was when it crashed or had to be ended, as Python's faulthandler writes it.

It writes to a file of its own, which only the host reads: what an evaluation prints can't pass for it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from gasearch_workers.machine.tracebacks import shortened

#: Has a process write where it is. No program uses it by itself; one that makes it its own is ended by it at worst.
_ASK: Final = getattr(signal, "SIGRTMAX", signal.SIGUSR2)
CRASHES: Final = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
_HEAD: Final = "Fatal Python error: "
_ANSWER_S: Final = 0.2  #: For that to be written; a process that is halted never does.
_PAUSE_S: Final = 0.01
_LARGEST: Final = 2**16  #: Bytes of a report that are read.
_FRAME: Final = re.compile(r'^  File "([^"\n]*)", line (\d+) in (.+)$', re.MULTILINE)
#: The heads of threads: the one that crashed is the current one, and that which is asked is the last, Python's first.
_THREAD: Final = re.compile(
    r"^(?:(Current thread|Thread) 0x\w+.*|Stack) \(most recent call first\):\n((?:  .*\n?)*)", re.MULTILINE
)
_PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep
_INSTALLED: Final = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_LIBRARY: Final = str(Path(os.__file__).parent) + os.sep


def open_report(folder: str) -> int:
    """The descriptor of a new file without a name, which a process that inherits it writes its reports to."""
    with tempfile.TemporaryFile(dir=folder) as file:
        descriptor = os.dup(file.fileno())
    return descriptor


def report_crashes(descriptor: int) -> None:
    """Have this process report there when it crashes, and when it is asked; again for each evaluation, in this order.

    An evaluator may have turned it off, or sent it elsewhere, or left it to end the process at a later time.
    """
    faulthandler.cancel_dump_traceback_later()
    faulthandler.enable(file=descriptor, all_threads=True)
    faulthandler.register(_ASK, file=descriptor, all_threads=True, chain=False)


def forget_report(descriptor: int) -> None:
    """Empty the file."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)


def ask_where(pid: int, descriptor: int) -> None:
    """Have a process of which nothing more is wanted report where it is."""
    before = os.fstat(descriptor).st_size
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, _ASK)
    until, size = time.monotonic() + _ANSWER_S, before
    while time.monotonic() < until:
        time.sleep(_PAUSE_S)
        now = os.fstat(descriptor).st_size
        if now == size > before:  # it has begun, and wrote nothing more since
            break
        size = now


def read_report(descriptor: int) -> str:
    """The report, without the list of modules below it; "" for nothing."""
    return _without_modules(os.pread(descriptor, _LARGEST, 0).decode(errors="replace"))


def report_in(output: str) -> str:
    """The report at the end of what a process printed that was killed by one of `CRASHES`; "" for none."""
    _, head, rest = output.rpartition(_HEAD)
    return _without_modules(head + rest) if head else ""


def _without_modules(text: str) -> str:
    return shortened(text.partition("\nExtension modules:")[0])


def place_in(report: str) -> str:
    """Where the evaluator was by a report: "/home/me/toy.py, line 3 in evaluate"; "" where that isn't known.

    The innermost frame of the user's: of a program that calls a library, the line of the call. Their package may itself
    be installed beside the libraries that it uses. Where no frame is theirs, the innermost of ours.
    """
    threads = [(head == "Current thread", frames) for head, frames in _THREAD.findall(f"{report}\n")]
    if not threads:
        return ""
    current = [frames for is_current, frames in threads if is_current]
    frames = _FRAME.findall((current or [threads[-1][1]])[-1])
    packages = [_package_of(file) for file, _, _ in frames]
    called = next((package for package in reversed(packages) if package is not None), "")  # what we called
    theirs = [frame for frame, package in zip(frames, packages, strict=True) if package in ("", called)]
    ours = [frame for frame in frames if frame[0].startswith(_PACKAGE)]
    for file, line, name in (theirs or ours)[:1]:
        return f"{file}, line {line} in {name}"
    return ""


def _package_of(file: str) -> str | None:
    """The installed package that a file is of; "" for a program's own file, None for ours and Python's."""
    if file.startswith((_PACKAGE, "<")):
        return None
    if installed := _INSTALLED.search(file):
        return installed[1]
    return None if file.startswith(_LIBRARY) else ""
