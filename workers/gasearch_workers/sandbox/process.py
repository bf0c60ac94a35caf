"""One trial's process: started, spoken to, watched while it works, and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gasearch_workers.machine.processes import start_python
from gasearch_workers.results import one_line
from gasearch_workers.sandbox.channel import LARGEST_TEXT, Ask, Closed, Order, Said, frame, receive
from gasearch_workers.sandbox.crash import (
    CRASHES,
    ask_where,
    forget_report,
    open_report,
    place_in,
    read_report,
    report_in,
)

CHECK_S: Final = 0.2  #: Between two looks at what an evaluation takes;
CHECK_SHARE: Final = 20  #: longer where a look takes long, which may take a twentieth of a CPU at most,
LONGEST_CHECK_S: Final = 2.0  #: up to so long.
TALK_S: Final = 10.0  #: For a request to be taken, and for the next part of a message that has begun.
END_S: Final = 1.0  #: Between the end of the channel and that of the process.
_BLIND_S: Final = 0.05  #: Between two looks at a process whose end the system doesn't announce.
OUTPUT_BYTES: Final = 2**14  #: Of what it wrote, from the end, that are kept.
_CHUNK: Final = 2**18
_CHUNKS: Final = 16  #: Read at a time, lest one that writes without end keep its host from looking at the clock.
_WORDS: Final = 200  #: Characters of them in a message.


class Ended(Exception):
    """The process is no more."""

    def __init__(self, status: int, *, place: str, words: str) -> None:
        super().__init__(status, place, words)
        self.status = status  #: What it exited with; negative: minus the signal that killed it.
        self.place = place  #: Where in the evaluator it crashed, "" where that isn't known.
        self.words = words  #: The last line that it wrote, "" for nothing.

    @property
    def last_words(self) -> str:
        """Where it crashed or, where that isn't known, the last line that it wrote: as the end of a sentence."""
        if self.place:
            return f" at {self.place}"
        return f"; its last words: {self.words}" if self.words else ""

    def __str__(self) -> str:
        if self.status >= 0:
            return f"exit status {self.status}{self.last_words}"
        name = signal.strsignal(-self.status) or "unknown"
        cause = ": the system may have run out of memory" if self.status == -signal.SIGKILL else ""
        return f"killed by signal {-self.status} ({name.lower()}){cause}{self.last_words}"


