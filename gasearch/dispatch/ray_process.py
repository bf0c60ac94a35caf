"""The process that hosts Ray for the controller, seen from both sides: what happens to Ray ends it at worst.

Ray's driver is ended from C++, without a word, some 15 s after its raylet died and 60 s after its GCS did; its
`shutdown` then hangs for minutes. So the driver is a child in a session of its own, which also keeps the terminal's
Ctrl-C from Ray's processes. It dies with the controller and takes along whatever it started: see `RevivingPool`.

The controller calls the methods of a `RayPool` there, one at a time, over a pair of sockets that nobody else holds.
Calls and answers are pickled, as Ray's own messages are: both sides are processes of one user, and of this code.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn

from gasearch_workers.machine.processes import descendants, end_session, is_alive, shown, start_python

from gasearch.dispatch.ray_cluster import first_line, is_secret
from gasearch.dispatch.ray_pool import RayPool
from gasearch.errors import WorkersUnavailable

SILENCE_S = 30.0  #: Without a word from the process while it works on a call; it says one every second.
CLOSE_S = 5.0  #: For Ray to shut down; then it is killed.
BEAT_S = 1.0
PROBE_S = 2.0  #: Between two questions to the GCS.
AWAY_S = 15.0  #: So long may the GCS not answer: it may have been restarted, or the network been down for a moment.
STUCK_S = 240.0  #: So long may one call of Ray take; twice what the pool itself waits for an answer.
PAUSE_S = 0.25
DYING_S = 3.0  #: A worker's end may be seen so long before that of its Ray.
PARTS = (b"gcs_server", b"raylet")  #: The processes without which a local Ray is dead.

_OURS = logging.getLogger("gasearch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """From the controller: what to do. The first one makes the pool; the pool's `close` ends the process."""

    method: str = ""  #: Of `RayPool`; "" makes one.
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None  #: Of `RayPool`, but for its callback.
    log_level: int = logging.WARNING  #: From which on the pool's lines are wanted in the controller's log.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The value that a call returned."""

    value: Any  #: Of the first one: the folder where a Ray of our own keeps its logs; None: it isn't ours.
    slots: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the user should know; "" says that the call is being worked on."""

    message: str = ""


class RayGone(Exception):
    """Ray, or the process that hosts it, is no more, or can't be worked with; another one may be started."""


#: From the process. An exception is its last word: `WorkersUnavailable` where another try would end the same way.
Report = Answer | Notice | logging.LogRecord | WorkersUnavailable | RayGone


# --- the controller's side --------------------------------------------------------------------------------------


class RayProcess:
    """One such process; `serve` is what runs in it."""

    def __init__(self, options: dict[str, Any], notice: Callable[[str], None]) -> None:
        """Start it, and Ray in it: the first that `hear` gives is the answer to that."""
        self.slots = self.free = 0  #: As of the last answer; nothing changes in the pool between two calls.
        self._notice = notice
        self._folder: str | None = None
        self._is_asked = False
        self._link, other = Pipe()
        is_debugging = os.environ.get("GASEARCH_DEBUG", "0") not in ("", "0")
        kept = {name: value for name, value in os.environ.items() if name == "GASEARCH_STATE" or not is_secret(name)}
        with contextlib.closing(other):
            self._process = start_python(
                program(other.fileno()),
                paths=sys.path,
                environment=kept,  # with the folder of Ray's token, which isn't its value
                output=2 if is_debugging else subprocess.DEVNULL,  # Ray's driver prints whole logs at every death
                inherited=[other.fileno()],
            )
        self.pid = self._process.pid
        self._ask(Call(options=options, log_level=_OURS.getEffectiveLevel()))

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
                    if message:
                        self._notice(message)
                case logging.LogRecord():
                    logging.getLogger(report.name).handle(report)
                case _:
                    raise report
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
        end_session(self.pid)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._folder is not None and not keeps_logs:
            folder = Path(self._folder)
            if folder.name.startswith("session_") and not folder.is_symlink():  # nothing but what a Ray of ours left
                shutil.rmtree(folder, ignore_errors=True)

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
    """The program of the process, whose Ray workers find modules beside our own script."""
    return f"sys.argv = {sys.argv[:1]!r}; from gasearch.dispatch.ray_process import serve; serve({descriptor})"


# --- the process's side -----------------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """Serve the controller over that socket until it closes it."""
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller drains
    RayHost(Connection(descriptor)).run()


