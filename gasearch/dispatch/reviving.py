"""A `Dispatcher` whose Ray may die: what was in flight comes back as lost, and another Ray takes its place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, FailureKind

from gasearch.dispatch.dispatcher import unanswered
from gasearch.dispatch.ray_cluster import require_listener
from gasearch.dispatch.ray_process import RayGone, RayProcess
from gasearch.errors import WorkersUnavailable

_LOG = logging.getLogger(__name__)

PATIENCE_S = 600.0  #: So long is a named cluster waited for while nobody answers,
ANSWERED_PATIENCE_S = 180.0  #: and so long once somebody does.
LONGEST_PAUSE_S = 30.0  #: Between two tries; the pauses double from one second on.
MOST_LOCAL_STARTS = 3  #: In a row, of a Ray of our own.
MOST_FRUITLESS = 12  #: So many times may Ray die in a row without one result: an evaluation is given up before.
CONNECT_S = 2.0  #: For a connection with the cluster; whoever waits in `collect` may want to stop.


class RevivingPool:
    """A `RayPool` in a process of its own, which is replaced when Ray or that process dies.

    A Ray of our own is started again at once; a named cluster is waited for with growing pauses, up to `PATIENCE_S`. In
    between nothing is free, and what is submitted is kept. One thread, as every dispatcher.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        notice: Callable[[str], None] = lambda message: None,
        **options: Any,
    ) -> None:
        """Start the process, Ray in it (a local one, unless an address is given), and the actors.

        Args:
            address: Of a cluster; None: a local Ray of our own.
            notice: Takes what the user should know.
            options: The others of `RayPool`.

        Raises:
            WorkersUnavailable: if Ray doesn't start or can't be reached, or has no room for one worker.
        """
        self._options = {"address": address, **options}
        self._address, self._notice = address, notice
        #: By key and attempt; the stopwatch runs since the submission.
        self._in_flight: dict[tuple[str, int], tuple[EvaluationRequest, Stopwatch]] = {}
        self._ready: list[EvaluationResult] = []
        self._calibration: Calibration | None = None
        self.host: RayProcess | None = None  #: None while another one is waited for.
        self._is_up = False  #: Whether it takes requests.
        self._slots = 0
        self._gone_at: float | None = None  #: When Ray went; None while it is there.
        self._answered_at: float | None = None  #: Since when the cluster's address answers again.
        self._tries = self._fruitless = 0
        self._pause = 0.0  #: Before the next try, as the user knows it.
        self._next_try = time.monotonic()
        try:
            self._start()
            while not self._is_up:
                self._revive(1.0)
        except BaseException:
            self._end_host()
            raise

    # --- the contract -------------------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """See `Dispatcher.slots`; while Ray is away, those that it had."""
        return self._slots

    @property
    def free(self) -> int:
        """See `Dispatcher.free`; none while Ray is away."""
        return self.host.free if self.host is not None and self._is_up else 0

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self._in_flight) + len(self._ready)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`."""
        while True:
            while not self._is_up:
                self._revive(1.0)
            found: Calibration | None = self._call("calibrate", known)
            if found is not None:
                self._calibration = found
                return found

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self._in_flight[request.key, request.attempt] = request, Stopwatch()
        _LOG.debug("attempt submitted", extra={"key": request.key, "attempt": request.attempt})
        if self._is_up:
            self._call("submit", request)

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        until = time.monotonic() + timeout_s
        while True:
            left = max(0.0, min(until - time.monotonic(), 1.0))
            if not self._is_up and not self._ready:
                self._revive(left)
            elif self._is_up:
                found = self._call("collect", left if self._in_flight and not self._ready else 0.0) or []
                self._ready += [one for one in found if self._in_flight.pop((one.key, one.attempt), None) is not None]
                self._fruitless = 0 if found else self._fruitless
            results, self._ready = self._ready, []
            if results or time.monotonic() >= until or (self._is_up and not self._in_flight):
                return results

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        if not self._is_up:
            self._in_flight.clear()
            return
        for request in self._call("take_queued") or ():
            self._in_flight.pop((request.key, request.attempt), None)

    def close(self) -> None:
        """See `Dispatcher.close`."""
        is_idle = not self._in_flight
        self._in_flight.clear()
        self._end_host(is_patient=self._gone_at is None and is_idle, keeps_logs=self._gone_at is not None)

    # --- the process --------------------------------------------------------------------------------------------

    def _call(self, method: str, *arguments: Any) -> Any:
        """Call a method of its pool and return the answer; None if Ray went away instead."""
        assert self.host is not None
        try:
            return self.host.call(method, *arguments)
        except RayGone as error:
            self._lose(str(error))
        except WorkersUnavailable:  # a fault that another start won't mend
            self._end_host()
            raise
        return None

    def _revive(self, timeout_s: float) -> None:
        """Start the next process when its time has come, and see whether it is up; waits at most so long."""
        if self.host is None:
            time.sleep(min(timeout_s, max(0.0, self._next_try - time.monotonic())))
            if time.monotonic() >= self._next_try:
                self._start()
            return
        try:
            is_up = self.host.hear(timeout_s) is not None
        except RayGone as error:
            self._fail(f"Ray doesn't start: {error}; use --workers 0 to evaluate without Ray")
        except WorkersUnavailable as error:
            self._fail(str(error))
        else:
            if is_up:
                self._after_start(self.host)

    # --- starting and losing ------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start a host, unless the cluster that it would work with doesn't even take a connection."""
        self._tries += 1
        try:
            if self._address is not None:
                require_listener(self._address, timeout_s=CONNECT_S)
        except WorkersUnavailable as error:
            self._answered_at = None
            self._fail(str(error))
            return
        if self._answered_at is None:
            self._answered_at = time.monotonic()
        self.host = RayProcess(self._options, self._notice)

    def _after_start(self, host: RayProcess) -> None:
        """Go on where the last Ray was left: on the same measuring device, with what was submitted meanwhile."""
        self._is_up, self._slots = True, host.slots
        gone_at, self._gone_at, self._tries, self._pause = self._gone_at, None, 0, 0.0
        if gone_at is None:
            return
        self._notice(f"Ray is back after {time.monotonic() - gone_at:.0f} s")
        if self._calibration is not None:
            self._require_same_device(self._calibration)
        for request, _ in list(self._in_flight.values()):
            if self._is_up:
                self._call("submit", request)

    def _require_same_device(self, calibration: Calibration) -> None:
        found = self._call("calibrate", (calibration,))
        if found is not None and found.device != calibration.device:
            raise WorkersUnavailable(
                f"latency was measured on {calibration.device}, and after Ray's return its measuring worker runs on "
                f"{found.device}; bring the node back, or resume to measure there from now on"
            )

    def _fail(self, message: str) -> None:
        """Ray doesn't start: try again later where it did work before; else, or once patience is at its end, give up.

        Raises:
            WorkersUnavailable: then.
        """
        self._end_host()
        if self._gone_at is None:  # at the start of all
            raise WorkersUnavailable(message)
        if self._is_patience_spent():
            away = time.monotonic() - self._gone_at
            raise WorkersUnavailable(f"Ray has been away for {away:.0f} s and doesn't come back: {message}")
        if self._address is not None:
            pause = min(LONGEST_PAUSE_S, 2.0 ** (self._tries - 1))
            if pause != self._pause:
                self._pause = pause
                self._notice(f"Ray is still away ({message.partition(';')[0]}); trying again in {pause:g} s")
            self._next_try = time.monotonic() + pause

    def _is_patience_spent(self) -> bool:
        assert self._gone_at is not None
        now = time.monotonic()
        if self._address is None:
            return self._tries >= MOST_LOCAL_STARTS
        is_answered = self._answered_at is not None and now - self._answered_at > ANSWERED_PATIENCE_S
        return is_answered or now - self._gone_at > PATIENCE_S

    def _lose(self, reason: str) -> None:
        """Ray went away: what was in flight is lost, and the next one is started at once.

        Raises:
            WorkersUnavailable: if that has happened too often in a row.
        """
        self._end_host()
        now = time.monotonic()
        self._gone_at, self._answered_at, self._next_try = now, None, now
        self._fruitless += 1
        lost = len(self._in_flight)
        self._ready += [
            unanswered(request, FailureKind.WORKER_LOST, f"Ray went away: {reason}", watch=watch)
            for request, watch in self._in_flight.values()
        ]
        self._in_flight.clear()
        if self._fruitless > MOST_FRUITLESS:
            raise WorkersUnavailable(f"Ray died {self._fruitless} times in a row without one result: {reason}")
        again = f"; {lost} {'evaluation runs' if lost == 1 else 'evaluations run'} again" if lost else ""
        what = "starting it again" if self._address is None else f"looking for the cluster at {self._address} again"
        self._notice(f"Ray went away ({reason}): {what}{again}")

    def _end_host(self, *, is_patient: bool = False, keeps_logs: bool = True) -> None:
        host, self.host, self._is_up = self.host, None, False
        if host is not None:
            host.close(is_patient=is_patient, keeps_logs=keeps_logs)
