"""Optuna's samplers behind our contract: deterministic, resumable, distinct, within the limits."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import optuna
import pytest

from gasearch.evolution.engine import Candidate, Scored
from gasearch.evolution.optuna_engine import OptunaEngine
from gasearch.evolution.partial_genomes import sample
from gasearch.objectives.fitness import Fitness
from gasearch.space.decisions import Decision, Space
from gasearch.space.genome import make_genome
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import layered, limited, run, two_objectives

SPACE = layered((1, 2, 3), with_kind=True)
SAMPLERS = ("tpe", "nsga2", "gp")


def make_engine(sampler="tpe", space=SPACE, seed=1, objectives=2, **options) -> OptunaEngine:
    return OptunaEngine(space, sampler=sampler, seed=seed, population=5, objectives=objectives, **options)


def shuffled_run(engine: OptunaEngine, evaluations: int, log: list | None = None) -> list[Candidate]:
    """Asks and tells with up to three candidates on their way, told out of order; the log gets both in their order."""
    log = [] if log is None else log
    draw = random.Random(3)
    candidates: list[Candidate] = []
    pending: list[Candidate] = []
    while len(candidates) < evaluations:
        if len(pending) < 3:
            candidate = engine.ask()
            candidates.append(candidate)
            pending.append(candidate)
            log.append(candidate)
        else:
            candidate = pending.pop(int(draw.random() * 3))
            scored = Scored(number=candidate.number, fitness=limited(candidate.genome.genes))
            engine.tell(scored)
            log.append(scored)
    return candidates


@pytest.mark.parametrize(("sampler", "evaluations"), [("tpe", 26), ("nsga2", 40), ("gp", 14)])
def test_after_adopting_and_telling_a_log_the_next_candidates_are_those_of_the_undisturbed_engine(sampler, evaluations):
    log: list = []
    undisturbed = make_engine(sampler, is_limited=True)
    candidates = shuffled_run(undisturbed, evaluations, log)
    assert {candidate.operator for candidate in candidates} == {f"optuna:{sampler}"}
    for cut in (len(log) - 4,) if sampler == "gp" else (1, len(log) // 2, len(log) - 3):
        resumed = make_engine(sampler, is_limited=True)
        for item in log[:cut]:
            if isinstance(item, Candidate):
                resumed.adopt(item)
            else:
                resumed.tell(item)
        for item in log[cut:]:
            if isinstance(item, Candidate):
                assert resumed.ask() == item
            else:
                resumed.tell(item)
        assert resumed.population == undisturbed.population
        assert resumed.completed_generations == undisturbed.completed_generations


@pytest.mark.parametrize(("sampler", "evaluations"), [("tpe", 25), ("nsga2", 40), ("gp", 13)])
def test_the_same_seed_gives_the_same_candidates_each_once_and_another_seed_others(sampler, evaluations):
    candidates = shuffled_run(make_engine(sampler, is_limited=True), evaluations)
    keys = [candidate.genome.key for candidate in candidates]
    assert len(set(keys)) == evaluations
    assert all(make_genome(candidate.genome.genes, SPACE) == candidate.genome for candidate in candidates)
    assert shuffled_run(make_engine(sampler, is_limited=True), evaluations) == candidates
    assert shuffled_run(make_engine(sampler, seed=2), 5) != candidates[:5]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_last_network(sampler):
    space = layered((1,), (8, 16), (4, 8))
    engine = make_engine(sampler, space)
    candidates = run(engine, two_objectives, 100)
    assert sorted(candidate.genome.genes for candidate in candidates) == list(every_genome(space))
    assert engine.is_exhausted
    assert engine.ask() is None


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_networks_beyond_an_arithmetic_limit_are_not_proposed(sampler):
    def deeper_than_one(genome) -> float:
        return float(genome.genes[0] > 0)

    candidates = run(make_engine(sampler, violation=deeper_than_one), two_objectives, 11)
    assert {candidate.genome.genes[0] for candidate in candidates} == {0}


def test_where_the_sampler_repeats_itself_samples_take_its_place():
    space = Space(family="custom", decisions=(Decision(name="width", options=tuple(range(12))),))
    operators = Counter(candidate.operator for candidate in run(make_engine("gp", space), two_objectives, 12))
    assert operators["optuna:gp"] >= 5
    assert set(operators) <= {"optuna:gp", "sample", "sample+walk", "enumerate"}
    assert sum(operators.values()) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_single_objective_and_equal_worths_are_fine(sampler):
    candidates = run(make_engine(sampler, objectives=1), lambda genes: Fitness(values=(1.0,)), 13)
    assert len(candidates) == 13


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_sampler_finds_more_than_chance(sampler):
    def wvalue(genes) -> Fitness:
        return Fitness(values=(float(sum(genes)),))

    space = layered((3,), widths=range(1, 9))
    found = [
        max(sum(candidate.genome.genes) for candidate in run(make_engine(sampler, space, seed, 1), wvalue, 60))
        for seed in range(3)
    ]
    draw = random.Random(0)
    chance = [max(sum(sample(space, draw).genes) for _ in range(60)) for _ in range(3)]
    assert sum(found) > sum(chance)


def test_a_violation_is_told_to_optuna_as_a_constraint_and_a_failure_as_failed():
    engine = make_engine(is_limited=True)
    for violation in (0.0, 0.5, None):
        candidate = engine.ask()
        fitness = None if violation is None else Fitness(values=(1.0, 2.0), violation=violation)
        engine.tell(Scored(number=candidate.number, fitness=fitness))
    trials = engine.study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert [trial.constraints for trial in complete] == [{"violation": 0.0}, {"violation": 0.5}]
    assert [trial.values for trial in complete] == [[1.0, 2.0], [1.0, 2.0]]
    assert not [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    assert engine.population == (0, 1)


def test_a_candidate_told_again_counts_with_its_newest_fitness():
    engine = make_engine(objectives=1)
    first, second = engine.ask(), engine.ask()
    for number, wvalue in ((first.number, 2.0), (second.number, 1.0), (first.number, 0.5)):
        engine.tell(Scored(number=number, fitness=Fitness(values=(wvalue,))))
    assert engine.population == (second.number, first.number)
    assert engine.ask().completed == 3


def test_known_networks_come_first_once_each_and_are_adopted_as_such():
    genomes = [make_genome(sample(SPACE, random.Random(seed)).genes, SPACE) for seed in (1, 2, 1)]
    engine = make_engine(known=genomes)
    asked = [engine.ask() for _ in range(3)]
    assert [candidate.operator for candidate in asked] == ["known", "known", "optuna:tpe"]
    resumed = make_engine(known=genomes)
    resumed.adopt(asked[0])
    assert [resumed.ask(), resumed.ask()] == asked[1:]


def test_candidates_out_of_turn_are_refused():
    engine = make_engine()
    with pytest.raises(ValueError, match="candidate 0 was never asked for; 0 were asked for"):
        engine.tell(Scored(number=0, fitness=None))
    candidate = engine.ask()
    with pytest.raises(ValueError, match="the next candidate has number 1; got 0"):
        engine.adopt(candidate)
    with pytest.raises(ValueError, match="at least 2; got 1"):
        OptunaEngine(SPACE, sampler="tpe", seed=1, population=1, objectives=1)
    with pytest.raises(ValueError, match="one of tpe, nsga2, gp; got 'cma'"):
        make_engine("cma")


def test_generations_are_counted_by_outcomes():
    engine = make_engine("nsga2")
    candidates = run(engine, two_objectives, 12)
    assert [candidate.generation for candidate in candidates] == [0] * 5 + [1] * 5 + [2] * 2
    assert [candidate.completed for candidate in candidates] == list(range(12))
    assert {candidate.parents for candidate in candidates} == {()}
    assert (engine.completed_generations, engine.lookahead, len(engine.population)) == (2, 0, 5)


def test_what_optuna_logs_elsewhere_stays_as_it_was(capfd):
    before = optuna.logging.get_verbosity()
    run(make_engine("gp"), two_objectives, 12)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_optuna_is_loaded_on_use():
    code = (
        "import sys, gasearch.evolution.optuna_engine; print(sorted({'optuna', 'torch', 'scipy'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
