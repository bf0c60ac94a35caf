"""Workers in virtual time: evaluations take as long as they say, and a clock jumps from one event to the next.

So a search over 64 workers is made on one core, by the real loop; and whether a worker ever waited is read off the
schedule exactly, whoever else the machine serves.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult

from gasearch.dispatch.in_process import Evaluator

SIGMA = 1.0  #: Of the durations' logarithm: one in six takes more than 1.6 times the mean, one in a hundred six times.
MEAN_S = 2.0  #: Of the durations.


def duration_s(seed: int, key: str) -> float:
    """How long the evaluation of a network takes: a function of both, so that every method waits as long for it."""
    return MEAN_S * random.Random(f"{seed}/{key}").lognormvariate(-SIGMA * SIGMA / 2, SIGMA)


class VirtualClock:
    """Seconds since a search began. Where the controller's time counts, it runs with the CPU time of this process."""

    def __init__(self, *, counts_cpu: bool = False) -> None:
        self._now = 0.0
        self._counts_cpu = counts_cpu
        self._mark = time.process_time()

    def __call__(self) -> float:
        """The time now."""
        if self._counts_cpu:
            cpu = time.process_time()
            self._now += cpu - self._mark
            self._mark = cpu
        return self._now

    def jump(self, until: float) -> None:
        """Wait; into the past, no time at all."""
        self._now = max(self(), until)

    def forgive(self) -> None:
        """Don't count what was computed since the clock was last read: the simulation's own work."""
        self._mark = time.process_time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One evaluation on one worker."""

    key: str  #: Of the network.
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Share of the workers' time in which they were busy."""

    whole: float  #: From the start of the search to the last outcome: start-up and the draining tail are in.
    fed: (
        float  #: Until the last evaluation began, after which nothing is left to give to a free worker; start-up is in.
    )


def utilisation(jobs: Sequence[Job], slots: int) -> Utilisation:
    """Of jobs on so many workers; the search began at 0."""
    last_start = max(job.started_at for job in jobs)
    return Utilisation(
        whole=_busy_s(jobs, max(job.finished_at for job in jobs), slots), fed=_busy_s(jobs, last_start, slots)
    )


def _busy_s(jobs: Sequence[Job], until: float, slots: int) -> float:
    return sum(max(0.0, min(job.finished_at, until) - job.started_at) for job in jobs) / (slots * until)


def in_turn(keys: Sequence[str], *, slots: int, seed: int, began: float) -> list[Job]:
    """A batch of evaluations, each given to the first worker that is free."""
    free = [began] * slots
    jobs = []
    for key in keys:
        started_at = heapq.heappop(free)
        job = Job(key=key, started_at=started_at, finished_at=started_at + duration_s(seed, key))
        heapq.heappush(free, job.finished_at)
        jobs.append(job)
    return jobs


class VirtualPool:
    """A `Dispatcher` whose workers are simulated: `collect` jumps to the next completion."""

    def __init__(self, evaluator: Evaluator, *, slots: int, clock: VirtualClock) -> None:
        """A pool of idle workers.

        Args:
            evaluator: Gives the outcome of a request; it takes from the result's `started_at` to its `finished_at`.
            slots: How many workers.
            clock: Moved on by this pool alone.
        """
        self.jobs: list[Job] = []  #: All that were finished, in the order of their ends.
        self._evaluator, self._slots, self._clock = evaluator, slots, clock
        self._running: list[tuple[float, int, EvaluationResult]] = []  # a heap by the time of the end
        self._queue: deque[EvaluationRequest] = deque()
        self._submitted = 0

    @property
    def slots(self) -> int:
        """See `Dispatcher.slots`."""
        return self._slots

    @property
    def free(self) -> int:
        """See `Dispatcher.free`: a worker whose result nobody has collected yet isn't known to be free."""
        return self._slots - len(self._running) - len(self._queue)

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self._running) + len(self._queue)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`."""
        return self._evaluator.calibrate(known)

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self._queue.append(request)
        self._start_queued()

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        until = self._clock() + timeout_s
        if not self._running:
            return []
        self._clock.jump(min(self._running[0][0], until))
        now = self._clock()
        results = []
        while self._running and self._running[0][0] <= now:
            result = heapq.heappop(self._running)[2]
            self.jobs.append(Job(key=result.key, started_at=result.started_at, finished_at=result.finished_at))
            results.append(result)
        self._start_queued()
        return results

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        self._queue.clear()

    def close(self) -> None:
        """See `Dispatcher.close`."""
        self._queue.clear()
        self._running.clear()

    def _start_queued(self) -> None:
        now = self._clock()
        while self._queue and len(self._running) < self._slots:
            request = self._queue.popleft()
            result = self._evaluator.evaluate(request)
            finished_at = now + result.finished_at - result.started_at
            result = replace(result, started_at=now, finished_at=finished_at)
            heapq.heappush(self._running, (finished_at, self._submitted, result))
            self._submitted += 1
        self._clock.forgive()
