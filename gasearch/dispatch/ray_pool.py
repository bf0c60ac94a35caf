"""Evaluations on long-lived Ray actors; every exception of Ray becomes an outcome here and goes no further."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gasearch.errors import WorkersUnavailable
from workers.data.dataset import Dataset
from workers.messages import Calibration, EvaluationRequest, EvaluationResult, Failure, FailureKind

#: Wall seconds beyond a request's own time limit after which a worker counts as hung and is killed.
GRACE_S = 10.0
#: Starting Ray fails now and then on a busy machine ("node timed out during startup"): one more try helps.
START_TRIES = 2
DEFAULT_GPU_SHARE = 0.25
PROBE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """How many workers, and what Ray reserves for each of them (it enforces nothing)."""

    count: int | None  #: None: as many as the cluster's CPUs (and GPUs, where a worker wants one) allow.
    cpus: float = 1.0
    gpus: float | None = None  #: Shares are allowed: 0.25 puts four workers on one GPU. None: that, where there is one.


@dataclass(slots=True, kw_only=True)
class _Job:
    """A request on a worker. The reference is that of its final result, latency included."""

    request: EvaluationRequest
    slot: int
    training: Any
    final: Any
    deadline: float | None
    started_at: float


class RayPool:
    """A `Dispatcher` over Ray actors with one evaluation each; one more actor measures latency, alone.

    The measuring actor is one for the whole search, so that all latencies come from one device. It takes the custom
    resource `latency_slot` where the cluster has it (name the target device so), else any node.
    """

    def __init__(
        self,
        *,
        size: PoolSize,
        data: Dataset | None,
        measures_latency: bool,
        address: str | None = None,
        notice: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Start Ray (a local one, unless an address is given) and the actors.

        Raises:
            WorkersUnavailable: if Ray doesn't start or can't be reached, or has no room for one worker.
        """
        self._notice = notice
        self._ray = _start_ray(size, address)
        self._gpus = _gpu_share(self._ray, size)
        self._cpus = size.cpus
        self._queue: deque[EvaluationRequest] = deque()
        self._jobs: dict[Any, _Job] = {}
        self._data_ref = self._ray.put(data)
        self._count = size.count or _auto_count(self._ray, size.cpus, self._gpus)
        self._workers = [self._make_worker() for _ in range(self._count)]
        self._idle = deque(range(self._count))
        self._meter = self._make_meter() if measures_latency else None
        self._await_first_worker()

    # --- the contract -------------------------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """See `Dispatcher.capacity`."""
        return self._count

    @property
    def in_flight(self) -> int:
        """See `Dispatcher.in_flight`."""
        return len(self._queue) + len(self._jobs)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """See `Dispatcher.calibrate`."""
        if self._meter is None:
            raise WorkersUnavailable("this search measures no latency; it has no measuring worker")
        try:
            calibration: Calibration = self._ray.get(self._meter.calibrate.remote(known), timeout=120)
        except Exception as error:
            raise WorkersUnavailable(f"the measuring worker doesn't answer: {_first_line(error)}") from error
        return calibration

    def submit(self, request: EvaluationRequest) -> None:
        """See `Dispatcher.submit`."""
        self._queue.append(request)
        self._start_queued()

    def collect(self, timeout_s: float) -> list[EvaluationResult]:
        """See `Dispatcher.collect`."""
        until = time.monotonic() + timeout_s
        while True:
            self._start_queued()
            results = self._finished(max(0.0, min(until - time.monotonic(), 1.0)))
            if results or not self._jobs or time.monotonic() >= until:
                self._start_queued()
                return results

    def cancel_queued(self) -> None:
        """See `Dispatcher.cancel_queued`."""
        self._queue.clear()

    def close(self) -> None:
        """See `Dispatcher.close`."""
        if not self._ray.is_initialized():
            return
        for actor in (*self._workers, self._meter):
            if actor is not None:
                with contextlib.suppress(Exception):
                    self._ray.kill(actor)
        self._workers, self._meter = [], None
        self._jobs.clear()
        self._queue.clear()
        self._ray.shutdown()

    # --- jobs ---------------------------------------------------------------------------------------------------

    def _start_queued(self) -> None:
        while self._queue and self._idle:
            request, slot = self._queue.popleft(), self._idle.popleft()
            training, prepared = self._workers[slot].prepare.options(num_returns=2).remote(request)
            final = training
            if self._meter is not None and "latency_ms" in request.measures:
                final = self._meter.finish.remote(training, prepared, request.calibration)
            now = time.monotonic()
            limit = request.time_limit_s
            self._jobs[training] = _Job(
                request=request,
                slot=slot,
                training=training,
                final=final,
                deadline=None if limit is None else now + limit + GRACE_S,
                started_at=time.time(),
            )

    def _finished(self, timeout_s: float) -> list[EvaluationResult]:
        """Free the workers whose training is over; return the results that are complete."""
        waiting = [job.training for job in self._jobs.values() if job.slot >= 0]
        waiting += [job.final for job in self._jobs.values() if job.slot < 0]
        if not waiting:
            return []
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        done = set(ready)
        results = []
        for job in list(self._jobs.values()):
            if job.slot >= 0 and job.training in done:
                results += self._after_training(job)
            elif job.slot < 0 and job.final in done:
                results.append(self._take(job, job.final))
            elif job.slot >= 0 and job.deadline is not None and time.monotonic() > job.deadline:
                results.append(self._kill_hung(job))
        return results

    def _after_training(self, job: _Job) -> list[EvaluationResult]:
        """The worker is free for the next request while the measuring actor times this one."""
        try:
            self._ray.get(job.training)
        except Exception as error:
            self._replace(job.slot)
            del self._jobs[job.training]
            return [self._lost(job, error)]
        self._idle.append(job.slot)
        job.slot = -1
        return [] if job.final is not job.training else [self._take(job, job.final)]

    def _take(self, job: _Job, reference: Any) -> EvaluationResult:
        del self._jobs[job.training]
        try:
            result: EvaluationResult = self._ray.get(reference)
        except Exception as error:
            self._notice("the measuring worker died and is replaced")
            self._meter = self._make_meter()
            return self._lost(job, error)
        return result

    def _kill_hung(self, job: _Job) -> EvaluationResult:
        self._ray.kill(self._workers[job.slot])
        self._replace(job.slot)
        del self._jobs[job.training]
        limit = job.request.time_limit_s
        return self._failed(job, FailureKind.TIMED_OUT, f"no answer {GRACE_S:g} s after its time limit of {limit:g} s")

    def _lost(self, job: _Job, error: Exception) -> EvaluationResult:
        return self._failed(job, FailureKind.WORKER_LOST, f"the worker died: {_first_line(error)}")

    def _failed(self, job: _Job, kind: FailureKind, message: str) -> EvaluationResult:
        return EvaluationResult(
            key=job.request.key,
            attempt=job.request.attempt,
            worker="lost",
            device="unknown",
            started_at=job.started_at,
            finished_at=time.time(),
            outcome=Failure(kind=kind, message=message),
        )

    # --- actors -------------------------------------------------------------------------------------------------

    def _make_worker(self) -> Any:
        from workers.ray_worker import TrainingWorker

        actor = self._ray.remote(TrainingWorker).options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=0, max_task_retries=0
        )
        return actor.remote(self._data_ref, "cuda" if self._gpus else "cpu")

    def _make_meter(self) -> Any:
        from workers.ray_worker import MeasuringWorker

        has_slot = self._ray.cluster_resources().get("latency_slot", 0) >= 1
        actor = self._ray.remote(MeasuringWorker).options(
            num_cpus=0, resources={"latency_slot": 1} if has_slot else None, max_restarts=0, max_task_retries=0
        )
        return actor.remote()

    def _replace(self, slot: int) -> None:
        self._notice("a worker died and is replaced")
        self._workers[slot] = self._make_worker()
        self._idle.append(slot)

    def _await_first_worker(self) -> None:
        """Fail now and clearly, not at the first evaluation, where no worker can be placed."""
        first = [worker.ping.remote() for worker in self._workers]
        ready, _ = self._ray.wait(first, num_returns=1, timeout=120)
        if not ready:
            self.close()
            raise WorkersUnavailable(
                f"Ray has no room for a worker of {self._cpus:g} CPUs and {self._gpus:g} GPUs after 120 s; "
                "lower workers.cpus or workers.gpus, or use --workers 0 to evaluate without Ray"
            )
        try:
            self._ray.get(ready)
        except Exception as error:
            self.close()
            raise WorkersUnavailable(f"the first worker failed to start: {_first_line(error)}") from error


