"""A submission that a controller holds: the command that runs its search, and what follows from that one's end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gasearch.errors import BadInput, Interrupted, LeaseLost
from gasearch.jobs.commands import child_environment
from gasearch.jobs.detach import last_words
from gasearch.jobs.logs import LEVEL_VARIABLE, LogLevel
from gasearch.jobs.supervise import AWAY, MOST_RESTARTS, PROGRAM, pause_s
from gasearch.jobs.turns import End
from gasearch.storage.queue import SubmissionRecord

#: Ends of a command that a look at the search explains better: its name was taken, or another process had the search.
_REFUSED = (BadInput.exit_status, LeaseLost.exit_status)


@dataclass(slots=True, kw_only=True)
class Job:
    """A submission that a controller holds."""

    submission: SubmissionRecord
    log: Path  #: Of its commands.
    spec: Path  #: Where a command finds the spec of a new search.
    child: subprocess.Popen[bytes] | None = None  #: The command that runs; None while there is none.
    log_start: int = 0  #: Where the newest command's part of the log begins.
    refused: End | None = None  #: How the newest command ended, where a look at the search may say more.
    deaths: int = 0  #: Commands that were killed, or lost the database.
    starts_at: float = 0.0  #: The earliest time of the next command, by the monotonic clock.
    stop_reason: str = ""  #: Why the search is to stop; "": it isn't.
    signals: int = 0  #: How many the command got from us.
    end: End | None = None  #: What is to be written.
    is_handed_back: bool = False  #: It goes back into the queue instead.

    @property
    def name(self) -> str:
        """Of the search."""
        return self.submission.name

    @property
    def is_over(self) -> bool:
        """Whether it is to be ended or handed back."""
        return self.end is not None or self.is_handed_back

    def start(self, db_url: str, *, is_new: bool) -> None:
        """Start the command, its output in the search's log file; one that can't be started is an end.

        Args:
            db_url: The database.
            is_new: Whether the search begins; else it goes on.
        """
        try:
            with self.log.open("ab") as stream:
                self.log_start = stream.tell()
                if is_new:
                    self._write_spec()
                self.child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                    [*PROGRAM, *self._command(is_new=is_new)],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env={LEVEL_VARIABLE: str(LogLevel.INFO)} | child_environment(db_url),
                    process_group=0,  # the terminal's Ctrl-C comes by the controller, once
                )
        except OSError as error:
            self.end = End(status=1, message=f"{self.name} can't be started: {error}")
        self.signals = 0

    def signal(self) -> None:
        """Ask the command to stop as Ctrl-C would; a second time: at once."""
        self.signals += 1
        if self.child is not None:
            with suppress(ProcessLookupError):
                self.child.send_signal(signal.SIGTERM)

    def note_end(self, status: int, *, is_ending: bool) -> None:
        """Note what follows from the command's end.

        Args:
            status: Its exit status; negative: the signal that ended it.
            is_ending: Whether the controller is told to end.
        """
        self.child = None
        is_cut_off = status in (Interrupted.exit_status, AWAY) or status < 0 or status > 128
        words = last_words(self.log, self.log_start)
        if status == 0:
            self.end = End(status=0, message="")
        elif is_cut_off and self.stop_reason:
            self.end = End(status=Interrupted.exit_status, message=self.stop_reason)
        elif is_cut_off and is_ending:
            self.is_handed_back = True
        elif status == AWAY or (status < 0 and self.deaths < MOST_RESTARTS):
            self.deaths += 1
            self.starts_at = time.monotonic() + pause_s(self.deaths)
        elif status in _REFUSED:
            self.refused = End(status=status, message=words)
        else:
            self.end = End(status=status if status >= 0 else 128 - status, message=words)

    def forget_spec(self) -> None:
        """Remove the file of the spec."""
        with suppress(OSError):
            self.spec.unlink(missing_ok=True)

    def _command(self, *, is_new: bool) -> list[str]:
        """The command's arguments: no value of the spec among them, as everybody on the machine may read those."""
        if is_new:
            return ["run", str(self.spec), "--supervise"]
        wanted = {"--evaluations": self.submission.evaluations, "--hours": self.submission.hours}
        options = [part for name, value in wanted.items() if value is not None for part in (name, str(value))]
        return ["resume", self.name, *options, "--supervise"]

    def _write_spec(self) -> None:
        """Write the spec where only we can read it."""
        self.spec.unlink(missing_ok=True)
        with open(os.open(self.spec, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self.submission.spec_json or "")