class RayHost:
    """Runs a `RayPool` in the main thread; others watch Ray."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._sending = threading.Lock()
        self._called_at: float | None = None  #: Since when the call runs; None between two calls.
        self._stood_still_s = 0.0
        self._answer_at = self._clock()
        self._parts: tuple[int, ...] = ()
        self._is_watched = False

    def run(self) -> None:
        """Serve, then end this process and all that it started."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        try:
            self._serve()
        except WorkersUnavailable as error:
            self._end(RayGone(str(error)) if self._is_ray_dying() else error)
        except BaseException as error:
            self._end(RayGone(f"{type(error).__name__}: {first_line(error)}"))
        self._end(None)

    def _serve(self) -> None:
        pool: RayPool | None = None
        while True:
            try:
                call: Call = self._link.recv()
            except (OSError, EOFError):  # the controller is gone: nobody wants what runs
                return
            self._called_at = self._clock()
            if pool is None:
                assert call.options is not None, call
                _OURS.setLevel(call.log_level)
                _OURS.addHandler(LogOfController(self._send))
                pool = RayPool(**call.options, notice=lambda message: self._send(Notice(message=message)))
                value = self._begin_watching(call.options["address"])
            else:
                value = getattr(pool, call.method)(*call.arguments)
            if call.method == "close":
                return
            self._called_at = None
            self._send(Answer(value=value, slots=pool.slots, free=pool.free))

    # --- the other threads --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            time.sleep(BEAT_S)
            stopped = time.monotonic() - began - BEAT_S
            if stopped > BEAT_S:  # it was this process that stood still, not Ray
                self._stood_still_s += stopped
            if self._called_at is not None:
                self._send(Notice())
            if reason := self._trouble():
                self._end(RayGone(reason))

    def _probe(self, ray: Any) -> None:
        """Ask the GCS, again and again, whether it is there and takes our node for alive."""
        own = ray.get_runtime_context().get_node_id()
        while True:
            with contextlib.suppress(Exception):
                if any(node["NodeID"] == own and node["Alive"] for node in ray.nodes()):
                    self._answer_at = self._clock()
            time.sleep(PROBE_S)

    def _begin_watching(self, address: str | None) -> str | None:
        """Watch Ray from now on; returns the folder of its session where it is ours."""
        import ray

        folder: str | None = None
        if address is None:
            self._parts = tuple(pid for pid in descendants(os.getpid()) if shown(pid, "comm").strip() in PARTS)
            folder = ray._private.worker._global_node.get_session_dir_path()
        self._answer_at, self._is_watched = self._clock(), True
        threading.Thread(target=self._probe, args=(ray,), name="probe", daemon=True).start()
        return folder

    def _trouble(self) -> str:
        """Why Ray can't be worked with any more; "" while it can."""
        now, called_at = self._clock(), self._called_at
        if not self._is_watched:
            return ""
        if not all(map(is_alive, self._parts)):
            return "a process of Ray's own died"
        if now - self._answer_at > AWAY_S:
            return f"Ray's control service has not answered for {AWAY_S:g} s"
        if called_at is not None and now - called_at > STUCK_S:
            return f"Ray has not answered for {STUCK_S:g} s"
        return ""

    def _is_ray_dying(self) -> bool:
        until = time.monotonic() + DYING_S
        while self._is_watched and time.monotonic() < until:
            if self._trouble() or self._clock() - self._answer_at > 2 * PROBE_S:
                return True
            time.sleep(PAUSE_S)
        return False

    def _clock(self) -> float:
        """Seconds that this process was there to see."""
        return time.monotonic() - self._stood_still_s

    def _send(self, report: Report) -> None:
        with self._sending:
            try:
                self._link.send(report)
            except OSError:
                self._end(None)

    def _end(self, last: Report | None) -> NoReturn:
        """End this process and all that it started. `ray.shutdown` would do it too, where Ray still answers."""
        if last is not None and self._sending.acquire(timeout=1.0):
            with contextlib.suppress(OSError):
                self._link.send(last)
        end_session(os.getpid(), spared=os.getpid())
        os._exit(0)


class LogOfController(logging.Handler):
    """Sends each line on, as a text that needs nothing of this process."""

    def __init__(self, send: Callable[[Report], None]) -> None:
        super().__init__()
        self._send_on = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send a copy, whose text holds the traceback already."""
        line = copy.copy(record)
        line.msg, line.args, line.exc_info = self.format(line), None, None
        line.exc_text = line.stack_info = None
        self._send_on(line)
