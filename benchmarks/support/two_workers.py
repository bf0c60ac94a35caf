"""Two workers that train, of this machine or in virtual time, for one run of a benchmark after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult

from benchmarks.support.simulation import VirtualClock, VirtualPool
from gasearch.dispatch.dispatcher import Dispatcher
from gasearch.jobs.setup import Setup
from gasearch.search.problem import training_seed
from gasearch.space.genome import Genome, make_genome

WORKERS = 2


def request_of(genome: Genome, number: int, setup: Setup, calibration: Calibration | None) -> EvaluationRequest:
    """A full training; a network that is asked again is trained with another seed, as its user would."""
    problem = setup.problem
    return EvaluationRequest(
        key=genome.key,
        attempt=number + 1,
        network=problem.decode(genome),
        recipe=problem.recipe,
        task=problem.task,
        seed=training_seed(problem.seed, genome.key, number),
        fidelity=setup.spec.recipe.to_fidelity(),
        measures=problem.measures,
        calibration=calibration,
    )


class Workers(Protocol):
    """Two workers for one run after another."""

    def ready(self) -> tuple[Dispatcher, Callable[[], float]]:
        """Both of them, idle, and the clock by which they say when a training began and ended."""

    def close(self) -> None:
        """Release them."""


class RayWorkers:
    """Two processes that stay, each warm."""

    def __init__(self, setup: Setup) -> None:
        from gasearch.dispatch.ray_cluster import PoolSize
        from gasearch.dispatch.ray_pool import RayPool

        has_meter = bool(setup.problem.measures)
        self._pool = RayPool(size=PoolSize(count=WORKERS, gpus=0), data=setup.data, has_meter=has_meter)
        while self._pool.free < WORKERS:
            self._pool.collect(0.2)
        calibration = self._pool.calibrate(()) if has_meter else None
        for request in warm_up(setup, calibration):
            self._pool.submit(request)
        while self._pool.in_flight:
            self._pool.collect(1.0)

    def ready(self) -> tuple[Dispatcher, Callable[[], float]]:
        """See `Workers`; wall time."""
        return self._pool, time.time

    def close(self) -> None:
        """See `Workers`."""
        self._pool.close()


class VirtualWorkers:
    """This process in place of both; time is the CPU time that each of the three would take."""

    def __init__(self, setup: Setup) -> None:
        from gasearch_workers.evaluation.evaluate import Evaluator

        assert setup.data is not None
        self._evaluator = Evaluator(setup.data)
        for request in warm_up(setup, self._evaluator.calibrate(()) if setup.problem.measures else None):
            self._evaluator.evaluate(request)

    def ready(self) -> tuple[Dispatcher, Callable[[], float]]:
        """See `Workers`; virtual time."""
        clock = VirtualClock(counts_cpu=True)
        return VirtualPool(self, slots=WORKERS, clock=clock), clock

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Make it; it takes its CPU time."""
        began = time.process_time()
        result = self._evaluator.evaluate(request)
        return replace(result, started_at=0.0, finished_at=time.process_time() - began)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """The yardstick of this machine."""
        return self._evaluator.calibrate(known)

    def close(self) -> None:
        """Nothing is held."""


def warm_up(setup: Setup, calibration: Calibration | None) -> list[EvaluationRequest]:
    """Two trainings of a small network: the first one of a process is slower."""
    genome = make_genome([0] * len(setup.space.decisions), setup.space)
    return [request_of(genome, number, setup, calibration) for number in range(WORKERS)]
