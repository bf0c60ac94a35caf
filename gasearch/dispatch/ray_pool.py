"""Evaluations on long-lived Ray actors; every exception of Ray becomes an outcome here and goes no further."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gasearch_workers import identity
from gasearch_workers.data.dataset import Dataset
from gasearch_workers.machine.stopwatch import Stopwatch
from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult, FailureKind, WorkerTerms
from gasearch_workers.sandbox.codec import decode, encode

from gasearch.dispatch.dispatcher import unanswered
from gasearch.dispatch.ray_cluster import (
    PoolSize,
    auto_count,
    first_line,
    gpu_share,
    has_raised,
    require_shared,
    require_shared_by_all,
    start_ray,
)
from gasearch.errors import WorkersUnavailable

_LOG = logging.getLogger(__name__)

#: Wall seconds beyond a request's own time limit after which a worker counts as hung and is killed. A worker ends a
#: late evaluation itself, within 10 s; but it may first have to start the process that makes it, which loads libraries.
GRACE_S = 60.0
START_S = 120.0  #: For the first worker, and for a measuring worker's answer.
MOST_FAILED_STARTS = 3  #: Of one slot in a row; then the fault is not the worker's.
MOST_KILLED_STARTS = 10  #: The same where the worker didn't fail but was killed, or its node went.
#: For one network, once those before it are timed, besides what a command of the user's may take; a timing takes far
#: less than a second.
TIMING_S = 60.0
MOST_TIMINGS = 2  #: Of one network: the second one where the measuring worker died.


@dataclass(slots=True, kw_only=True)
class _Job:
    """A request on its way: training in a worker's slot, then waiting to be timed."""

    request: EvaluationRequest
    slot: int
    training: Any  #: Reference of the result without its latency.
    prepared: Any  #: Reference of what is to be timed.
    deadline: float | None
    watch: Stopwatch  #: Runs since a worker has it.
    timings: int = 0
    meter: Any = None  #: The actor that times it.


