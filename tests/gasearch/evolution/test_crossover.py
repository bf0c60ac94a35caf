"""Crossover: closed over the space, children that differ from their parents, and layers that stay whole."""

from __future__ import annotations

import random
from itertools import islice

from hypothesis import given

from gasearch.evolution.crossover import align, mate
from gasearch.evolution.individual import Individual, clone
from gasearch.evolution.mutation import mutate
from gasearch.evolution.partial_genomes import sample, settle
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import (
    any_space,
    child,
    is_closed,
    layered,
    layers_of,
    mutant,
    seeds,
    unhurried,
)

SPACE = layered(with_kind=True)


def test_operators_change_the_individuals_that_they_get_and_return_them():
    rng = random.Random(1)
    first, second = (sample(SPACE, rng) for _ in range(2))
    changed, made, other = clone(first), clone(first), clone(second)
    assert mutate(changed, space=SPACE, rng=rng) == (changed,)
    assert mate(made, other, space=SPACE, rng=rng) == (made, other)
    assert changed != first
    assert made not in (first, second)
    assert other == second
    assert made.operator.startswith("crossover")
    assert isinstance(made, Individual)


def test_without_a_generator_they_draw_from_the_global_one():
    before = random.getstate()
    try:
        random.seed(5)
        drawn = sample(SPACE), mutate(sample(SPACE), space=SPACE)[0]
    finally:
        random.setstate(before)
    rng = random.Random(5)
    assert drawn[0] == sample(SPACE, rng)
    assert drawn[1] == mutate(sample(SPACE, rng), space=SPACE, rng=rng)[0]


@unhurried
@given(any_space, seeds)
def test_operators_are_closed_over_the_space_and_children_differ_from_their_parents(space, seed):
    rng = random.Random(seed)
    first, second = sample(space, rng).genes, sample(space, rng).genes
    assert is_closed(first, space)
    assert is_closed(second, space)
    assert is_closed(mutant(first, space, rng).genes, space)
    found = child(first, second, space, rng)
    assert is_closed(found.genes, space)
    has_more_than_two = len(list(islice(every_genome(space), 3))) == 3
    assert not has_more_than_two or found.genes not in (first, second)


def test_a_child_of_two_parents_differs_from_both():
    space = layered(with_kind=True)
    for seed in range(500):
        rng = random.Random(seed)
        first, second = sample(space, rng).genes, sample(space, rng).genes
        assert child(first, second, space, rng).genes not in (first, second)


def test_parents_that_differ_in_one_gene_still_have_a_third_child():
    space = layered((2,), with_kind=False)
    first = (0, 0, 0, 0, 0, 0)
    second = (0, 1, 0, 0, 0, 0)
    for seed in range(200):
        found = child(first, second, space, random.Random(seed))
        assert found.genes not in (first, second)
        assert "+" in found.operator


def test_crossover_takes_whole_layers_from_either_parent():
    space = layered((3,), widths=range(1, 9))
    zeros, ones = (0, 0, 0, 0, 0, 0, 0, 0), (0, 7, 2, 7, 2, 7, 2, 2)
    seen = set()
    for seed in range(100):
        found = child(zeros, ones, space, random.Random(seed))
        if found.operator == "crossover_layers":
            assert set(layers_of(found.genes, space)) <= {(0, 0), (7, 2)}
            seen.add(tuple(layers_of(found.genes, space)))
    assert len(seen) >= 6


def test_crossover_gives_the_child_the_depth_of_one_parent():
    space = layered((1, 2, 3, 4))
    short = settle([0, *[-1] * 9], space, random.Random(1))
    deep = settle([3, *[-1] * 9], space, random.Random(2))
    children = [child(short, deep, space, random.Random(seed)) for seed in range(100)]
    depths = {space.layer_count(child.genes) for child in children if "+" not in child.operator}
    assert depths == {1, 4}


def test_relative_alignment_spans_the_whole_donor():
    draws = random.Random(0)
    alignments = {tuple(align(2, 5, draws)) for _ in range(50)}
    assert alignments == {(0, 1), (0, 4)}
    assert {tuple(align(5, 2, draws)) for _ in range(50)} == {(0, 1, None, None, None), (0, 0, 0, 1, 1)}


def test_rates_decide_between_layers_and_genes_in_crossover():
    space = layered((3,), widths=range(1, 9))
    zeros, ones = (0, 0, 0, 0, 0, 0, 0, 0), (0, 7, 2, 7, 2, 7, 2, 2)
    rates = {"crossover_layers": 1.0, "crossover_genes": 0.0}
    operators = {child(zeros, ones, space, random.Random(seed), rates).operator for seed in range(60)}
    assert {operator.partition("+")[0] for operator in operators} == {"crossover_layers"}
