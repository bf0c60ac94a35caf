"""Individuals and their fitness, as DEAP's own functions use them."""

from __future__ import annotations

import copy

import pytest
from deap import base, tools

from gasearch.evolution.individual import ConstrainedFitness, Individual, clone


def test_an_individual_is_a_list_of_genes_with_a_fitness_of_deaps_kind():
    individual = Individual([0, 2, 1])
    assert isinstance(individual, list)
    assert isinstance(individual.fitness, base.Fitness)
    assert not individual.fitness.valid
    individual.fitness.values = (0.5, -3.0)
    assert individual.fitness.valid
    assert individual.fitness.wvalues == individual.fitness.values == (0.5, -3.0)
    assert individual.fitness.weights == (1.0, 1.0)
    del individual.fitness.values
    assert not individual.fitness.valid


def test_what_keeps_every_limit_is_better_than_what_does_not():
    kept, missed, far = (
        ConstrainedFitness((1.0, 1.0)),
        ConstrainedFitness((9.0, 9.0), 0.1),
        ConstrainedFitness((9.0,), 2.0),
    )
    assert kept > missed > far
    assert far < missed <= missed
    assert kept.dominates(missed)
    assert missed.dominates(far)
    assert not missed.dominates(kept)
    assert max(missed, kept, far) is kept


def test_fitnesses_that_keep_all_limits_compare_as_deaps_do():
    low, high = ConstrainedFitness((1.0, 2.0)), ConstrainedFitness((2.0, 2.0))
    assert high.dominates(low)
    assert not low.dominates(low)
    assert low < high
    assert low != high
    assert low == ConstrainedFitness((1.0, 2.0))
    assert low != ConstrainedFitness((1.0, 2.0), 0.5)
    assert hash(low) == hash(ConstrainedFitness((1.0, 2.0)))


def test_deaps_ranking_puts_the_feasible_first():
    rows = [((5.0, 5.0), 1.0), ((1.0, 1.0), 0.0), ((9.0, 9.0), 0.5), ((2.0, 0.0), 0.0)]
    pool = [Individual([n], number=n, fitness=ConstrainedFitness(*row)) for n, row in enumerate(rows)]
    fronts = tools.sortNondominated(pool, 4)
    assert [sorted(one.number for one in front) for front in fronts] == [[1, 3], [2], [0]]


@pytest.mark.parametrize("copied", [clone, copy.deepcopy])
def test_a_copy_shares_nothing_and_is_no_candidate(copied):
    original = Individual([1, 2], number=3, operator="swap", fitness=ConstrainedFitness((1.0,), 0.5))
    other = copied(original)
    other[0] = 9
    del other.fitness.values
    assert list(original) == [1, 2]
    assert original.fitness.values == (1.0,)
    assert (other.number, other.operator) == (-1, "")


def test_an_attribute_that_a_resume_could_not_bring_back_is_refused():
    with pytest.raises(AttributeError, match="strategy"):
        Individual([1]).strategy = [0.1]