class RayPool:
    """A `Dispatcher` over Ray actors with one evaluation each; one more actor measures latency, alone.

    The measuring actor is one for the whole search, so that all latencies come from one device. It takes the custom
    resource `latency_slot` where the cluster has it (name the target device so), else any node. A worker takes requests
    once it answers: one that Ray finds no place for costs nothing but its absence.
    """

    def __init__(
        self,
        *,
        size: PoolSize,
        data: Dataset | None,
        has_meter: bool,
        address: str | None = None,
        notice: Callable[[str], None] = lambda message: None,
        environment: tuple[str, ...] = (),
        shares_memory: bool = False,
        evaluator: str | None = None,
        shared_mark: str | None = None,
    ) -> None:
        """Start Ray (a local one, unless an address is given) and the actors.

        Args:
            size: How many workers, and what each reserves.
            data: What they train on; None where they only call evaluators.
            has_meter: Whether to start the measuring worker.
            address: Of a cluster; None: a local Ray of our own.
            notice: Takes what the user should know.
            environment: Variables of the nodes' that evaluations see, besides those that hold no secret.
            shares_memory: Whether a worker's evaluations keep to an equal share of its node's memory.
            evaluator: The user's own, which every worker imports before it takes a request.
            shared_mark: A file of this process's, in a folder through which workers exchange files; None: they don't.

        Raises:
            WorkersUnavailable: if Ray doesn't start or can't be reached, has no room for one worker, a worker can't
                import the evaluator, or a node doesn't share that folder.
        """
        self._notice, self._shared_mark = notice, shared_mark
        self._ray = start_ray(size, address)
        self._gpus = gpu_share(self._ray, size)
        self._cpus = size.cpus
        self._queue: deque[EvaluationRequest] = deque()
        self._training: dict[Any, _Job] = {}  #: By the reference that becomes ready.
        self._timing: dict[Any, _Job] = {}
        #: Slots whose worker hasn't answered yet, and whether it was asked for its name or tries out the evaluator.
        self._starting: dict[Any, tuple[int, bool]] = {}
        self._failed_starts: dict[int, list[bool]] = {}  #: By slot, since its last worker: whether it was killed.
        self._differences: set[str] = set()  #: Between workers and us, those that the user knows of.
        if shared_mark is not None and address is not None:
            self._require_shared_folder(shared_mark)
        self._data_ref = self._ray.put(data)
        self._count = size.count or auto_count(self._ray, size.cpus, self._gpus)
        self._evaluator = evaluator
        self._terms = WorkerTerms(
            paths=tuple(map(os.path.abspath, sys.path)),  # "" is the folder that we run in
            environment=environment,
            shares_memory=shares_memory,
            neighbours=self._count,
            cpus=size.cpus,
            gpus=self._gpus,
        )
        self._workers: list[Any] = [None] * self._count
        self._idle: deque[int] = deque()
        for slot in range(self._count):
            self._start_worker(slot)
        self._meter = self._make_meter() if has_meter else None
        if has_meter and not self._has_latency_slot():
            notice(
                f"no node of the cluster at {address} has the resource latency_slot: latency is measured on whichever "
                f"node Ray takes; so that it is the one you mean, start Ray there with: ray start --address {address} "
                """--resources '{"latency_slot": 1}'"""
            )
        self._await_first_worker()

    # --- the contract -------------------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """See `Dispatcher.slots`: the workers, those that are starting included."""
        return self._count

    @property
    def free(self) -> int:
        """See `Dispatcher.free`; none while more networks wait to be timed than there are workers."""
        return 0 if len(self._timing) > self._count else len(self._idle) - len(self._queue)

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self._queue) + len(self._training) + len(self._timing)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`.

        Raises:
            WorkersUnavailable: if there is no measuring worker, or it doesn't answer.
        """
        if self._meter is None:
            raise WorkersUnavailable("this search measures no latency; it has no measuring worker")
        try:
            self._compare(self._ray.get(self._meter.ping.remote(), timeout=START_S))
            answer = self._ray.get(self._meter.calibrate.remote(encode(known)), timeout=START_S)
        except WorkersUnavailable:
            raise
        except Exception as error:
            raise WorkersUnavailable(f"the measuring worker doesn't answer: {first_line(error)}") from error
        calibration: Calibration = decode(Calibration, *answer)
        return calibration

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self._queue.append(request)
        self._start_queued()

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        until = time.monotonic() + timeout_s
        while True:
            results = self._advance(max(0.0, min(until - time.monotonic(), 1.0)))
            self._start_queued()
            if results or not self.in_flight or time.monotonic() >= until:
                return results

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        self.take_queued()

    def take_queued(self) -> tuple[EvaluationRequest, ...]:
        """Forget the requests that no worker has begun, and return them."""
        queued = tuple(self._queue)
        self._queue.clear()
        return queued

    def close(self) -> None:
        """See `Dispatcher.close`."""
        if not self._ray.is_initialized():
            return
        for actor in (*self._workers, self._meter):
            if actor is not None:
                with contextlib.suppress(Exception):
                    self._ray.kill(actor)
        self._workers, self._meter = [], None
        for references in (self._training, self._timing, self._starting):
            references.clear()
        self._queue.clear()
        self._ray.shutdown()

    # --- jobs ---------------------------------------------------------------------------------------------------

    def _start_queued(self) -> None:
        while self._queue and self._idle:
            request, slot = self._queue.popleft(), self._idle.popleft()
            training, prepared = self._workers[slot].prepare.options(num_returns=2).remote(encode(request))
            limit = request.time_limit_s
            self._training[training] = _Job(
                request=request,
                slot=slot,
                training=training,
                prepared=prepared,
                deadline=None if limit is None else time.monotonic() + limit + GRACE_S,
                watch=Stopwatch(),
            )

    def _advance(self, timeout_s: float) -> list[EvaluationResult]:
        """Wait for any reference; then take every job, and every starting worker, one step on."""
        waiting = [*self._training, *self._timing, *self._starting]
        if not waiting:
            return []
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        results = []
        for reference in ready:
            if reference in self._starting:
                self._after_start(reference)
            elif reference in self._training:
                results += self._after_training(reference)
            elif reference in self._timing:
                results += self._after_timing(reference)
        return results + self._past_deadline()

    def _after_training(self, reference: Any) -> list[EvaluationResult]:
        """The worker is free for the next request while the measuring actor times this one."""
        job = self._training.pop(reference)
        try:
            result: EvaluationResult = decode(EvaluationResult, *self._ray.get(reference))
        except Exception as error:
            self._replace(job.slot)
            return [self._lost(job, error)]
        self._idle.append(job.slot)
        is_wanted = "latency_ms" in job.request.measures or job.request.command is not None
        if self._meter is None or not is_wanted:
            return [result]
        self._start_timing(job)
        return []

    def _start_timing(self, job: _Job) -> None:
        assert self._meter is not None
        job.meter, job.timings = self._meter, job.timings + 1
        job.deadline = time.monotonic() + sum(map(_timing_s, (job, *self._timing.values())))
        timing = job.meter.finish.remote(job.training, job.prepared, encode(job.request.calibration))
        self._timing[timing] = job

    def _after_timing(self, reference: Any) -> list[EvaluationResult]:
        job = self._timing.pop(reference)
        try:
            return [decode(EvaluationResult, *self._ray.get(reference))]
        except Exception as error:
            return self._time_again(job, error)

    def _time_again(self, job: _Job, error: Exception) -> list[EvaluationResult]:
        """The training is not lost with the measuring worker: a new one times the network, once more."""
        if job.meter is self._meter:
            self._replace_meter(job.request.calibration)
        if job.timings >= MOST_TIMINGS:
            return [self._lost(job, error)]
        self._start_timing(job)
        return []

    def _past_deadline(self) -> list[EvaluationResult]:
        """Kill what hangs."""
        now, results = time.monotonic(), []
        for reference, job in list(self._training.items()):
            if job.deadline is not None and now > job.deadline:
                del self._training[reference]
                self._ray.kill(self._workers[job.slot])
                self._replace(job.slot)
                message = f"no answer {GRACE_S:g} s after its time limit of {job.request.time_limit_s:g} s"
                results.append(unanswered(job.request, FailureKind.TIMED_OUT, message, watch=job.watch))
        for reference, job in list(self._timing.items()):
            if job.deadline is not None and now > job.deadline:
                del self._timing[reference]
                self._ray.kill(job.meter)
                results += self._time_again(job, TimeoutError("the measuring worker did not answer"))
        return results

    def _lost(self, job: _Job, error: Exception) -> EvaluationResult:
        message = f"the worker died: {first_line(error)}"
        return unanswered(job.request, FailureKind.WORKER_LOST, message, watch=job.watch)

    # --- actors -------------------------------------------------------------------------------------------------

    def _start_worker(self, slot: int) -> None:
        from gasearch_workers.ray_worker import TrainingWorker

        actor = self._ray.remote(TrainingWorker).options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=0, max_task_retries=0
        )
        device = "cuda" if self._gpus else "cpu"
        self._workers[slot] = actor.remote(identity.identity(), [self._data_ref], device, encode(self._terms))
        self._starting[self._workers[slot].ping.remote()] = slot, False

    def _after_start(self, reference: Any) -> None:
        """Take a worker into service; one that failed to start gets another try, but not for ever."""
        slot, is_tried = self._starting.pop(reference)
        try:
            answer = self._ray.get(reference)
        except Exception as error:
            failed = self._failed_starts.setdefault(slot, [])
            failed.append(not has_raised(error))
            if failed.count(False) >= MOST_FAILED_STARTS or len(failed) >= MOST_KILLED_STARTS:
                raise WorkersUnavailable(f"workers fail to start: {first_line(error)}") from error
            self._start_worker(slot)
            return
        if not is_tried:  # it is there: one that speaks our messages can be asked for more
            self._compare(answer)
            _LOG.info("worker started", extra={"node": answer["node"]})
            if self._shared_mark is not None:  # its node may have joined since the search began
                require_shared(self._ray.get(self._workers[slot].why_not_shared.remote(self._shared_mark)))
            self._starting[self._workers[slot].try_out.remote(self._evaluator)] = slot, True
            return
        if answer:
            raise WorkersUnavailable(f"task.evaluator: a worker can't use it: {answer}")
        self._failed_starts.pop(slot, None)
        self._idle.append(slot)

    def _require_shared_folder(self, mark: str) -> None:
        try:
            require_shared_by_all(self._ray, mark)
        except WorkersUnavailable:
            self._ray.shutdown()
            raise

    def _compare(self, worker: Any) -> None:
        """Refuse a worker whose messages are others than ours; say once per difference where only versions are."""
        why = identity.refusal(identity.identity(), worker)
        if why is not None:
            raise WorkersUnavailable(why)
        text = identity.notice(identity.identity(), worker)
        if text is not None and text not in self._differences:
            self._differences.add(text)
            self._notice(text)

    def _replace(self, slot: int) -> None:
        self._notice("a worker died and is replaced")
        self._start_worker(slot)

    def _make_meter(self) -> Any:
        from gasearch_workers.ray_worker import MeasuringWorker

        has_slot = self._has_latency_slot()
        actor = self._ray.remote(MeasuringWorker).options(
            num_cpus=0, resources={"latency_slot": 1} if has_slot else None, max_restarts=0, max_task_retries=0
        )
        return actor.remote()

    def _has_latency_slot(self) -> bool:
        return bool(self._ray.cluster_resources().get("latency_slot", 0) >= 1)

    def _replace_meter(self, calibration: Calibration | None) -> None:
        """Another measuring worker, on the same kind of device: latencies of two kinds don't compare."""
        self._notice("the measuring worker died and is replaced")
        self._meter = self._make_meter()
        if calibration is None:  # a command of the user's alone measures
            return
        found = self.calibrate((calibration,))
        if found.device != calibration.device:
            raise WorkersUnavailable(
                f"the measuring worker on {calibration.device} died, and its successor runs on {found.device}; "
                "bring the node back, or resume to measure there from now on"
            )

    def _await_first_worker(self) -> None:
        """Fail now and clearly, not at the first evaluation, where no worker can be placed."""
        until = time.monotonic() + START_S
        try:
            while not self._idle and time.monotonic() < until:
                self._advance(1.0)
        except WorkersUnavailable:
            self.close()
            raise
        if not self._idle:
            self.close()
            raise WorkersUnavailable(
                f"Ray has no room for a worker of {self._cpus:g} CPUs and {self._gpus:g} GPUs after {START_S:g} s; "
                "lower workers.cpus or workers.gpus, or use --workers 0 to evaluate without Ray"
            )


def _timing_s(job: _Job) -> float:
    """The seconds that the measuring worker may take for a job."""
    return TIMING_S + (0.0 if job.request.command is None else job.request.command.timeout_s)
