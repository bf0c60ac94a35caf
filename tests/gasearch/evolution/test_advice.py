"""An engine that is advised by a surrogate: distinct, resumable, spread at first, and better than one that isn't."""

from __future__ import annotations

import random

import pytest

from gasearch.evolution.advice import INITIAL, VARIED, SurrogateAdvisor
from gasearch.evolution.breeder import Breeder
from gasearch.evolution.engine import Candidate, Scored
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.seeded_toolbox import SeededToolbox
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness
from gasearch.objectives.pareto import hypervolume
from tests.gasearch.evolution.evolution_spaces import layered, limited, run, two_objectives

SPACE = layered((1, 2, 3, 4), widths=range(1, 12), bits=range(1, 9))


def make_engine(policy=SteadyStateEngine, seed=1, **options):
    surrogate = Surrogate(SPACE, objectives=2, exact=[None, None])
    advisor = SurrogateAdvisor(SPACE, surrogate, objectives=2, seed=seed)
    return policy(SPACE, seed=seed, population=12, advisor=advisor, **options)


def outcome(candidate: Candidate) -> Scored:
    fitness = limited(candidate.genome.genes)
    if fitness is None and candidate.number % 2:  # as of a training that was stopped
        return Scored(number=candidate.number, fitness=None, expected=two_objectives(candidate.genome.genes).values)
    return Scored(number=candidate.number, fitness=fitness)


def disorderly(engine, evaluations, workers=3):
    rng, log, flying = random.Random(0), [], []
    while sum(isinstance(entry, Scored) for entry in log) < evaluations:
        while len(flying) < workers and (candidate := engine.ask()) is not None:
            log.append(candidate)
            flying.append(candidate)
        log.append(outcome(flying.pop(rng.randrange(len(flying)))))
        engine.tell(log[-1])
    return log


@pytest.mark.parametrize("policy", [SteadyStateEngine, GenerationalEngine])
def test_a_resume_goes_on_as_the_undisturbed_engine_does(policy):
    log = disorderly(make_engine(policy), 44)
    for cut in (5, 60):
        resumed = make_engine(policy)
        for entry in log[:cut]:
            resumed.adopt(entry) if isinstance(entry, Candidate) else resumed.tell(entry)
        for entry in log[cut:]:
            assert resumed.ask() == entry if isinstance(entry, Candidate) else resumed.tell(entry) is None


def paced_engine():
    """An engine whose surrogate keeps within what trainings take, and its advisor."""
    surrogate = Surrogate(SPACE, objectives=2, exact=[None, None])
    advisor = SurrogateAdvisor(SPACE, surrogate, objectives=2, seed=1, is_paced=True)
    return SteadyStateEngine(SPACE, seed=1, population=12, advisor=advisor), advisor


def keys_of(engine, seconds, evaluations=40):
    keys = []
    for _ in range(evaluations):
        candidate = engine.ask()
        keys.append(candidate.genome.key)
        fitness = two_objectives(candidate.genome.genes)
        engine.tell(Scored(number=candidate.number, fitness=fitness, seconds=seconds))
    return keys


def test_the_shorter_trainings_are_the_smaller_the_broods():
    sizes = []
    for seconds in (0.0, 0.2, 1.0):
        engine, advisor = paced_engine()
        keys_of(engine, seconds, evaluations=20)
        sizes.append(advisor.brood_size(20))
    assert sizes[0] < sizes[1] < sizes[2]


def test_recorded_times_alone_decide_and_long_ones_change_nothing():
    short, again, unknown, long = (keys_of(paced_engine()[0], one) for one in (0.001, 0.002, None, 2.0))
    assert short == again != unknown == long


def test_no_network_is_proposed_twice_and_what_was_expected_is_said():
    candidates = run(make_engine(), two_objectives, 60)
    assert len({candidate.genome.key for candidate in candidates}) == 60
    assert not any(candidate.predicted for candidate in candidates[:INITIAL])
    assert all(len(candidate.predicted) == 2 for candidate in candidates[INITIAL + 1 :])


def test_the_initial_sample_is_spread():
    def nearest(candidates):
        genes = [SPACE.marked(candidate.genome.genes) for candidate in candidates]
        return [
            min(sum(a != b for a, b in zip(one, other, strict=True)) for other in genes[:place])
            for place, one in enumerate(genes)
            if place
        ]

    spread = run(make_engine(), two_objectives, 12)
    plain = run(SteadyStateEngine(SPACE, seed=1, population=12), two_objectives, 12)
    assert sum(nearest(spread)) > sum(nearest(plain))


def test_it_finds_more_with_a_surrogate_than_without():
    def volume(engine) -> float:
        wvalues = [two_objectives(candidate.genome.genes).values for candidate in run(engine, two_objectives, 60)]
        return hypervolume(wvalues, (0.0, -600.0))

    with_one = sum(volume(make_engine(seed=seed)) for seed in range(3))
    without = sum(volume(SteadyStateEngine(SPACE, seed=seed, population=12)) for seed in range(3))
    assert with_one > 1.1 * without


def test_a_network_scored_again_is_learned_from_anew():
    engine = make_engine()
    candidates = run(engine, two_objectives, 30)
    engine.tell(Scored(number=candidates[0].number, fitness=Fitness(values=(1e4, 1e4))))
    assert engine.ask() is not None
    assert candidates[0].number in engine.population


def learned(space):
    """An advisor that has seen 30 outcomes of a space, and 40 more offspring of it."""
    advisor = SurrogateAdvisor(space, Surrogate(space, objectives=2, exact=[None, None]), objectives=2, seed=1)
    toolbox = make_toolbox(space)
    breeder = Breeder(space, SeededToolbox(toolbox, space, seed=1), seed=1, violation=lambda genome: 0.0)
    brood = breeder.brood(0, (), 70)
    for number, origin in enumerate(brood[:30]):
        advisor.note(origin.genome, Scored(number=number, fitness=two_objectives(origin.genome.genes)))
    return advisor, brood[30:]


def test_in_a_large_space_the_best_offspring_are_varied_and_a_variant_may_be_chosen():
    advisor, brood = learned(SPACE)
    asked = []

    def vary(best, count, *, step):
        asked.append((len(best), count, step))
        return brood[10 + 15 * step : 25 + 15 * step]

    chosen = advisor.choose(brood[:10], number=40, pending=(), vary=vary)
    assert asked == [(10, 10, 0), (VARIED, 10, 1)]
    assert chosen == advisor.choose(brood, number=40, pending=(), vary=lambda best, count, *, step: [])
    assert chosen[0] not in brood[:10]


def test_in_a_small_space_the_brood_is_all_that_there_is_to_choose_from():
    advisor, brood = learned(layered((1, 2), widths=range(1, 12), bits=range(1, 9)))

    def vary(best, count, *, step):
        raise AssertionError("asked for variants")

    assert advisor.choose(brood, number=40, pending=(), vary=vary)[0] in brood
