"""Ctrl-C, however often pressed, as one KeyboardInterrupt: the next one must not break what the first one ends."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: So long after an interrupt are further ones ignored. Cleaning up takes milliseconds; whoever waits longer may insist.
REPEAT_S = 2.0


def signals_heard() -> tuple[signal.Signals, ...]:
    """The signals that ask for a stop; the SIGHUP of a terminal that goes away does not where it is ignored (nohup)."""
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if is_deaf else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def leave_lost_terminal() -> None:
    """Send what is still printed nowhere where the terminal that it went to is gone: each write to it would fail."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


class Interrupt:
    """A signal handler that raises KeyboardInterrupt, and is quiet for `REPEAT_S` after that."""

    def __init__(self) -> None:
        self.was_pressed = False  #: In the middle of an import, say, an interrupt may come out as any other error.
        self._raised_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        self.was_pressed = True
        now = time.monotonic()
        if self._raised_at is None or now - self._raised_at >= REPEAT_S:
            self._raised_at = now
            raise KeyboardInterrupt

    @classmethod
    def current(cls) -> Interrupt:
        """The one that handles SIGINT now, or a new one."""
        handler = signal.getsignal(signal.SIGINT)
        return handler if isinstance(handler, cls) else cls()


@contextmanager
def interrupts_noted() -> Iterator[Interrupt]:
    """Let an `Interrupt` handle SIGINT, unless the program around us has a handler of its own."""
    interrupt = Interrupt()
    is_main_thread = threading.current_thread() is threading.main_thread()
    if not is_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
