"""The progress of a running search, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gasearch.storage.records import EvaluationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A snapshot of a running search."""

    name: str
    completed: int  #: Evaluations with a final outcome, over all interruptions.
    budget: int  #: Evaluations allowed in all.
    in_flight: int
    failures: int  #: Trainings that ended early are none.
    stopped: int  #: Trainings that ended early.
    retries: int
    generation: int
    front_size: int
    hypervolume: float | None  #: None before the first generation fixes its scaling.
    best: tuple[tuple[str, float], ...]  #: Best feasible value per objective so far, native units.
    elapsed_s: float  #: Since this controller started.
    rate_per_minute: float  #: Evaluations per minute of this controller; 0 before the first.
    remaining_s: float | None  #: Estimate of the time left; None while unknown.
    busy: float | None  #: Share of the workers' time since this controller started that they evaluated, 0..1.


class Observer(Protocol):
    """Watches a search. Called from the search loop's thread; must return quickly and not raise."""

    def on_progress(self, progress: Progress) -> None:
        """After every outcome."""

    def on_outcome(self, record: EvaluationRecord) -> None:
        """Every final outcome, failures included, once it is stored: in the order of arrival, each once.

        Of a further training the outcome holds the means over all of them. What came to an earlier controller, and
        attempts that are made again, don't come here.
        """

    def on_notice(self, message: str) -> None:
        """A sentence that the user should see: an upgrade, a lost worker, a stop on its way."""


class Several:
    """Observers that watch the same search, each in its turn."""

    def __init__(self, *observers: Observer) -> None:
        """In this order."""
        self._observers = observers

    def on_progress(self, progress: Progress) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.on_progress(progress)

    def on_outcome(self, record: EvaluationRecord) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.on_outcome(record)

    def on_notice(self, message: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.on_notice(message)


def unheard(message: str) -> None:
    """A notice that nobody listens to."""


class Silent:
    """An observer that ignores everything."""

    def on_progress(self, progress: Progress) -> None:
        """Ignore it."""

    def on_outcome(self, record: EvaluationRecord) -> None:
        """Ignore it."""

    def on_notice(self, message: str) -> None:
        """Ignore it."""
