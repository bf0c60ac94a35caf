"""The steady-state engine: no barrier, every outcome counts at once, and a record of the order rebuilds it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.engine import Candidate, Engine, Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.pareto import hypervolume
from gasearch.space.decisions import Space
from gasearch.space.genome import make_genome
from tests.gasearch.evolution.evolution_spaces import Truth, any_space, layered, limited, run, two_objectives

seeds = st.integers(0, 10_000)
few = settings(max_examples=30, deadline=None)
both = pytest.mark.parametrize("policy", [SteadyStateEngine, GenerationalEngine])


def make_engine(space: Space, seed: int = 1, population: int = 8, **options) -> SteadyStateEngine:
    return SteadyStateEngine(space, seed=seed, population=population, **options)


def disorderly(
    engine: Engine, workers: int, evaluations: int, seed: int, truth: Truth = limited
) -> list[Candidate | Scored]:
    """A run with so many workers that end in any order, as a log of asks and tells."""
    rng, log, flying = random.Random(seed), [], []
    while sum(isinstance(entry, Scored) for entry in log) < evaluations:
        while len(flying) < workers and (candidate := engine.ask()) is not None:
            log.append(candidate)
            flying.append(candidate)
        if not flying:
            break
        candidate = flying.pop(rng.randrange(len(flying)))
        scored = Scored(number=candidate.number, fitness=truth(candidate.genome.genes))
        engine.tell(scored)
        log.append(scored)
    return log


def replay(engine: Engine, log: list[Candidate | Scored]) -> None:
    for entry in log:
        engine.adopt(entry) if isinstance(entry, Candidate) else engine.tell(entry)


@few
@given(any_space, seeds, st.integers(1, 6))
def test_no_genome_is_proposed_twice_and_all_are_canonical(space, seed, workers):
    log = disorderly(make_engine(space, seed), workers, 50, seed)
    candidates = [entry for entry in log if isinstance(entry, Candidate)]
    assert len({candidate.genome.key for candidate in candidates}) == len(candidates)
    assert all(make_genome(candidate.genome.genes, space) == candidate.genome for candidate in candidates)
    assert [candidate.number for candidate in candidates] == list(range(len(candidates)))


@both
@few
@given(any_space, seeds, st.integers(1, 6), st.integers(0, 60))
def test_adopting_and_telling_a_record_gives_the_engine_that_made_it(policy, space, seed, workers, cut):
    undisturbed = policy(space, seed=seed, population=6)
    log = disorderly(undisturbed, workers, 60, seed)
    resumed = policy(space, seed=seed, population=6)
    replay(resumed, log[:cut])
    again = policy(space, seed=seed, population=6)
    for entry in log[:cut]:
        assert again.ask() == entry if isinstance(entry, Candidate) else again.tell(entry) is None
    assert resumed.population == again.population
    for entry in log[cut:]:
        assert resumed.ask() == entry if isinstance(entry, Candidate) else resumed.tell(entry) is None
    assert (resumed.ask(), resumed.population) == (undisturbed.ask(), undisturbed.population)


def test_a_proposal_knows_every_outcome_told_before_it():
    engine = make_engine(layered(with_kind=True))
    assert [candidate.completed for candidate in run(engine, limited, 30)] == list(range(30))


def test_asking_never_waits_for_outcomes():
    engine = make_engine(layered(with_kind=True, depths=(1, 2, 3)))
    candidates = [engine.ask() for _ in range(40)]
    assert len({candidate.genome.key for candidate in candidates}) == 40


def test_generations_are_counted_by_outcomes():
    engine = make_engine(layered(with_kind=True))
    run(engine, limited, 23)
    assert engine.completed_generations == 2


def test_a_resume_must_adopt_in_order():
    engine = make_engine(layered(with_kind=True))
    later = [make_engine(layered(with_kind=True)).ask()]
    engine.adopt(later[0])
    with pytest.raises(ValueError, match="the next candidate has number 1; got 0"):
        engine.adopt(later[0])


def test_a_member_that_proves_worse_when_trained_again_leaves_the_survivors():
    engine = make_engine(layered(with_kind=True))
    run(engine, two_objectives, 40)
    best = engine.population[0]
    engine.tell(Scored(number=best, fitness=Fitness(values=(-1e6, -1e6))))
    assert best not in engine.population


def test_it_finds_more_than_chance():
    space = layered((1, 2, 3, 4), widths=range(1, 12), bits=range(1, 9))

    def volume(seed: int, *, is_blind: bool) -> float:
        truth = (lambda genes: None) if is_blind else two_objectives
        candidates = run(make_engine(space, seed, population=20), truth, 200)
        wvalues = [two_objectives(candidate.genome.genes).values for candidate in candidates]
        return hypervolume(wvalues, (0.0, -600.0))

    seen = [volume(seed, is_blind=False) for seed in range(3)]
    blind = [volume(seed, is_blind=True) for seed in range(3)]  # where all fail, it goes on sampling
    assert sum(seen) > 1.05 * sum(blind)
