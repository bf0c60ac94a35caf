"""Stores of long searches, made fast: the real loop, engine and statements, with cheap proposals and few commits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, TypeVar

from gasearch_workers.messages import Calibration, EvaluationRequest, EvaluationResult
from sqlalchemy import Connection

from benchmarks.support.loops import make_loop
from benchmarks.support.simulation import VirtualClock, VirtualPool
from gasearch.evolution.breeder import Offspring
from gasearch.evolution.engine import Engine, Prediction
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.evolution.toolbox import make_toolbox
from gasearch.jobs.setup import Setup
from gasearch.search.problem import Problem
from gasearch.space.genome import Genome, make_genome
from gasearch.storage import schema
from gasearch.storage.engines import parse_url, reading_engine, writing_engine
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql_writer import SqlArchive

SLOTS = 8
WORKS_PER_COMMIT = 5000
SPREAD = 3  #: A parent that isn't on the front is one of the newest so many populations.

T = TypeVar("T")


class BulkArchive(SqlArchive):
    """An archive that commits now and then: made to be filled, not to survive."""

    _works = 0

    def _transact(self, work: Callable[[Connection, bool], T]) -> T:
        connection = self._connection()
        if not connection.in_transaction():
            connection.begin()
        result = work(connection, False)
        self._works += 1
        if self._works % WORKS_PER_COMMIT == 0:
            self.commit()
        return result

    def _read(self, question: Callable[[Connection], T]) -> T:
        self.commit()
        return super()._read(question)

    def commit(self) -> None:
        """Let readers see all that was written."""
        if self._held is not None and self._held.in_transaction():
            self._held.commit()


class _Drifting(Evolver):
    """Proposes a mutant of some member of the front, or of a recent candidate, without thinking about it."""

    problem: Problem

    def _propose(self, number: int) -> tuple[Offspring | None, tuple[Prediction, ...]]:
        space, rng = self._breeder._space, derive(self._breeder._seed, number, "drift")
        while True:
            parents: tuple[int, ...] = ()
            if number < self._size:
                genes, name = self._toolbox.sample(rng)
            else:
                members = self._front.numbers
                recent = number - 1 - pick(rng, min(number, SPREAD * self._size))
                parents = (members[pick(rng, len(members))] if members and rng.random() < 0.5 else recent,)
                genes, name = self._toolbox.mutate(self._candidates[parents[0]].genome.genes, rng)
            genome = make_genome(genes, space)
            if self._breeder.is_admissible(genome):
                break
        return Offspring(genome, parents, name), self._predicted(genome, parents)

    def _predicted(self, genome: Genome, parents: tuple[int, ...]) -> tuple[Prediction, ...]:
        """What a surrogate would say: what arithmetic knows, and of the rest what its parent came to."""
        if not parents:
            return ()
        parent, costs = self._fitnesses.get(parents[0]), self.problem.costs(genome)
        values = parent.values if parent is not None else (0.0,) * len(self.problem.objectives)
        return tuple(
            Prediction(mean=float(one.wvalue(costs[one.metric])), deviation=0.0)
            if one.metric in costs
            else Prediction(mean=value, deviation=1 / 3)
            for one, value in zip(self.problem.objectives, values, strict=True)
        )


class _DriftingSteadily(_Drifting, SteadyStateEngine):
    """Without a barrier."""


class _DriftingInGenerations(_Drifting, GenerationalEngine):
    """With one."""


class Enough(BaseException):
    """Ends a search as a kill would: what is in flight stays there."""


class Limited:
    """An evaluator that is killed with its controller once so many evaluations are asked for."""

    def __init__(self, evaluate: Callable[[EvaluationRequest], EvaluationResult], most: int) -> None:
        self._evaluate, self._left = evaluate, most

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """See `Evaluator.evaluate`."""
        self._left -= 1
        if self._left < 0:
            raise Enough
        return self._evaluate(request)

    def calibrate(self, known: tuple[Calibration, ...]) -> Calibration:
        """Refuse: nothing is timed."""
        raise NotImplementedError("this search measures no latency")


def drifting_engine(setup: Setup) -> Engine:
    """An engine of the setup's policy that proposes fast."""
    policy: Any = _DriftingSteadily if setup.spec.is_steady else _DriftingInGenerations
    engine: _Drifting = policy(
        setup.space,
        seed=setup.spec.seed,
        population=setup.spec.evolution.population,
        toolbox=make_toolbox(setup.space, "random"),  # survivors are of no use here
    )
    engine.problem = setup.problem
    return engine


def bulk_archive(url: str) -> BulkArchive:
    """A store to be filled."""
    parsed = parse_url(url)
    writing = writing_engine(parsed)
    schema.upgrade(writing, lambda message: None)
    return BulkArchive(writing, reading_engine(parsed))


def write_long_search(
    setup: Setup,
    url: str,
    *,
    evaluations: int,
    evaluate: Callable[[EvaluationRequest], EvaluationResult],
    engine: Engine | None = None,
) -> None:
    """Leave the store of a search that was killed after about so many evaluations, some of them in flight.

    Args:
        setup: Of the search; its budget is larger.
        url: Of the database.
        evaluations: How many.
        evaluate: Answers at once.
        engine: Proposes; None: one that hardly thinks.
    """
    archive, clock = bulk_archive(url), VirtualClock()
    pool = VirtualPool(Limited(evaluate, evaluations + SLOTS), slots=SLOTS, clock=clock)
    loop, lease = make_loop(setup, archive, pool, clock, engine=engine or drifting_engine(setup))
    with suppress(Enough):
        loop.run()
    archive.release(lease, state=SearchStatus.STOPPED, reason="killed")
    archive.commit()
    archive.close()
    with closing(sqlite3.connect(str(parse_url(url).database))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
