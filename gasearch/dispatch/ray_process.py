"""The process that hosts Ray, as the controller sees it: started, spoken to, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from gasearch.dispatch.ray_cluster import is_secret
from gasearch.dispatch.ray_link import Close, Gone, News, Open, Order, Report, Submit, Up
from gasearch.dispatch.sessions import end_session

SILENCE_S = 30.0  #: Without a word from the process; it says one every second.
CLOSE_S = 5.0  #: For Ray to shut down; then it is killed.


class RayProcess:
    """One such process; `gasearch.dispatch.ray_host` is what runs in it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.is_up = False
        self._free = self._taken = self._sent = 0
        self._folder: str | None = None
        self._heard_at = time.monotonic()
        self._link, other = Pipe()
        descriptor = other.fileno()
        with contextlib.closing(other):
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-P", "-c", _program(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=_output(),
                stderr=_output(),
                env=_environment(),
                pass_fds=[descriptor],
                start_new_session=True,
            )
        self.send(Open(options=options))

    @property
    def free(self) -> int:
        """How many more requests would begin at once, those counted that it hasn't read yet."""
        return self._free - (self._sent - self._taken)

    @property
    def has_more(self) -> bool:
        """Whether it has said what hasn't been heard yet."""
        with contextlib.suppress(OSError):
            return self._link.poll(0)
        return True

    def send(self, order: Order) -> None:
        """Give an order; if it is dead, `hear` will tell."""
        if isinstance(order, Submit):
            self._sent += 1
        with contextlib.suppress(OSError):
            self._link.send(order)

    def hear(self, timeout_s: float) -> Report | None:
        """What it says next, in time; its death is a report too."""
        try:
            if not self._link.poll(timeout_s):
                silence = time.monotonic() - self._heard_at
                return Gone(reason=f"its process said nothing for {silence:.0f} s") if silence > SILENCE_S else None
            report: Report = self._link.recv()
        except (OSError, EOFError):
            return Gone(reason=f"its process ended{self._status()}")
        self._heard_at = time.monotonic()
        match report:
            case Up(free=free, session_folder=folder):
                self.is_up, self._free, self._folder = True, free, folder
            case News(free=free, seen=seen):
                self._free, self._taken = free, seen
            case _:
                pass
        return report

    def close(self, *, is_patient: bool, keeps_logs: bool) -> None:
        """End the process and all that it started.

        Args:
            is_patient: Whether to let it shut Ray down before, which takes more than a second.
            keeps_logs: Whether to leave the logs of a Ray of our own, as somebody may want to learn what happened.
        """
        if is_patient:
            self.send(Close())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_S)
        self._link.close()
        end_session(self._process.pid)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._folder is not None and not keeps_logs:
            _remove_session(Path(self._folder))

    def _status(self) -> str:
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ""
        return f" by signal {-status}" if status < 0 else f" with status {status}"


def _program(descriptor: int) -> str:
    """What the process runs: it finds modules where we do, and Ray's workers find those beside our own script."""
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
