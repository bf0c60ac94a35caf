"""The process that hosts Ray, as the controller sees it: started, spoken to, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from gasearch.dispatch.ray_cluster import is_secret
from gasearch.dispatch.ray_host import Answer, Beat, Call, Failed, Gone, Notice, Report
from gasearch.dispatch.sessions import end_session
from gasearch.errors import WorkersUnavailable

SILENCE_S = 30.0  #: Without a word from the process while it works on a call; it says one every second.
CLOSE_S = 5.0  #: For Ray to shut down; then it is killed.


class RayGone(Exception):
    """Ray, or the process that hosts it, is no more; another one may be started."""


class RayProcess:
    """One such process; `gasearch.dispatch.ray_host` is what runs in it."""

    def __init__(self, options: dict[str, Any], notice: Callable[[str], None]) -> None:
        """Start it, and Ray in it: the first that `hear` gives is the answer to that."""
        self.slots = self.free = 0  #: As of the last answer; nothing changes in the pool between two calls.
        self._notice = notice
        self._folder: str | None = None
        self._is_asked = False
        self._link, other = Pipe()
        descriptor = other.fileno()
        with contextlib.closing(other):
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-P", "-c", program(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=_output(),
                stderr=_output(),
                env=_environment(),
                pass_fds=[descriptor],
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._ask(Call(options=options))

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of its `RayPool` and wait for what it returns.

        Raises:
            RayGone: if Ray or the process went away instead.
            WorkersUnavailable: if the method raised that; the process ends.
        """
        self._ask(Call(method=method, arguments=arguments))
        while (answer := self.hear(1.0)) is None:
            pass
        return answer.value

    def hear(self, timeout_s: float) -> Answer | None:
        """The answer to what it was asked, once it is there; None if it isn't in that time.

        Raises:
            RayGone: if Ray or the process went away instead.
            WorkersUnavailable: if another try would end the same way.
        """
        until = time.monotonic() + timeout_s
        while (report := self._next(max(0.0, until - time.monotonic()))) is not None:
            match report:
                case Answer(value=value, slots=slots, free=free):
                    self._folder = self._folder if self.slots else value
                    self.slots, self.free, self._is_asked = slots, free, False
                    return report
                case Notice(message=message):
                    self._notice(message)
                case Failed(message=message):
                    raise WorkersUnavailable(message)
                case Gone(reason=reason):
                    raise RayGone(reason)
                case Beat():
                    pass
        return None

    def close(self, *, is_patient: bool, keeps_logs: bool) -> None:
        """End the process and all that it started.

        Args:
            is_patient: Whether to let it shut Ray down before, which takes more than a second, unless it is at work.
            keeps_logs: Whether to leave the logs of a Ray of our own, as somebody may want to learn what happened.
        """
        if is_patient and not self._is_asked:
            self._ask(Call(method="close"))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_S)
        self._link.close()
        end_session(self._process.pid)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._folder is not None and not keeps_logs:
            _remove_session(Path(self._folder))

    def _ask(self, call: Call) -> None:
        """Send a call; if the process is dead, `hear` says so."""
        self._is_asked, self._heard_at = True, time.monotonic()
        with contextlib.suppress(OSError):
            self._link.send(call)

    def _next(self, timeout_s: float) -> Report | None:
        try:
            if not self._link.poll(timeout_s):
                silence = time.monotonic() - self._heard_at
                if silence > SILENCE_S:
                    raise RayGone(f"its process said nothing for {silence:.0f} s")
                return None
            report: Report = self._link.recv()
        except (OSError, EOFError):
            raise RayGone(f"its process ended{self._status()}") from None
        self._heard_at = time.monotonic()
        return report

    def _status(self) -> str:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ""
        return f" by signal {-status}" if status < 0 else f" with status {status}"


def program(descriptor: int) -> str:
    """The program of the process: it finds modules where we do, and Ray's workers find those beside our own script."""
    return (
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv = {sys.argv[:1]!r}; "
        f"from gasearch.dispatch.ray_host import main; main({descriptor})"
    )


def _environment() -> dict[str, str]:
    """Ours, without our secrets, but with the folder where Ray's token is kept."""
    return {name: value for name, value in os.environ.items() if name == "GASEARCH_STATE" or not is_secret(name)}


def _output() -> int:
    """Ray's driver prints whole logs at every death: only who looks for a defect wants to see that."""
    return 2 if os.environ.get("GASEARCH_DEBUG", "0") not in ("", "0") else subprocess.DEVNULL


def _remove_session(folder: Path) -> None:
    """Remove what a Ray of our own has left, and nothing else."""
    if folder.name.startswith("session_") and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