def _start_ray(size: PoolSize, address: str | None) -> Any:
    """Ray, initialized: a local one of our own ("local": never one that happens to run here), or the given cluster."""
    if address is not None:
        _require_listener(address)
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it while it is imported; a cluster refuses us without
    import logging

    import ray

    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cpus = max(os.cpu_count() or 1, round((size.count or 1) * size.cpus))
        options |= {"num_cpus": cpus, "include_dashboard": False, "resources": {"latency_slot": 1}}
    for number in range(1, START_TRIES + 1):
        try:
            with _quiet_environment():
                ray.init(**options)
        except Exception as error:
            with contextlib.suppress(Exception):
                ray.shutdown()
            if number == START_TRIES:
                where = f"the Ray cluster at {address} can't be reached" if address else "Ray doesn't start"
                raise WorkersUnavailable(
                    f"{where}: {_first_line(error)}; use --workers 0 to evaluate without Ray"
                ) from error
        else:
            break
    return ray


def _require_listener(address: str) -> None:
    """Fail within seconds where nobody listens: `ray.init` would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PROBE_S):
            pass
    except (OSError, ValueError) as error:
        raise WorkersUnavailable(
            f"the Ray cluster at {address} can't be reached: {_first_line(error)}; "
            "name its head as HOST:PORT, or use --workers 0 to evaluate without Ray"
        ) from error


@contextlib.contextmanager
def _quiet_environment() -> Iterator[None]:
    """The environment that Ray's processes inherit: one thread each, and none of our secrets."""
    changes = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    removed = [name for name in os.environ if name.startswith("GASEARCH_") or name in ("PGPASSWORD", "DATABASE_URL")]
    saved = {name: os.environ.get(name) for name in (*changes, *removed)}
    os.environ.update(changes)
    for name in removed:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _gpu_share(ray: Any, size: PoolSize) -> float:
    """What each worker reserves of a GPU; small networks are launch-bound, so several share one."""
    if size.gpus is not None:
        return size.gpus
    return DEFAULT_GPU_SHARE if ray.cluster_resources().get("GPU", 0) else 0.0


def _auto_count(ray: Any, cpus: float, gpus: float) -> int:
    resources = ray.cluster_resources()
    counts = []
    if cpus > 0:
        counts.append(int(resources.get("CPU", 1) / cpus))
    if gpus > 0:
        counts.append(int(resources.get("GPU", 0) / gpus))
    return max(1, min(counts, default=1))


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
