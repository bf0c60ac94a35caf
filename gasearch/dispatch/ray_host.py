"""The process that hosts Ray for the controller: what happens to Ray ends this process at worst.

Ray's driver is ended from C++, without a word, some 15 s after its raylet died and 60 s after its GCS did; its
`shutdown` then hangs for minutes. So the driver is a child in a session of its own, which also keeps the terminal's
Ctrl-C from Ray's processes. It dies with the controller and takes along whatever it started: see `RevivingPool`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from gasearch_workers.messages import EvaluationResult
from gasearch_workers.sandbox.processes import descendants, is_alive

from gasearch.dispatch.ray_link import (
    Beat,
    Calibrate,
    Calibrated,
    Cancelled,
    CancelQueued,
    Close,
    Failed,
    Gone,
    News,
    Notice,
    Open,
    Order,
    Report,
    Submit,
    Up,
)
from gasearch.dispatch.ray_pool import RayPool
from gasearch.dispatch.sessions import end_session
from gasearch.errors import WorkersUnavailable

BEAT_S = 1.0
PROBE_S = 2.0  #: Between two questions to the GCS.
AWAY_S = 15.0  #: So long may the GCS not answer: it may have been restarted, or the network been down for a moment.
STUCK_S = 240.0  #: So long may one call of Ray take; twice what the pool itself waits for an answer.
LOOK_S = 0.25  #: The pool is looked at so often, whether or not something became ready.
DYING_S = 3.0  #: A worker's end may be seen so long before that of its Ray.
PARTS = ("gcs_server", "raylet")  #: The processes without which a local Ray is dead.


def main(descriptor: int) -> None:
    """Serve the controller over that socket until it closes it."""
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller drains
    RayHost(Connection(descriptor)).run()


class RayHost:
    """Runs a `RayPool` in the main thread; others listen to the controller and watch Ray."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._sending = threading.Lock()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._seen = 0
        self._completed: tuple[int, int] | None = None
        self._turn_at = self._answer_at = time.monotonic()
        self._parts: tuple[int, ...] = ()
        self._is_watched = False

    def run(self) -> None:
        """Serve, then end this process and all that it started."""
        for work in (self._listen, self._watch):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        try:
            self._serve()
        except WorkersUnavailable as error:
            self._end(Failed(message=str(error)) if not self._is_ray_dying() else Gone(reason=str(error)))
        except BaseException as error:
            self._end(Gone(reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))
        self._end(None)

    # --- the main thread ----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        order = self._orders.get()
        assert isinstance(order, Open), order
        pool = RayPool(**order.options, notice=self._notice, wake=self._wake.set)
        folder = self._begin_watching(order.options["address"])
        self._send(Up(slots=pool.slots, free=pool.free, session_folder=folder))
        while True:
            self._turn_at = time.monotonic()
            self._wake.clear()
            for order in self._new_orders():
                if isinstance(order, Close):
                    pool.close()
                    return
                self._follow(order, pool)
            self._tell(pool, pool.collect(0.0))
            self._wake.wait(LOOK_S)

    def _new_orders(self) -> Iterator[Order]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._orders.get_nowait()

    def _follow(self, order: Order, pool: RayPool) -> None:
        match order:
            case Submit(request=request):
                self._seen += 1
                pool.submit(request)
            case CancelQueued():
                identities = frozenset((request.key, request.attempt) for request in pool.queued)
                pool.cancel_queued()
                self._send(Cancelled(identities=identities))
            case Calibrate(known=known):
                self._send(Calibrated(calibration=pool.calibrate(known)))
            case _:
                raise AssertionError(order)

    def _tell(self, pool: RayPool, results: list[EvaluationResult]) -> None:
        """Report results, and how many more requests would begin, where that has changed."""
        state = (pool.free, self._seen)
        if results or state != self._completed:
            self._completed = state
            self._send(News(results=tuple(results), free=state[0], seen=state[1]))

    def _notice(self, message: str) -> None:
        self._send(Notice(message=message))

    # --- the other threads --------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            while True:
                self._orders.put(self._link.recv())
                self._wake.set()
        except (OSError, EOFError):  # the controller is gone: nobody wants what runs
            self._end(None)

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            time.sleep(BEAT_S)
            stopped = time.monotonic() - began - BEAT_S
            if stopped > BEAT_S:  # it was this process that stood still, not Ray
                self._answer_at += stopped
                self._turn_at += stopped
            self._send(Beat())
            reason = self._trouble()
            if reason:
                self._end(Gone(reason=reason))

    def _probe(self, ray: Any) -> None:
        """Ask the GCS, again and again, whether it is there and takes our node for alive."""
        own = ray.get_runtime_context().get_node_id()
        while True:
            with contextlib.suppress(Exception):
                if any(node["NodeID"] == own and node["Alive"] for node in ray.nodes()):
                    self._answer_at = time.monotonic()
            time.sleep(PROBE_S)

    def _begin_watching(self, address: str | None) -> str | None:
        """Watch Ray from now on; returns the folder of its session where it is ours."""
        import ray

        folder: str | None = None
        if address is None:
            self._parts = tuple(pid for pid in descendants(os.getpid()) if _name(pid) in PARTS)
            folder = ray._private.worker._global_node.get_session_dir_path()
        self._answer_at, self._is_watched = time.monotonic(), True
        threading.Thread(target=self._probe, args=(ray,), name="probe", daemon=True).start()
        return folder

    def _trouble(self) -> str:
        """Why Ray can't be worked with any more; "" while it can."""
        now = time.monotonic()
        if not self._is_watched:
            return ""
        if not all(map(is_alive, self._parts)):
            return "a process of Ray's own died"
        if now - self._answer_at > AWAY_S:
            return f"Ray's control service has not answered for {AWAY_S:g} s"
        if now - self._turn_at > STUCK_S:
            return f"Ray has not answered for {STUCK_S:g} s"
        return ""

    def _is_ray_dying(self) -> bool:
        until = time.monotonic() + DYING_S
        while self._is_watched and time.monotonic() < until:
            if self._trouble() or time.monotonic() - self._answer_at > 2 * PROBE_S:
                return True
            time.sleep(LOOK_S)
        return False

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
