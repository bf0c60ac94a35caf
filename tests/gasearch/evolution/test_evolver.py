"""What the engines share: known networks first, limits kept, candidates adopted in their order, what is refused."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from gasearch.evolution.engine import Scored
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import Space
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import layered, limited, run

both = pytest.mark.parametrize("policy", [GenerationalEngine, SteadyStateEngine])


def make_engine(policy: type[Evolver], space: Space, *, population: int = 8, **options) -> Evolver:
    return policy(space, seed=1, population=population, **options)


@both
def test_a_space_without_any_feasible_genome_is_exhausted_at_once(policy):
    engine = make_engine(policy, layered(), violation=lambda genome: 1.0)
    assert not engine.is_exhausted
    assert engine.ask() is None
    assert engine.is_exhausted


@both
def test_a_large_space_without_any_feasible_genome_is_given_up(policy):
    engine = make_engine(policy, layered(range(1, 9)), violation=lambda genome: 1.0)
    assert engine.ask() is None
    assert engine.is_exhausted


@both
def test_known_networks_are_proposed_first_and_only_once(policy):
    space = layered(with_kind=True)
    known = [make_genome(genes, space) for genes in islice(every_genome(space), 3)]
    candidates = run(make_engine(policy, space, known=[*known, known[0]]), limited, 100)
    assert [candidate.genome for candidate in candidates[:3]] == known
    assert [candidate.operator for candidate in candidates[:4]] == ["known"] * 3 + ["sample"]
    assert not {genome.key for genome in known} & {candidate.genome.key for candidate in candidates[3:]}


@both
def test_known_networks_that_break_a_limit_are_left_out(policy):
    space = layered()
    known = [make_genome(genes, space) for genes in islice(every_genome(space), 2)]
    engine = make_engine(policy, space, known=known, violation=lambda genome: float(genome == known[0]))
    assert engine.ask().genome == known[1]


@both
def test_a_population_of_one_is_refused(policy):
    with pytest.raises(ValueError, match="population must be at least 2; got 1"):
        make_engine(policy, layered(), population=1)


@both
def test_telling_what_was_not_asked_for_is_refused(policy):
    engine = make_engine(policy, layered())
    with pytest.raises(ValueError, match="candidate 0 was never asked for; 0 were asked for"):
        engine.tell(Scored(number=0, fitness=None))


@both
def test_only_the_next_candidate_can_be_adopted(policy):
    candidates = run(make_engine(policy, layered()), limited, 3)
    engine = make_engine(policy, layered())
    engine.adopt(candidates[0])
    with pytest.raises(ValueError, match="the next candidate has number 1; got 2"):
        engine.adopt(candidates[2])


def test_without_a_barrier_a_generation_is_as_many_outcomes_as_the_population_has_members():
    engine, known = make_engine(SteadyStateEngine, layered(), population=3), []
    for _ in range(7):
        known.append((engine.completed_generations, engine.until_closing))
        engine.tell(Scored(number=engine.ask().number, fitness=None))
    assert known == [(0, 3), (0, 2), (0, 1), (1, 3), (1, 2), (1, 1), (2, 3)]


@both
def test_no_generation_closes_before_as_many_outcomes_as_the_engine_says(policy):
    engine, rng = make_engine(policy, layered(range(1, 9)), population=5), random.Random(1)
    pending, completed, said = [], [], []
    while engine.completed_generations < 12:
        candidate = engine.ask() if rng.random() < 0.6 else None
        if candidate is not None:
            pending.append(candidate.number)
        elif pending or completed:
            said.append((engine.completed_generations, engine.until_closing))
            is_further = not pending or (completed and rng.random() < 0.2)
            number = rng.choice(completed) if is_further else pending.pop(rng.randrange(len(pending)))
            completed.append(number)
            engine.tell(Scored(number=number, fitness=Fitness(values=(rng.random(),))))
    for place, (generation, least) in enumerate(said):
        left = sum(later == generation for later, _ in said[place:])
        assert 1 <= least <= left
