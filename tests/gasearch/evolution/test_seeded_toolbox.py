"""Operators of others in a search: DEAP's own, and a user's."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
from deap import tools

from gasearch.errors import OperatorFailed
from gasearch.evolution.engine import Candidate
from gasearch.evolution.generational import GenerationalEngine
from gasearch.evolution.seeded_toolbox import SeededToolbox, takes
from gasearch.evolution.steady_state import SteadyStateEngine
from gasearch.evolution.toolbox import make_toolbox
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import Decision, Space
from tests.gasearch.evolution.evolution_spaces import layered, limited, run, two_objectives
from tests.gasearch.evolution.test_steady_state import disorderly, replay

SPACE = Space(family="custom", decisions=tuple(Decision(name=f"d{n}", options=(1, 2, 3, 4, 5, 6)) for n in range(6)))
POINTS = tools.uniform_reference_points(2, p=7)

MATES = {
    "cxOnePoint": {},
    "cxTwoPoint": {},
    "cxUniform": {"indpb": 0.5},
    "cxPartialyMatched": {},
    "cxUniformPartialyMatched": {"indpb": 0.3},
}
MUTATIONS = {
    "mutUniformInt": {"low": 0, "up": 5, "indpb": 0.3},
    "mutShuffleIndexes": {"indpb": 0.3},
    "mutFlipBit": {"indpb": 0.3},
    "mutInversion": {},
}
SELECTIONS = {
    "selBest": {},
    "selWorst": {},
    "selRandom": {},
    "selTournament": {"tournsize": 3},
    "selDoubleTournament": {"fitness_size": 3, "parsimony_size": 1.4, "fitness_first": True},
    "selRoulette": {},
    "selStochasticUniversalSampling": {},
    "selLexicase": {},
    "selEpsilonLexicase": {"epsilon": 0.5},
    "selAutomaticEpsilonLexicase": {},
    "selTournamentDCD": {},
    "selNSGA2": {"nd": "log"},
    "selNSGA3": {"ref_points": POINTS},
    "selSPEA2": {},
}
CHOICES = ("selBest", "selRandom", "selTournament", "selRoulette", "selLexicase", "selTournamentDCD")
EVERY = [
    *(("mate", name, options) for name, options in MATES.items()),
    *(("mutate", name, options) for name, options in MUTATIONS.items()),
    *(("select", name, options) for name, options in SELECTIONS.items()),
    *(("choose", name, SELECTIONS[name]) for name in CHOICES),
]
both = pytest.mark.parametrize("policy", [SteadyStateEngine, GenerationalEngine])


def positive(genes) -> Fitness | None:
    """As `limited`, and above 0 for roulettes."""
    fitness = limited(genes)
    return (
        None if fitness is None else Fitness(values=tuple(500 + v for v in fitness.values), violation=fitness.violation)
    )


def toolbox_with(alias, operator, **options):
    toolbox = make_toolbox(SPACE)
    toolbox.register(alias, operator, **options)
    return toolbox


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2:]


@both
@pytest.mark.parametrize(("alias", "name", "options"), EVERY, ids=[f"{alias}-{name}" for alias, name, _ in EVERY])
def test_a_search_by_an_operator_of_deap_is_resumed_as_it_was(policy, alias, name, options):
    def make():
        return policy(SPACE, seed=5, population=8, toolbox=toolbox_with(alias, getattr(tools, name), **options))

    before = states()
    log = disorderly(make(), 3, 60, seed=1, truth=positive)
    assert states() == before
    candidates = [entry for entry in log if isinstance(entry, Candidate)]
    assert len({candidate.genome.key for candidate in candidates}) == len(candidates) >= 60
    if alias in ("mate", "mutate"):
        assert any(name in candidate.operator for candidate in candidates)
    for cut in (20, 71):
        random.seed(cut)
        np.random.seed(cut)
        resumed = make()
        replay(resumed, log[:cut])
        for entry in log[cut:]:
            assert resumed.ask() == entry if isinstance(entry, Candidate) else resumed.tell(entry) is None


def test_a_replaced_operator_leaves_the_draws_of_the_others_as_they_were():
    plain = run(GenerationalEngine(SPACE, seed=1, population=8), two_objectives, 8)
    toolbox = toolbox_with("mutate", tools.mutUniformInt, low=0, up=5, indpb=0.2)
    assert run(GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox), two_objectives, 8) == plain


@both
def test_a_mutation_of_ones_own_makes_the_mutants(policy):
    def nudge(individual):
        place = random.randrange(len(individual))
        individual[place] = min(individual[place] + 1, 5)
        return (individual,)

    engine = policy(SPACE, seed=1, population=8, toolbox=toolbox_with("mutate", nudge))
    mutants = {candidate.operator for candidate in run(engine, two_objectives, 90) if len(candidate.parents) == 1}
    assert mutants
    assert mutants <= {"nudge", "nudge+walk"}


def test_an_operator_may_name_what_it_did():
    def nudge(individual):
        individual[0] = random.randrange(6)
        individual.operator = "first"
        return (individual,)

    engine = GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox_with("mutate", nudge))
    assert any("first" in candidate.operator for candidate in run(engine, two_objectives, 60))


def test_an_operator_that_takes_a_generator_or_rates_is_handed_them():
    seen = []

    def nudge(individual, rng, rates):
        seen.append(rates)
        individual[0] = int(rng.random() * 6)
        return (individual,)

    engine = GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox_with("mutate", nudge))
    run(engine, two_objectives, 60)
    assert {"change_genes", "crossover_genes"} <= seen[0].keys()


def test_operators_are_decorated_as_deaps_are():
    calls = []

    def counted(operator):
        def counting(*individuals, **options):
            calls.append(options)
            return operator(*individuals, **options)

        return counting

    toolbox = make_toolbox(SPACE)
    for name in ("mate", "mutate", "select"):
        toolbox.decorate(name, counted)
    first = run(GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox), two_objectives, 40)
    assert len(calls) > 30
    assert first == run(GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox), two_objectives, 40)
    assert not takes(toolbox.mutate, "rng")
    toolbox.decorate("mutate", functools.wraps)
    assert takes(make_toolbox(SPACE).mutate, "rates")


def test_a_replaced_selection_decides_who_survives():
    toolbox = toolbox_with("select", lambda individuals, k: sorted(individuals, key=lambda one: -one.number)[:k])
    engine = GenerationalEngine(SPACE, seed=1, population=4, toolbox=toolbox)
    run(engine, two_objectives, 12)
    engine.ask()
    assert set(engine.population) == {11, 10, 9, 8}


@both
def test_what_misses_a_limit_survives_only_where_too_little_keeps_them(policy):
    engine = policy(SPACE, seed=1, population=8, toolbox=toolbox_with("select", tools.selSPEA2))
    violations = {candidate.number: limited(candidate.genome.genes) for candidate in run(engine, limited, 60)}
    assert all(violations[number].is_feasible for number in engine.population)


def test_genes_that_do_not_express_may_hold_anything():
    def wild(individual):
        individual[:] = [0, 1, 1, 1, 1, *(random.choice((-1, 0, 99)) for _ in range(8)), 2]
        return (individual,)

    space = layered(with_kind=True)
    toolbox = make_toolbox(space)
    toolbox.register("mutate", wild)
    caller = SeededToolbox(toolbox, space, seed=1)
    with caller.draws(1, "test") as rng:
        genes, name = caller.mutate((0,) * len(space.sizes), rng)
    assert name == "wild"
    assert space.canonical(genes) == (0, 1, 1, 1, 1, *[0] * 8, 2)


@pytest.mark.parametrize(
    ("alias", "operator", "message"),
    [
        (
            "mutate",
            lambda one: ([7] * 6,),
            r"'mutate' \(<lambda>\) made a gene out of range: 7 for 'd0', whose options",
        ),
        ("mutate", lambda one: ([-1] * 6,), r"made a gene out of range: -1 for 'd0'"),
        ("mutate", lambda one: ([0.5] * 6,), r"made genes that aren't whole numbers: \[0.5"),
        ("mutate", lambda one: ([0] * 5,), r"made 5 genes; the space has 6 decisions"),
        ("mutate", lambda one: one, r"must return a tuple of individuals, \(ind,\); got \["),
        ("mate", lambda one, other: None, r"'mate' \(<lambda>\) must return .*\(ind1, ind2\); got None"),
        ("mate", tools.cxUniform, r"'mate' \(cxUniform\) raised TypeError: .*indpb"),
        ("select", lambda individuals, k: [[0]] * k, r"'select' \(<lambda>\) must return some of the individuals"),
        ("choose", lambda individuals, k: [], r"'choose' \(<lambda>\) must return 2 of the individuals that it got"),
        ("individual", lambda: [9] * 6, r"'individual' \(<lambda>\) made a gene out of range: 9"),
    ],
)
def test_what_an_operator_does_wrong_is_said_with_its_name(alias, operator, message):
    toolbox = toolbox_with(alias, operator)
    toolbox.cxpb = 1.0 if alias in ("mate", "choose") else 0.0
    with pytest.raises(OperatorFailed, match=message):
        run(GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox), two_objectives, 40)


def test_a_selection_that_remembers_is_refused():
    toolbox = toolbox_with("select", tools.selNSGA3WithMemory(POINTS))
    with pytest.raises(ValueError, match="remembers what it has seen, which a resume can't: register selNSGA3"):
        GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox)


def test_a_toolbox_without_an_operator_is_refused():
    toolbox = make_toolbox(SPACE)
    toolbox.unregister("mate")
    with pytest.raises(ValueError, match="the toolbox has no operator mate"):
        GenerationalEngine(SPACE, seed=1, population=8, toolbox=toolbox)
