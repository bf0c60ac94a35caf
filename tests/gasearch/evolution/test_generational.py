"""The generational engine: deterministic, distinct, exhaustive, and better than chance."""

from __future__ import annotations

import functools
import random
from itertools import islice

import numpy as np
import pytest
from deap import algorithms, base
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gasearch.evolution.engine import Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.individual import Individual
from gasearch.evolution.partial_genomes import sample
from gasearch.evolution.rng import derive
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.front import ParetoFront
from gasearch.space.decisions import Space
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import (
    any_space,
    custom_spaces,
    layered,
    limited,
    run,
    run_in_batches,
    two_objectives,
)

seeds = st.integers(0, 10_000)
few = settings(max_examples=30, deadline=None)


def make_engine(space: Space, seed: int = 1, population: int = 8, **options) -> GenerationalEngine:
    return GenerationalEngine(space, seed=seed, population=population, **options)


@few
@given(any_space, seeds)
def test_no_genome_is_proposed_twice_and_all_are_canonical(space, seed):
    candidates = run(make_engine(space, seed), limited, 60)
    keys = [candidate.genome.key for candidate in candidates]
    assert len(set(keys)) == len(keys)
    assert all(make_genome(candidate.genome.genes, space) == candidate.genome for candidate in candidates)
    assert [candidate.number for candidate in candidates] == list(range(len(candidates)))


@few
@given(any_space, seeds)
def test_the_same_seed_gives_the_same_candidates(space, seed):
    assert run(make_engine(space, seed), limited, 40) == run(make_engine(space, seed), limited, 40)


def test_another_seed_gives_other_candidates():
    space = layered(with_kind=True)
    assert run(make_engine(space, 1), limited, 8) != run(make_engine(space, 2), limited, 8)


@few
@given(any_space, seeds)
def test_the_order_of_tells_within_a_generation_is_irrelevant(space, seed):
    shuffled = run_in_batches(make_engine(space, seed), limited, 40, lambda b: random.Random(seed).sample(b, len(b)))
    straight = run_in_batches(make_engine(space, seed), limited, 40, list)
    assert shuffled == straight


@few
@given(any_space, seeds)
def test_asking_early_or_late_gives_the_same_candidates(space, seed):
    batches = run_in_batches(make_engine(space, seed), limited, 40, list)
    assert run(make_engine(space, seed), limited, len(batches)) == batches


def test_global_generators_are_neither_read_nor_written():
    def disturbed(genes):
        random.seed(len(genes))
        np.random.seed(7)
        return limited(genes)

    space = layered(with_kind=True)
    random.seed(123)
    np.random.seed(123)
    before = random.getstate(), np.random.get_state()[1].tolist()
    plain = run(make_engine(space), limited, 60)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert run(make_engine(space), disturbed, 60) == plain


@pytest.mark.parametrize("cut", [1, 7, 8, 13, 30])
def test_replayed_outcomes_give_the_candidates_that_were_recorded(cut):
    space = layered(with_kind=True)
    uninterrupted = run(make_engine(space), limited, 60)
    resumed = make_engine(space)
    replayed = run(resumed, {c.genome.genes: limited(c.genome.genes) for c in uninterrupted}.get, cut)
    assert replayed + [c if c.number >= cut else None for c in run(resumed, limited, 60 - cut)] == uninterrupted


def test_nothing_is_proposed_while_a_generation_is_not_fully_told():
    engine = make_engine(layered())
    batch = [engine.ask() for _ in range(8)]
    assert None not in batch
    assert engine.ask() is None
    for candidate in batch[:-1]:
        engine.tell(Scored(number=candidate.number, fitness=two_objectives(candidate.genome.genes)))
        assert engine.ask() is None
    assert engine.completed_generations == 0
    assert engine.population == ()
    engine.tell(Scored(number=batch[-1].number, fitness=two_objectives(batch[-1].genome.genes)))
    assert engine.completed_generations == 1
    assert sorted(engine.population) == list(range(8))
    assert engine.ask().generation == 1


def test_the_last_tell_of_a_short_generation_completes_it():
    engine = make_engine(layered((1,), (8, 16), (4, 8)))  # 8 networks
    run(engine, two_objectives, 7)
    assert engine.completed_generations == 0
    run(engine, two_objectives, 1)
    assert (engine.completed_generations, engine.is_exhausted) == (1, False)
    engine = make_engine(layered((1,), (8, 16), (4, 8)), population=5)
    assert len(run(engine, two_objectives, 8)) == 8
    assert engine.ask() is None  # finds out that the second generation has 3 candidates only, and that this was all
    assert engine.completed_generations == 2
    assert engine.is_exhausted


