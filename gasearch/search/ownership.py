"""Who may write to a search, and for how long: the lease kept alive, and the wish to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gasearch.errors import GasearchError, LeaseLost, StoreLost
from gasearch.search.interrupts import Interrupt, leave_lost_terminal, signals_heard
from gasearch.storage.archive import Archive
from gasearch.storage.records import Lease

LEASE_S = 30.0  #: How long a dead controller's search stays locked, at most.
RENEWAL_S = 5.0


class StopSignal:
    """The wish to stop: from a signal, `gasearch stop`, or a lost lease. Thread-safe; the first reason stays."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason = ""
        self.error: GasearchError | None = None  #: Set where the search can't go on.

    def request(self, reason: str, error: GasearchError | None = None) -> None:
        """Ask the search to stop soon."""
        if not self._event.is_set():
            self._reason, self.error = reason, error
            self._event.set()

    @property
    def is_requested(self) -> bool:
        """True once somebody asked."""
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """Why; "" while nobody asked."""
        return self._reason


@contextmanager
def signals_stop(stop: StopSignal, notice: Callable[[str], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP ask for a stop; the second one raises KeyboardInterrupt (see `Interrupt`).

    A SIGHUP says that the terminal is gone: the search ends as by Ctrl-C, resumable, unless the signal is ignored, as
    under nohup or `--detach`. Does nothing outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    interrupt = Interrupt.current()

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_lost_terminal()
        if stop.is_requested:
            interrupt(number, frame)
            return
        stop.request("interrupted")
        notice("stopping after the evaluations in flight; once more to stop at once")

    before = {number: signal.signal(number, handle) for number in signals_heard()}
    if interrupt.was_pressed:  # while something was finalized: Python drops what is raised there
        handle(signal.SIGINT, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_alive(
    archive: Archive, lease: Lease, stop: StopSignal, *, slots: int = 1, renewal_s: float = RENEWAL_S
) -> Iterator[None]:
    """Renew the lease from a thread of its own, so that a long evaluation in this process doesn't lose it.

    A lost lease, a lost file and a wish to stop from outside reach the search through `stop`. A database that is away
    for a moment is asked again at the next turn. Time is also counted once for each of the dispatcher's slots.

    Args:
        archive: Of the search.
        lease: On it.
        stop: Hears of what ends it.
        slots: How many evaluations can be in flight.
        renewal_s: Between two renewals.
    """
    finished = threading.Event()
    counted = time.monotonic()

    def renew() -> None:
        nonlocal counted
        now = time.monotonic()
        try:
            if archive.renew(lease, ttl_s=LEASE_S, active_s=now - counted, worker_s=slots * (now - counted)):
                stop.request("stop requested")
            counted = now
        except (LeaseLost, StoreLost) as error:
            stop.request(str(error), error)
        except GasearchError:  # the loop's next write meets it and says so
            pass

    def beat() -> None:
        while not finished.wait(renewal_s):
            renew()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join(timeout=LEASE_S)
        renew()
