"""A search that is started again whenever its controller dies: a small parent process, without Ray or torch.

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

from gasearch.errors import BadInput, GasearchError, Interrupted, LeaseLost, StoreError
from gasearch.interrupts import leave_lost_terminal, signals_heard
from gasearch.storage.records import SearchState
from gasearch.storage.sql import open_reader

PROGRAM = (sys.executable, "-m", "gasearch")
MOST_RESTARTS = 5  #: In a row, without one new evaluation.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  #: Before a restart; doubled each time nothing was gained.
POLL_S = 0.1

#: Ends that another start wouldn't change: done, bad input, somebody else's by now, stopped by the user.
FINAL = (0, BadInput.exit_status, LeaseLost.exit_status, Interrupted.exit_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a search has come."""

    told: int  #: Outcomes.
    is_finished: bool


def supervise(
    first: Sequence[str], again: Sequence[str], *, name: str, db_url: str, notice: Callable[[str], None]
) -> int:
    """Run `gasearch FIRST`, and `gasearch AGAIN` whenever the controller has died, until it ends of itself.

    The database goes by the environment, not by an argument: a password in it must not show in the process list.

    Args:
        first: The command and its arguments, without `--supervise` and `--db`.
        again: The one that goes on with the search, once it is stored.
        name: The search.
        db_url: The database.
        notice: Told of every death, and what is done about it.

    Returns:
        The exit status of the last controller; 128 and the signal's number where a signal ended it.
    """
    return _Supervisor(first, again, name=name, db_url=db_url, notice=notice).run()


class _Supervisor:
    def __init__(
        self, first: Sequence[str], again: Sequence[str], *, name: str, db_url: str, notice: Callable[[str], None]
    ) -> None:
        self._first, self._again = first, again
        self._name, self._db_url, self._tell = name, db_url, notice
        self._child: subprocess.Popen[bytes] | None = None
        self._signalled = 0  #: How many signals were passed on, or came where nobody ran.

    def run(self) -> int:
        before = _standing(self._name, self._db_url)
        is_ours = before is None or self._first == self._again  # else `run` refuses the name, however often it is tried
        fruitless, told = 0, 0 if before is None else before.told
        command = self._first
        with self._passing_signals_on():
            while True:
                status = self._run_child(command)
                if status in FINAL or self._signalled:
                    return status if status >= 0 else 128 - status
                standing = _standing(self._name, self._db_url)
                if standing is not None and is_ours:
                    command = self._again
                    if standing.is_finished:
                        self._notice(f"{self._name} {_end(status)}, but is finished; see: gasearch front {self._name}")
                        return 0
                if standing is not None and standing.told > told:
                    fruitless, told = 0, standing.told
                fruitless += 1
                if fruitless > MOST_RESTARTS:
                    self._notice(
                        f"{self._name} {_end(status)}; it was started {MOST_RESTARTS} times again without one new "
                        f"evaluation: giving up; go on with: gasearch resume {self._name}"
                    )
                    return status if status > 0 else 128 - status
                if not self._pause(fruitless, status):
                    return Interrupted.exit_status

    def _notice(self, message: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._tell(message)

    def _run_child(self, command: Sequence[str]) -> int:
        """Run a controller to its end; returns its status, negative where a signal ended it."""
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            [*PROGRAM, *command],
            env=os.environ | {"GASEARCH_DB": self._db_url},
            process_group=0,
        )
        try:
            return self._child.wait()
        finally:
            self._child = None

    def _pause(self, fruitless: int, status: int) -> bool:
        """Wait before the next start, longer each time; False if a signal came meanwhile."""
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (fruitless - 1))
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


def _standing(name: str, db_url: str) -> Standing | None:
    """How far the search has come; None while it isn't stored, or the database can't be asked."""
    try:
        with closing(open_reader(db_url)) as reader:
            record = reader.search(name)
            return Standing(told=reader.counts(record.id).told, is_finished=record.state is SearchState.FINISHED)
    except GasearchError:
        return None


def _end(status: int) -> str:
    """How a controller ended, as a sentence goes on."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-status).name}"
        return f"was killed by signal {-status}"
    if status == StoreError.exit_status:
        return "lost its database"
    return f"ended with status {status}"
