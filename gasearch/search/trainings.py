"""Trainings that aren't a search's own evaluations: tried again, and stopped, as a search does it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, Failure, FailureKind

from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.errors import Interrupted
from gasearch.search.attempts import Breaker, may_go_on
from gasearch.search.loop import COLLECT_S, DRAIN_S
from gasearch.search.ownership import StopSignal

#: Takes what was asked, and what came of it in the end; stores it.
OnResult = Callable[[EvaluationRequest, EvaluationResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """One that isn't finished yet."""

    request: EvaluationRequest  #: As it was asked for.
    failed: tuple[FailureKind, ...] = ()  #: What became of the attempts so far.


class Trainings:
    """Sends requests to a dispatcher, tries again what may end differently, and hands over what is finished.

    Between dispatcher and workers each attempt has a number of its own, whatever the request's. One thread.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        again: str,
        on_result: OnResult,
        stop: StopSignal | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Nothing is asked for yet.

        Args:
            dispatcher: Makes the trainings.
            again: The command that goes on after an interruption.
            on_result: Takes each finished one.
            stop: The wish to stop; None: nobody has it.
            calibration: Of the device that measures latency; None: it isn't measured.
        """
        self._dispatcher, self._again, self._on_result = dispatcher, again, on_result
        self._stop, self._calibration = stop or StopSignal(), calibration
        self._waiting: deque[_Training] = deque()  #: To be tried again.
        self._flying: dict[tuple[str, int], _Training] = {}
        self._numbers = itertools.count(1)
        self._breaker = Breaker()
        self._finished = 0

    def run(self, requests: Iterable[EvaluationRequest]) -> None:
        """Make all of them; returns when the last one is finished.

        Raises:
            Interrupted: where a stop was wished; what was in flight had some seconds to finish.
            GasearchError: if too much fails in a row, or the wish to stop brings an error.
        """
        left = iter(requests)
        while not self._stop.is_requested:
            self._breaker.require_closed(self._again, slots=self._dispatcher.slots)
            is_all_asked = self._dispatch(left)
            if is_all_asked and not self._flying and not self._waiting:
                return
            self._settle(self._dispatcher.collect(COLLECT_S))
        self._drain()
        if self._stop.error is not None:
            raise self._stop.error
        raise Interrupted(f"stopped ({self._stop.reason}) after {self._finished} trainings; go on with: {self._again}")

    def _dispatch(self, left: Iterator[EvaluationRequest]) -> bool:
        """Keep every worker busy; returns whether nothing is left to be asked for."""
        while self._dispatcher.free > 0:
            if self._waiting:
                training = self._waiting.popleft()
            else:
                request = next(left, None)
                if request is None:
                    return True
                training = _Training(request=request)
            sent = replace(training.request, attempt=next(self._numbers), calibration=self._calibration)
            self._flying[sent.key, sent.attempt] = training
            self._dispatcher.submit(sent)
        return False

    def _settle(self, results: list[EvaluationResult]) -> None:
        for result in results:
            training = self._flying.pop((result.key, result.attempt), None)
            if training is None:  # a late or repeated answer
                continue
            if isinstance(result.outcome, Failure) and result.outcome.is_retryable:
                failed = (*training.failed, result.outcome.kind)
                if may_go_on(failed):
                    self._breaker.note_retry(result.outcome)
                    self._waiting.append(replace(training, failed=failed))
                    continue
            self._on_result(training.request, replace(result, attempt=training.request.attempt))
            self._breaker.note(result.outcome)
            self._finished += 1

    def _drain(self) -> None:
        """Let what runs finish, for a while; what doesn't runs again when somebody goes on."""
        self._dispatcher.cancel_queued()
        watch = Stopwatch()
        while self._dispatcher.in_flight and watch.seconds < DRAIN_S and self._stop.error is None:
            self._settle(self._dispatcher.collect(DRAIN_S - watch.seconds))