def test_the_last_tell_of_a_short_generation_that_was_asked_ahead_completes_it():
    engine = make_engine(layered((1,), (8, 16), (4, 8)), population=5)
    run_in_batches(engine, two_objectives, 5, order=list)
    batch = [engine.ask() for _ in range(4)]
    assert batch[3] is None
    for candidate in batch[:3]:
        assert engine.completed_generations == 1
        engine.tell(Scored(number=candidate.number, fitness=two_objectives(candidate.genome.genes)))
    assert engine.completed_generations == 2


def test_a_generation_may_be_asked_for_ahead():
    engine = make_engine(layered())
    assert engine.lookahead == 8
    assert None not in [engine.ask() for _ in range(engine.lookahead)]


def test_a_candidate_says_how_many_outcomes_of_earlier_generations_were_known():
    candidates = run(make_engine(layered(with_kind=True)), limited, 30)
    assert [candidate.completed for candidate in candidates] == [8 * (number // 8) for number in range(30)]
    assert [candidate.generation for candidate in candidates] == [number // 8 for number in range(30)]


def test_parents_are_survivors_of_the_generation_before():
    engine = make_engine(layered(with_kind=True))
    for _ in range(80):
        candidate = engine.ask()
        assert set(candidate.parents) <= set(engine.population)
        assert all(parent < candidate.completed for parent in candidate.parents)
        engine.tell(Scored(number=candidate.number, fitness=limited(candidate.genome.genes)))


def test_operators_are_named():
    operators = {candidate.operator for candidate in run(make_engine(layered(with_kind=True)), limited, 200)}
    assert "sample" in operators
    assert any(name.startswith("crossover_layers") for name in operators)
    assert any("insert_layers" in name for name in operators)


def test_failures_never_enter_the_population():
    engine = make_engine(layered(with_kind=True))
    failed = set()
    for _ in range(120):
        candidate = engine.ask()
        fitness = limited(candidate.genome.genes)
        failed |= {candidate.number} if fitness is None else set()
        engine.tell(Scored(number=candidate.number, fitness=fitness))
        assert not failed & set(engine.population)
    assert failed


def test_a_search_in_which_everything_fails_goes_on_sampling():
    candidates = run(make_engine(layered(with_kind=True)), lambda genes: None, 40)
    assert len(candidates) == 40
    assert {candidate.operator for candidate in candidates} == {"sample"}


def test_feasible_survivors_stand_before_infeasible_ones():
    engine = make_engine(layered(with_kind=True))
    violations = {}
    for _ in range(80):
        candidate = engine.ask()
        fitness = limited(candidate.genome.genes)
        violations[candidate.number] = fitness.violation if fitness else None
        engine.tell(Scored(number=candidate.number, fitness=fitness))
    order = [violations[number] for number in engine.population]
    assert order == sorted(order)


@few
@given(st.one_of(custom_spaces(), st.just(layered((1, 2), (8, 16), (4, 8)))), seeds, st.sampled_from([2, 3, 8]))
def test_a_small_space_is_searched_to_the_last_feasible_genome_and_no_further(space, seed, population):
    def violation(genome) -> float:
        return float(sum(genome.genes) % 3 == 0) * (1 + sum(genome.genes))

    everything = list(islice(every_genome(space), 201))
    assume(len(everything) <= 200)
    feasible = {genes for genes in everything if not violation(make_genome(genes, space))}
    engine = make_engine(space, seed, population, violation=violation)
    candidates = run(engine, limited, 10_000)
    assert sorted(candidate.genome.genes for candidate in candidates) == sorted(feasible)
    assert engine.is_exhausted
    assert engine.ask() is None


def test_tight_arithmetic_limits_are_met_by_walking_towards_them():
    space = layered((6, 7, 8), widths=range(1, 33), bits=(2, 4, 8))

    def violation(genome) -> float:
        return float(max(0, sum(genome.genes[1:]) - 6))

    samples = [make_genome(sample(space, derive(0, number, "x")).genes, space) for number in range(2000)]
    candidates = run(make_engine(space, violation=violation), two_objectives, 80)
    assert not any(violation(genome) == 0 for genome in samples)
    assert len(candidates) == 80
    assert all(violation(candidate.genome) == 0 for candidate in candidates)
    assert any("walk" in candidate.operator for candidate in candidates)


def test_more_known_networks_than_a_generation_holds_go_on_in_the_next_one():
    space = layered(with_kind=True)
    known = [make_genome(genes, space) for genes in islice(every_genome(space), 9)]
    candidates = run(make_engine(space, known=known), limited, 12)
    assert [(candidate.operator, candidate.generation) for candidate in candidates[7:9]] == [("known", 0), ("known", 1)]


def test_the_newest_outcome_of_a_candidate_counts():
    engine = make_engine(layered(with_kind=True))
    candidates = run(engine, two_objectives, 8)
    best = engine.population[0]
    engine.tell(Scored(number=best, fitness=Fitness(values=(-1e6, -1e6))))
    run(engine, two_objectives, 8)
    assert best not in engine.population
    assert best in {candidate.number for candidate in candidates}


def test_it_is_deaps_evolution_by_mu_plus_lambda_cut_open_at_its_evaluation():
    """`algorithms.eaMuPlusLambda`, called with the same toolbox, makes the same individuals in the same order."""
    space, seed, size, generations = layered((2, 3, 4), range(1, 17), range(1, 9)), 11, 8, 4

    def make() -> base.Toolbox:
        toolbox = make_toolbox(space)
        toolbox.cxpb, toolbox.mutpb = 0.6, 0.0
        toolbox.register("choose", random.sample)  # as `varOr` finds parents
        return toolbox

    engine = make_engine(space, seed, size, toolbox=make(), adapt=False)
    ours = [candidate.genome.genes for candidate in run(engine, two_objectives, size * (generations + 1))]

    theirs: list[tuple[int, ...]] = []
    toolbox = make()

    def evaluate(individual: Individual) -> tuple[float, ...]:
        individual.number = len(theirs)
        theirs.append(tuple(individual))
        return two_objectives(tuple(individual)).values

    def then_the_next_childs_draws(operator):  # the one thing that a running generator can't do
        @functools.wraps(operator)
        def vary(*individuals, **options):
            children = operator(*individuals, **options)
            born.append(children)
            start_drawing(size + len(born))
            return children

        return vary

    def start_drawing(number: int) -> None:
        random.setstate(derive(seed, number, "breed").getstate())

    born: list[object] = []
    toolbox.register("evaluate", evaluate)
    for name in ("mate", "mutate"):
        toolbox.decorate(name, then_the_next_childs_draws)
    before = random.getstate()
    try:
        population = []
        for number in range(size):
            start_drawing(number)
            population.append(toolbox.individual())
            population[-1].fitness.values = toolbox.evaluate(population[-1])
        population = toolbox.select(population, size)  # best first
        start_drawing(size)
        algorithms.eaMuPlusLambda(
            population, toolbox, mu=size, lambda_=size, cxpb=0.6, mutpb=0.4, ngen=generations, verbose=False
        )
    finally:
        random.setstate(before)
    assert len(set(theirs)) == len(theirs)  # else the engine would have looked further
    assert ours == theirs
    assert engine.population == tuple(individual.number for individual in population)


def proposals(engine, truth):
    while (candidate := engine.ask()) is not None:
        yield candidate.genome.genes
        engine.tell(Scored(number=candidate.number, fitness=truth(candidate.genome.genes)))


def evaluations_to_the_whole_front(genomes, truth, front) -> int:
    missing = set(front)
    for count, genes in enumerate(genomes, start=1):
        missing.discard(truth(genes).values)
        if not missing:
            return count
    raise AssertionError(f"{len(missing)} of {len(front)} points of the front were never found")


def test_the_exact_front_of_a_known_problem_is_found_with_fewer_evaluations_than_by_chance():
    space = layered((1, 2, 3), widths=(8, 16, 24, 32), bits=(2, 4, 8))

    def truth(genes) -> Fitness:
        layers = [(8 * (genes[slot[0]] + 1), (2, 4, 8)[genes[slot[1]]]) for slot in space.slots[: genes[0] + 1]]
        loss = sum(width**0.5 * (1 - 0.5 ** (bits / 2)) / (1 + place) for place, (width, bits) in enumerate(layers))
        size = sum(width * bits for width, bits in layers) + 40 * (2, 4, 8)[genes[-1]]
        return Fitness(values=(loss * (1 - 0.3 * 0.5 ** genes[-1]), -float(size)))

    everything = list(every_genome(space))
    front = ParetoFront()
    for number, genes in enumerate(everything):
        front.add(number, truth(genes))
    exact = set(map(tuple, front.values.tolist()))
    ours, chance = [], []
    for seed in range(3):
        ours.append(evaluations_to_the_whole_front(proposals(make_engine(space, seed, 32), truth), truth, exact))
        shuffled = random.Random(seed).sample(everything, len(everything))
        chance.append(evaluations_to_the_whole_front(shuffled, truth, exact))
    assert len(exact) >= 10
    assert sum(ours) < 0.6 * sum(chance), (ours, chance)
