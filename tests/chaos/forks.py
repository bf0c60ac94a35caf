"""Controllers by the hundred: a process that has imported all once, and forks one for each that is asked for.

Starting Python and importing gasearch takes most of a second; a fork takes ten milliseconds.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
POLL_S = 0.002


class Controller:
    """A controller in a process of its own."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self._forks, self.pid = forks, pid
        self.status: int | None = None  #: Exit status; minus the signal that ended it.

    def signal(self, number: int) -> None:
        """Send it a signal; the process is ours until it was waited for, so the number is its own."""
        if self.status is None:
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it has ended; afterwards its status is known."""
        if self.status is None:
            self.status = self._forks.status_of(self.pid)
        return self.status is not None

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for its end."""
        until = time.monotonic() + timeout_s
        while not self.has_ended():
            assert time.monotonic() < until, f"controller {self.pid} still runs after {timeout_s:g} s"
            time.sleep(POLL_S)
        assert self.status is not None
        return self.status

    def kill(self) -> int:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        return self.wait()

    @property
    def is_done(self) -> bool:
        """Whether the search is finished, by this controller or by one that died right after the last write."""
        return self.status == 0 or (self.status == 2 and "is finished: " in self.words)

    @property
    def words(self) -> str:
        """Its last words: how it ended, or with what error."""
        path = self._forks.folder / f"{self.pid}.txt"
        return path.read_text() if path.exists() else ""


class Forks:
    """The process that forks controllers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.forks", str(folder)],
            cwd=ROOT,
            env={**os.environ, **threads, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, **options: Any) -> Controller:
        """Fork a controller, see `tests.chaos.controllers.drive`."""
        return Controller(self, self._ask({"start": options}))

    def run(self, **options: Any) -> Controller:
        """Fork one, and wait for its end."""
        controller = self.start(**options)
        controller.wait(120)
        return controller

    def status_of(self, pid: int) -> int | None:
        """Its exit status; None while it runs."""
        status: int | None = self._ask({"status": pid})
        return status

    def close(self) -> None:
        """End the process, and whatever it forked."""
        self._server.communicate(timeout=60)

    def _ask(self, question: Mapping[str, Any]) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def _serve(folder: Path) -> None:
    from tests.chaos import controllers

    with tempfile.TemporaryDirectory() as store:
        controllers.warm_up(Path(store) / "store.db")
    gc.freeze()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # waits until the controller listens to it
    running: set[int] = set()
    for line in sys.stdin:
        question = json.loads(line)
        if "start" in question:
            pid = os.fork()
            if pid == 0:
                os.close(sys.stdin.fileno())
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                os.setsid()
                words = folder / f"{os.getpid()}.txt"
                try:
                    controllers.drive(words, **question["start"])
                except KeyboardInterrupt:
                    os._exit(130)
                except BaseException:
                    words.write_text(traceback.format_exc())
                finally:
                    os._exit(99)
            running.add(pid)
            answer: int | None = pid
        else:
            ended, status = os.waitpid(question["status"], os.WNOHANG)
            running.discard(ended)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        print(json.dumps(answer), flush=True)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
