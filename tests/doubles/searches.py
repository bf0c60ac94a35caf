"""A small custom search over a real archive, for tests of the loop."""

from __future__ import annotations

from dataclasses import replace

from gasearch_workers.messages import Measurement, Recipe, Task

from gasearch.dispatch.in_process import InProcess
from gasearch.evolution.generational import GenerationalEngine
from gasearch.objectives.constraints import parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.search.budget import SearchBudget
from gasearch.search.log import SearchLog
from gasearch.search.loop import SearchLoop, Surroundings
from gasearch.search.ownership import StopSignal
from gasearch.search.problem import Problem
from gasearch.search.progress import Silent
from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.decode import decode
from gasearch.storage.owner import current_owner
from gasearch.storage.records import NewSearch
from tests.doubles.scripted import Scripted

OBJECTIVES = (Objective(metric="error", is_maximized=False), Objective(metric="cost", is_maximized=False))


def small_space(most: int = 8) -> Space:
    """Four decisions of `most` options, the last one under a condition on the first."""
    options = tuple(range(most))
    return Space(
        family="custom",
        decisions=(
            Decision(name="a", options=options),
            Decision(name="b", options=options),
            Decision(name="c", options=options),
            Decision(name="d", options=options, when=(Condition(decision=0, options=frozenset(range(most // 2))),)),
        ),
    )


def new_search(name: str = "small", context: str = "") -> NewSearch:
    space = small_space()
    return NewSearch(
        name=name,
        spec_json="{}",
        spec_hash="0",
        objectives=tuple((objective.metric, objective.is_maximized) for objective in OBJECTIVES),
        space_fingerprint=space.fingerprint,
        space_size=4096.0,
        data_json="{}",
        version="test",
        context=context,
    )


def problem(*, limits: tuple[str, ...] = (), name: str = "small", seed: int = 7, most: int = 8) -> Problem:
    space = small_space(most)
    return Problem(
        name=name,
        seed=seed,
        task=Task(kind=None, evaluator="tests:none"),
        recipe=Recipe(),
        objectives=OBJECTIVES,
        limits=tuple(parse_limit(limit) for limit in limits),
        decode=lambda genome: decode(genome, space),
    )


def loop_over(
    archive,
    *,
    lease=None,
    evaluations: int = 60,
    evaluator=None,
    dispatcher=None,
    observer=None,
    stop=None,
    population: int = 10,
    limits: tuple[str, ...] = (),
    most: int = 8,
    **options,
) -> SearchLoop:
    """A loop that creates the search, or goes on with it under the given lease.

    `asked` changes its problem, `budget` its budget.
    """
    return SearchLoop(
        problem=replace(problem(limits=limits, most=most), **options.pop("asked", {})),
        budget=SearchBudget(evaluations=evaluations, seconds=options.pop("seconds", None), **options.pop("budget", {})),
        log=SearchLog(archive, lease or archive.create_search(new_search(), owner=current_owner(), ttl_s=60)),
        engine=options.pop("engine", None) or GenerationalEngine(small_space(most), seed=7, population=population),
        dispatcher=dispatcher or InProcess(evaluator or Scripted()),
        surroundings=Surroundings(observer=observer or Silent(), stop=stop or StopSignal(), **options),
    )


def without_times(outcome):
    """An outcome without what a clock measured."""
    return replace(outcome, train_seconds=None) if isinstance(outcome, Measurement) else outcome


def digest(reader, name: str = "small"):
    """All of a search that must not depend on interruptions: candidates, outcomes, front, generations."""
    record = reader.search(name)
    return {
        "candidates": list(reader.candidates(record.id)),
        "outcomes": [
            (one.candidate, one.arrival, without_times(one.result.outcome), one.seed)
            for one in reader.evaluations(record.id)
        ],
        "front": [network.key for network in reader.front(record.id)],
        "generations": [
            (one.number, one.evaluations, one.failures, one.front_size, one.hypervolume, one.best)
            for one in reader.generations(record.id)
        ],
        "reference": (record.reference_ideal, record.reference_point),
    }
