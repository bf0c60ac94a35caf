"""The process that hosts Ray for the controller: what happens to Ray ends this process at worst.

Ray's driver is ended from C++, without a word, some 15 s after its raylet died and 60 s after its GCS did; its
`shutdown` then hangs for minutes. So the driver is a child in a session of its own, which also keeps the terminal's
Ctrl-C from Ray's processes. It dies with the controller and takes along whatever it started: see `RevivingPool`.

The controller calls the methods of a `RayPool` here, one at a time, over a pair of sockets that nobody else holds.
Calls and answers are pickled, as Ray's own messages are: both sides are processes of one user, and of this code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from gasearch_workers.sandbox.processes import descendants, is_alive

from gasearch.dispatch.ray_pool import RayPool
from gasearch.dispatch.sessions import end_session
from gasearch.errors import WorkersUnavailable

BEAT_S = 1.0
PROBE_S = 2.0  #: Between two questions to the GCS.
AWAY_S = 15.0  #: So long may the GCS not answer: it may have been restarted, or the network been down for a moment.
STUCK_S = 240.0  #: So long may one call of Ray take; twice what the pool itself waits for an answer.
PAUSE_S = 0.25
DYING_S = 3.0  #: A worker's end may be seen so long before that of its Ray.
PARTS = ("gcs_server", "raylet")  #: The processes without which a local Ray is dead.


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """From the controller: what to do. The first one makes the pool; the pool's `close` ends the process."""

    method: str = ""  #: Of `RayPool`; "" makes one.
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None  #: Of `RayPool`, but for its callback.


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The value that a call returned."""

    value: Any  #: Of the first one: the folder where a Ray of our own keeps its logs; None: it isn't ours.
    slots: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The call is being worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the user should know."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """`WorkersUnavailable`, its sentence: another try would end the same way. The process ends."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Ray itself is gone, or can't be worked with; another one may. The process ends."""

    reason: str


Report = Answer | Beat | Notice | Failed | Gone


def main(descriptor: int) -> None:
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
            self._end(Failed(message=str(error)) if not self._is_ray_dying() else Gone(reason=str(error)))
        except BaseException as error:
            self._end(Gone(reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))
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
                self._send(Beat())
            if reason := self._trouble():
                self._end(Gone(reason=reason))

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
            self._parts = tuple(pid for pid in descendants(os.getpid()) if _name(pid) in PARTS)
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


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""
