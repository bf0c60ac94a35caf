"""Waiting for a database that is away, restarting, or locked: a search outlives its database's bad minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from gasearch.storage.faults import SQLITE_PATIENCE_S, cause_of, damaged, is_worth_repeating, shown, store_error

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 4.0  #: A database that comes back after an hour, too, is noticed within 5 s.
GRACE_S = 3.0  #: So long is waited at most once the user wants the end.
QUIET_S = 1.0  #: What lasts no longer is nobody's concern.
REMINDER_S = 60.0
_SLICE_S = 0.05  #: So soon is a wish to end noticed.


class Patience:
    """How long what may succeed later is tried again. Thread-safe."""

    def __init__(self, url: URL) -> None:
        """None at first: a broken connection is made anew once, and a locked SQLite file waited for as ever."""
        self.url, self.name = url, f"the database {shown(url)}"
        self.seconds = 0.0
        self.is_over: Callable[[], bool] = lambda: False  #: Whether the user wants the end.
        self.notice: Callable[[str], None] = lambda message: None

    def keep(self, work: Callable[[bool], T], clean_up: Callable[[], None]) -> T:
        """Return what the work returns, as soon as the database lets it.

        Args:
            work: Takes whether an earlier try may have been committed, unknown to us.
            clean_up: Called after every try that failed.

        Raises:
            StoreError: when patience ends, or at once where waiting can't help (a full or failing disk, say).
        """
        wait = _Wait(self)
        is_repeat = False
        while True:
            try:
                result = work(is_repeat)
            except SQLAlchemyError as error:
                clean_up()
                if not is_worth_repeating(error) or (is_repeat and not wait.goes_on(error)):
                    raise store_error(error, self.url) from error
                is_repeat = True
            except UnicodeDecodeError as error:
                clean_up()
                raise damaged(self.url) from error
            except BaseException:
                clean_up()  # an interrupt may have left it in the middle of anything
                raise
            else:
                wait.end()
                return result

    @property
    def limit_s(self) -> float:
        """How long one wait may last."""
        least = SQLITE_PATIENCE_S if self.url.get_backend_name() == "sqlite" else 0.0
        return max(least, self.seconds)


class _Wait:
    """One wait, from the first failure on."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self._pause_s = FIRST_PAUSE_S
        self._said_at: float | None = None

    def goes_on(self, error: SQLAlchemyError) -> bool:
        """Pause, each time longer; False when it has been enough."""
        until = min(time.monotonic() + self._pause_s, self._began + self._patience.limit_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self._waited_s >= QUIET_S:
            self._say(error)
        while (left := until - time.monotonic()) > 0:
            if self._is_over():
                return False
            time.sleep(min(left, _SLICE_S))
        return self._waited_s < self._patience.limit_s and not self._is_over()

    def end(self) -> None:
        """Say that the database answers again, if anything was said."""
        if self._said_at is not None:
            self._patience.notice(f"{self._patience.name} answers again after {_duration(self._waited_s)}")

    @property
    def _waited_s(self) -> float:
        return time.monotonic() - self._began

    def _is_over(self) -> bool:
        return self._patience.is_over() and self._waited_s >= GRACE_S

    def _say(self, error: SQLAlchemyError) -> None:
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= REMINDER_S:
            self._said_at = now
            left = _duration(self._patience.limit_s - self._waited_s)
            self._patience.notice(
                f"{self._patience.name} doesn't answer ({cause_of(error, self._patience.url)}): trying again for {left}"
            )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
