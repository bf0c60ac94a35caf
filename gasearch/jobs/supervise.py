"""A search that is started again whenever its controller dies: a small parent process, without Ray or torch.

A controller that says that another start would change nothing (done, stopped, to be mended) is taken at its word. One
that dies without a new measurement is started a few times again; one that ends for want of its database, whose search
was stored already, for as long as that is away.

The controller is a child with a process group of its own, so that the terminal's Ctrl-C comes by us: we pass every
signal on, once each. If the parent itself is killed, the controller goes on alone: it owns the search, nothing breaks,
only nobody starts it again; `gasearch stop` ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType

from gasearch.errors import BadInput, Interrupted, LeaseLost, NoStore, Paused, StoreError, UnknownSearch
from gasearch.jobs.commands import child_environment
from gasearch.search.interrupts import leave_lost_terminal, signals_heard
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_reader

PROGRAM = (sys.executable, "-m", "gasearch")
MOST_RESTARTS = 5  #: In a row, without one new measurement.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  #: Before a restart; doubled each time nothing was gained.
POLL_S = 0.1
FIRST_LOOK_S, LONGEST_LOOK_S = 0.5, 30.0  #: Between two looks whether a new search is stored, until it is.

AWAY = StoreError.exit_status  #: The end for want of the database.
#: Ends that another start wouldn't change: done, bad input, somebody else's by now, to be mended, stopped by the user.
FINAL = (0, *(end.exit_status for end in (BadInput, LeaseLost, Paused, Interrupted)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a search has come."""

    measured: int  #: Outcomes that are no failure: what only fails gets nowhere.
    state: SearchStatus


class Supervisor:
    """Runs `gasearch FIRST`, and `gasearch AGAIN` whenever the controller has died, until it ends of itself."""

    def __init__(
        self, first: Sequence[str], again: Sequence[str], *, name: str, db_url: str, notice: Callable[[str], None]
    ) -> None:
        """Nothing runs yet.

        Args:
            first: The command and its arguments, without `--supervise` and `--db`.
            again: The one that goes on with the search, once it is stored.
            name: The search.
            db_url: The database.
            notice: Takes every death, and what is done about it.
        """
        self._first, self._again = first, again
        self._name, self._db_url, self._notify = name, db_url, notice
        self._child: subprocess.Popen[bytes] | None = None
        self._signalled = 0  #: How many signals were passed on, or came where nobody ran.
        self._is_informed = False  #: Whether the database has ever answered.
        self._is_ours = False  #: Else `run` refuses its name, which was taken before, however often it is tried.
        self._has_begun = False  #: Whether our search was ever seen in the database.
        self._is_gone = False  #: Whether it isn't there any more.
        self._measured = 0

    def run(self) -> int:
        """The exit status of the last controller; 128 and the signal's number where a signal ended it."""
        fruitless = outages = 0  # deaths in a row without a new measurement; ends in a row for want of the database
        with self._passing_signals_on():
            while True:
                command = self._command()
                status = AWAY if command is None else self._run_child(command)
                if status in FINAL or self._signalled:
                    return _shell_status(status)
                before, standing = self._measured, self._look()
                state = standing.state if standing is not None and self._has_begun else None
                if state is SearchStatus.FINISHED:
                    self._notice(f"{self._name} {_end(status)}, but is finished; see: gasearch front {self._name}")
                    return 0
                if state is SearchStatus.FAILED or (status == AWAY and self._is_gone):
                    return _shell_status(status)
                if status == AWAY and self._is_informed:
                    outages += 1
                else:
                    outages, fruitless = 0, 1 if self._measured > before else fruitless + 1
                if fruitless > MOST_RESTARTS:
                    self._notice(
                        f"{self._name} {_end(status)}; it was started {MOST_RESTARTS} times again without one new "
                        f"measurement: giving up; go on with: gasearch resume {self._name}"
                    )
                    return _shell_status(status)
                if not self._pause(outages or fruitless, status):
                    return Interrupted.exit_status

    def _command(self) -> Sequence[str] | None:
        """The command to start; None where only the database could say whether the search is stored, and it is away."""
        try:
            if not self._is_informed:
                self._inform()
            elif not self._has_begun:
                self._note(standing_of(self._name, self._db_url))
        except StoreError:
            if self._is_informed:
                return None
        return self._again if self._has_begun else self._first

    def _inform(self) -> None:
        """Find out what there is before the first controller runs.

        Raises:
            StoreError: if the database can't be asked.
        """
        standing = standing_of(self._name, self._db_url)
        self._is_informed = True
        self._is_ours = standing is None or self._first == self._again
        self._note(standing)

    def _look(self) -> Standing | None:
        """How far the search has come; None where it isn't stored, or the database can't be asked."""
        try:
            standing = standing_of(self._name, self._db_url)
        except StoreError:
            return None
        self._note(standing)
        return standing

    def _note(self, standing: Standing | None) -> None:
        if standing is None:
            self._is_gone = self._has_begun
        elif self._is_ours:
            self._has_begun, self._is_gone = True, False
            self._measured = max(self._measured, standing.measured)

    def _notice(self, message: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._notify(message)

    def _run_child(self, command: Sequence[str]) -> int:
        """Run a controller to its end; returns its status, negative where a signal ended it."""
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            [*PROGRAM, *command],
            env=child_environment(self._db_url),
            process_group=0,
        )
        try:
            wait_s = FIRST_LOOK_S
            # Once the search is stored it is known to be: `run` must not begin it anew if its file is taken away.
            while self._is_ours and not self._has_begun:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return self._child.wait(wait_s)
                self._look()
                wait_s = min(2 * wait_s, LONGEST_LOOK_S)
            return self._child.wait()
        finally:
            self._child = None

    def _pause(self, times: int, status: int) -> bool:
        """Wait before the next start, longer each time; False if a signal came meanwhile."""
        pause = pause_s(times)
        self._notice(f"{self._name} {_end(status)}; starting it again in {pause:g} s")
        until = time.monotonic() + pause
        while not self._signalled and time.monotonic() < until:
            time.sleep(POLL_S)
        if self._signalled:
            self._notice(f"{self._name} isn't started again; go on with: gasearch resume {self._name}")
        return not self._signalled

    @contextmanager
    def _passing_signals_on(self) -> Iterator[None]:
        """Give the controller the signals that we get; a SIGHUP that is ignored stays so."""

        def handle(number: int, frame: FrameType | None) -> None:
            self._signalled += 1
            if number == signal.SIGHUP:
                leave_lost_terminal()
            child = self._child
            if child is not None and child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)

        before = {number: signal.signal(number, handle) for number in signals_heard()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def pause_s(times: int) -> float:
    """The pause before a start, the n-th in a row that gained nothing."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(times - 1, 20))


def standing_of(name: str, db_url: str) -> Standing | None:
    """How far the search has come; None while it isn't stored.

    Raises:
        StoreError: if the database can't be asked.
    """
    try:
        with closing(open_reader(db_url)) as reader:
            record = reader.search(name)
            counts = reader.counts(record.id)
    except (NoStore, UnknownSearch):
        return None
    return Standing(measured=counts.completed - sum(counts.failures.values()), state=record.state)


def _shell_status(status: int) -> int:
    """A child's status as shells give it: 128 and the signal's number where a signal ended it."""
    return status if status >= 0 else 128 - status


def _end(status: int) -> str:
    """How a controller ended, as a sentence goes on."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-status).name}"
        return f"was killed by signal {-status}"
    if status == AWAY:
        return "lost its database"
    return f"ended with status {status}"