class TrialProcess:
    """A process of its own session, with its own temporary folder, that inherits nothing but what it is given."""

    def __init__(
        self, *, folder: str, environment: Mapping[str, str], data: int | None, device: str, paths: Sequence[str]
    ) -> None:
        """Start it; `data` is the descriptor of its data, `paths` are where it finds modules.

        Raises:
            OSError: if the system has no room for one more process.
        """
        self.folder = folder
        self.asked = 0  #: Evaluations so far.
        self._tail = bytearray()
        self._report = open_report(folder)
        self._channel, theirs = socket.socketpair()
        self._output, write_end = os.pipe()
        os.set_blocking(self._output, False)
        arguments = os.getpid(), theirs.fileno(), self._report, data, device
        try:
            self._process = start_python(
                f"from gasearch_workers.sandbox.child import main; main(*{arguments!r})",
                paths=paths,
                environment={**environment, "PYTHONUNBUFFERED": "1"},  # what isn't written when it crashes is lost
                output=write_end,
                inherited=[one for one in arguments[1:4] if isinstance(one, int)],
            )
        except BaseException:
            self._channel.close()
            os.close(self._output)
            os.close(self._report)
            raise
        finally:
            theirs.close()
            os.close(write_end)
        self.pid = self._process.pid
        self._ending = _end_of(self.pid)
        self._channel.settimeout(TALK_S)

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def ask(self, ask: Ask) -> None:
        """Have it make an evaluation.

        Raises:
            OSError: if it doesn't take it.
        """
        self._drain()
        self._tail.clear()
        forget_report(self._report)
        self.asked += 1
        self.order(ask)

    def order(self, order: Order) -> None:
        """Have it do something.

        Raises:
            OSError: if it doesn't take it.
        """
        self._channel.sendall(frame(order))

    def listen(
        self,
        *,
        within_s: float,
        check: Callable[[], None] = lambda: None,
        largest: tuple[int, int] = (LARGEST_TEXT, 0),
    ) -> Said:
        """Wait for what it says next.

        Args:
            within_s: At most so long.
            check: Looks at what it takes, every now and then while it says nothing, and may raise.
            largest: Most bytes of the message's JSON and of its attachment.

        Raises:
            Ended: if it ends without a word.
            TimeoutError: if it has said nothing in that time.
            ChannelError, CodecError: if what it says is no message.
        """
        poll, until = select.poll(), time.monotonic() + within_s
        for descriptor in (self._channel.fileno(), self._output, self._ending):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        next_check = time.monotonic() + CHECK_S
        while True:
            has_ended = not self.is_running  # and has said by now what it had to say
            wait_s = 0.0 if has_ended else max(0.0, min(until, next_check) - time.monotonic())
            ready = dict(poll.poll(1000 * (wait_s if self._ending is not None else min(wait_s, _BLIND_S))))
            if self._output in ready and not self._drain():
                poll.unregister(self._output)  # the evaluator closed it
            if self._channel.fileno() in ready:
                return self._hear(largest)
            if has_ended:
                raise self._ended(self._process.wait())
            now = time.monotonic()
            if now >= until:
                raise TimeoutError
            if now >= next_check:
                before = time.thread_time()
                check()
                pause_s = CHECK_SHARE * (time.thread_time() - before)
                next_check = now + min(max(CHECK_S, pause_s), LONGEST_CHECK_S)

    def _hear(self, largest: tuple[int, int]) -> Said:
        try:
            said: Said = receive(self._channel, Said, largest=largest)
        except Closed:
            with contextlib.suppress(subprocess.TimeoutExpired):  # then it closed the channel, and lives on
                raise self._ended(self._process.wait(END_S)) from None
            raise
        return said

    def _ended(self, status: int) -> Ended:
        lines = [line for line in map(one_line, self.output().splitlines()) if line]
        place = place_in(self.where(is_asked=False))
        return Ended(status, place=place[-_WORDS:], words=lines[-1][:_WORDS] if lines else "")

    def _drain(self) -> bool:
        """Take what it wrote, keep the end; False where it has closed its output."""
        for _ in range(_CHUNKS):
            try:
                chunk = os.read(self._output, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                return False
            self._tail += chunk
            del self._tail[:-OUTPUT_BYTES]
        return True

    def output(self) -> str:
        """The end of what it and what it started have written since it was asked."""
        self._drain()
        text = bytes(self._tail)
        if len(text) == OUTPUT_BYTES:
            text = text.lstrip(bytes(range(0x80, 0xC0)))  # a character may have been cut
        return text.decode(errors="replace")

    def where(self, *, is_asked: bool) -> str:
        """Where it crashed, "" for nowhere; with `is_asked` where it is now, if it can say so.

        One that is asked is to be ended then: it may not live on.
        """
        if is_asked and self.is_running:
            ask_where(self.pid, self._report)
        report = read_report(self._report)
        status = self._process.poll()
        if not report and status is not None and -status in CRASHES:  # an evaluator may have it written elsewhere
            report = report_in(self.output())
        return report

    def close(self) -> None:
        """Kill it with its group, and forget it."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck within the system
            self._process.wait(END_S)
        self._channel.close()
        os.close(self._output)
        os.close(self._report)
        if self._ending is not None:
            os.close(self._ending)


def _end_of(pid: int) -> int | None:
    """A descriptor that becomes ready when a process ends; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no Linux, or one before 5.3
        return None
