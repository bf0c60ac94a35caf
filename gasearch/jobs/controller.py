"""Runs what is submitted: claims it by lease, runs each search as a supervised command of its own, and ends it once.

A search is the child of its controller but owns itself: it has its own lease in the database, which no other process
gets while it lives. So a controller that dies loses nothing. Its submissions are another's once their lease is over, or
at once where it is seen to be dead; that one waits for the searches that still run, and goes on with those that don't.
Whoever holds a submission's newest claim ends it, and nobody else can.

One that is told to end (SIGTERM, SIGINT) stops its searches as Ctrl-C would, and hands them back into the queue.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType

from gasearch.errors import (
    LeaseLost,
    StoreError,
    StoreLost,
    UnknownSearch,
    WrongState,
)
from gasearch.jobs.detach import log_file
from gasearch.jobs.job import Job
from gasearch.jobs.supervise import AWAY, pause_s
from gasearch.jobs.turns import End, Start, Wait, is_of, next_step
from gasearch.search.interrupts import leave_lost_terminal, signals_heard
from gasearch.search.ownership import LEASE_S, RENEWAL_S
from gasearch.storage.archive import Archive
from gasearch.storage.owner import current_owner
from gasearch.storage.queue import SubmissionState
from gasearch.storage.records import SearchRecord
from gasearch.storage.sql import open_archive

POLL_S = 2.0  #: How often the queue is asked.
LONGEST_PAUSE_S = 30.0  #: Between two tries while the database is away.
REMINDER_S = 60.0
GRACE_S = 10.0  #: So long is a database that is away waited for once everything has stopped.
STOPPED = "stopped"
OUT_OF_TIME = "stopped: the device-hours of {} are spent"


class Controller:
    """Runs up to so many submitted searches at once, until it is told to end."""

    def __init__(
        self,
        db_url: str,
        *,
        notice: Callable[[str], None],
        searches: int = 1,
        poll_s: float = POLL_S,
        is_until_empty: bool = False,
    ) -> None:
        """Nothing is claimed yet.

        Args:
            db_url: The database with the queue.
            notice: Takes a sentence about each thing that is begun or ended.
            searches: How many run at once.
            poll_s: How often the queue is asked.
            is_until_empty: Whether to end when nothing runs, and nothing that is queued may begin.
        """
        self._db_url, self._notify = db_url, notice
        self._most, self._poll_s, self._is_until_empty = searches, poll_s, is_until_empty
        self._owner = current_owner()
        self._jobs: list[Job] = []
        self._leaving: list[subprocess.Popen[bytes]] = []  # of submissions that are another's by now
        self._wishes = 0  #: To end.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its `put` may interrupt anything, even itself
        self._renewed_at = -LEASE_S
        self._asks_queue_at = 0.0
        self._away_since: float | None = None
        self._tries = 0  #: In a row that found the database away.
        self._asks_at = 0.0  #: When it is asked again,
        self._said_at = 0.0  #: and when that was last said.

    def stop(self) -> None:
        """Ask it to end: searches stop after what is in flight, the second time at once. From any thread or handler."""
        self._wishes += 1
        self._wake.put(None)

    def run(self) -> None:
        """Claim and run until told to end; then all that isn't finished is in the queue again.

        Raises:
            StoreError: if the database's file is gone, it can't be used at the start, or it is away at the end.
        """
        with (
            closing(open_archive(self._db_url, notice=self._notice)) as archive,
            tempfile.TemporaryDirectory(prefix="gasearch-controller-") as folder,  # only we can read it
            self._hearing_signals(),
        ):
            self._notice(f"the controller runs up to {self._most} at once; waiting for: gasearch submit SPEC")
            try:
                while not self._is_over(archive, Path(folder)):
                    self._sleep()
            finally:
                for job in self._jobs:  # an error of ours: nobody else can signal them as soon
                    job.signal()

    # --- a turn -----------------------------------------------------------------------------------------------------

    def _is_over(self, archive: Archive, folder: Path) -> bool:
        """Do what is to be done now; True once all is done for good."""
        self._reap()
        if self._wishes:
            self._stop_all()
        if time.monotonic() < self._asks_at and not self._wishes:
            return False
        try:
            is_over = self._ask(archive, folder)
        except StoreLost:
            raise
        except StoreError as error:
            self._note_away(error)
            if self._wishes and self._has_waited_enough():
                raise
            return False
        if self._away_since is not None:
            self._notice(f"the database answers again after {time.monotonic() - self._away_since:.0f} s")
        self._away_since, self._tries = None, 0
        return is_over

    def _ask(self, archive: Archive, folder: Path) -> bool:
        """Do what needs the database."""
        now = time.monotonic()
        if now - self._renewed_at >= RENEWAL_S:
            self._renew(archive)
            self._renewed_at = now
        is_idle = False  # whether nothing is held, and there is nothing to claim
        if not self._wishes and now >= self._asks_queue_at:
            self._asks_queue_at = now + self._poll_s
            while len(self._jobs) < self._most and self._claim(archive, folder):
                pass
            is_idle = not self._jobs
        for job in list(self._jobs):
            if job.child is None and not job.is_over:
                self._go_on(archive, job)
            if job.is_over:
                self._write_end(archive, job)
        if self._leaving:
            return False
        if self._wishes:
            return not self._jobs
        return self._is_until_empty and is_idle and self._is_empty(archive)

    def _renew(self, archive: Archive) -> None:
        held = {one.id: one for one in archive.renew_submissions(controller=self._owner, ttl_s=LEASE_S)}
        for job in list(self._jobs):
            found = held.pop(job.submission.id, None)
            if found is None or found.epoch != job.submission.epoch:
                self._lose(job)
                continue
            job.submission = found
            if found.is_stop_requested:
                job.stop_reason = job.stop_reason or STOPPED
            elif not found.has_time:
                job.stop_reason = job.stop_reason or OUT_OF_TIME.format(found.submitter)
            if job.stop_reason:
                self._request_stop(archive, job)

    def _claim(self, archive: Archive, folder: Path) -> bool:
        """Claim one; False where there is none."""
        found = archive.claim_submission(controller=self._owner, ttl_s=LEASE_S)
        if found is None:
            return False
        self._jobs.append(
            Job(
                submission=found,
                log=log_file(found.name, self._db_url),
                spec=folder / f"{found.id}.json",
                stop_reason=STOPPED if found.is_stop_requested else "",
            )
        )
        return True

    def _is_empty(self, archive: Archive) -> bool:
        return all(one.state is SubmissionState.QUEUED for one in archive.submissions())

    def _go_on(self, archive: Archive, job: Job) -> None:
        """Do the next step of a submission whose search no child of ours runs."""
        if self._wishes:
            job.is_handed_back = True
            return
        step = next_step(job.submission, _search(archive, job.name), stop_reason=job.stop_reason)
        if isinstance(step, Start) and job.refused is None and time.monotonic() >= job.starts_at:
            self._renew(archive)  # a wish to stop may have come since: what it has stopped must not go on
            if job not in self._jobs:
                return
            step = next_step(job.submission, _search(archive, job.name), stop_reason=job.stop_reason)
        match step:
            case Wait():
                job.refused = None
            case End():
                job.end = step
            case Start() if job.refused is not None:
                job.end = job.refused
            case Start(is_new=is_new) if time.monotonic() >= job.starts_at:
                job.start(self._db_url, is_new=is_new)
                if job.child is not None:
                    begins = "begins" if is_new else "goes on"
                    self._notice(f"{job.name} {begins} (claim {job.submission.epoch}); its log: {job.log}")

    # --- commands ---------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Note which commands have ended."""
        self._leaving = [child for child in self._leaving if child.poll() is None]
        for job in self._jobs:
            if job.child is not None and (status := job.child.poll()) is not None:
                job.note_end(status, is_ending=self._wishes > 0)
                if job.starts_at > time.monotonic():
                    self._notice(f"{job.name} lost its {'database' if status == AWAY else 'process'}; it goes on soon")

    def _stop_all(self) -> None:
        """Pass each wish to end on to every command, once; none gets more than two."""
        for job in self._jobs:
            if job.child is not None and job.signals < min(self._wishes, 2):
                job.signal()

    def _request_stop(self, archive: Archive, job: Job) -> None:
        """Let a search stop by a word in the database; a command that has none yet by a signal."""
        record = _search(archive, job.name)
        try:
            if record is None or not is_of(job.submission, record):
                raise UnknownSearch(job.name)
            archive.request_stop(job.name)
        except (UnknownSearch, WrongState):
            if job.child is not None and not job.signals:
                job.signal()

    # --- ends -------------------------------------------------------------------------------------------------------

    def _write_end(self, archive: Archive, job: Job) -> None:
        """End a submission, or hand it back; another controller's is left alone."""
        claim = job.submission.claim
        try:
            if job.end is None:
                archive.hand_back(claim)
                self._notice(f"{job.name} is handed back into the queue")
            else:
                record = None if job.end.message else _search(archive, job.name)
                message = job.end.message if record is None else record.reason
                archive.end_submission(claim, exit_status=job.end.status, message=message)
                self._notice(f"{job.name} ended with status {job.end.status}{': ' if message else ''}{message}")
        except LeaseLost as error:
            self._notice(str(error))
        self._jobs.remove(job)
        job.forget_spec()
        self._asks_queue_at = 0.0  # there is room for another one,
        self._wake.put(None)  # at once

    def _lose(self, job: Job) -> None:
        """Leave a submission to whoever has taken it over, who goes on with the search once our command has stopped."""
        self._notice(f"{job.name} is another controller's by now: its search is left to that one")
        self._jobs.remove(job)
        if job.child is not None:
            job.signal()
            self._leaving.append(job.child)

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _sleep(self) -> None:
        """Wait for the next turn, a signal or the end of a child."""
        with suppress(queue.Empty):
            self._wake.get(timeout=min(self._poll_s, RENEWAL_S))
            while True:
                self._wake.get_nowait()

    def _note_away(self, error: StoreError) -> None:
        """Say so, now and then, and ask again later each time."""
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        self._tries += 1
        pause = min(pause_s(self._tries), LONGEST_PAUSE_S)
        self._asks_at = now + pause
        if self._tries == 1 or now - self._said_at >= REMINDER_S:
            self._said_at = now
            self._notice(f"{error}; the searches go on by themselves, the queue is asked again until it answers")

    def _has_waited_enough(self) -> bool:
        return (
            self._away_since is not None
            and time.monotonic() - self._away_since >= GRACE_S
            and all(job.child is None for job in self._jobs)
        )

    def _notice(self, message: str) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._notify(message)

    @contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        """End by a signal, and hear at once of a child's end; outside the main thread Python allows no handlers."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP:
                leave_lost_terminal()
            if number == signal.SIGCHLD:
                self._wake.put(None)
            else:
                self.stop()

        before = {number: signal.signal(number, handle) for number in (*signals_heard(), signal.SIGCHLD)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _search(archive: Archive, name: str) -> SearchRecord | None:
    try:
        return archive.search(name)
    except UnknownSearch:
        return None
