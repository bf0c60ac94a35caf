"""The operators: closed over the space, never idle, and aware of layers."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution import crossover, mutation
from gasearch.evolution.crossover import mate
from gasearch.evolution.mutation import insert_layers, mutate, mutation_kinds, remove_layers, swap_layers
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.sampling import sample, settle
from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.enumerate import every_genome
from tests.gasearch.evolution.evolution_spaces import any_space, custom_spaces, layered

seeds = st.integers(0, 2**32)
unhurried = settings(deadline=None)  # machines are shared


def is_closed(genes, space: Space) -> bool:
    return (
        isinstance(genes, tuple)
        and space.canonical(genes) == genes
        and all(0 <= gene < len(d.options) for gene, d in zip(genes, space.decisions, strict=True))
    )


@unhurried
@given(any_space, seeds)
def test_operators_are_closed_over_the_space_and_children_differ_from_their_parents(space, seed):
    rng = random.Random(seed)
    first, second = sample(space, rng).genes, sample(space, rng).genes
    assert is_closed(first, space)
    assert is_closed(second, space)
    assert is_closed(mutate(first, space, rng).genes, space)
    child = mate(first, second, space, rng)
    assert is_closed(child.genes, space)
    has_more_than_two = len(list(islice(every_genome(space), 3))) == 3
    assert not has_more_than_two or child.genes not in (first, second)


@unhurried
@given(any_space, seeds)
def test_every_mutation_makes_another_network_where_there_is_one(space, seed):
    rng = random.Random(seed)
    genes = sample(space, rng).genes
    has_others = len(list(islice(every_genome(space), 2))) == 2
    assert (mutate(genes, space, rng).genes != genes) == has_others


def test_a_child_of_two_parents_differs_from_both():
    space = layered(with_kind=True)
    for seed in range(500):
        rng = random.Random(seed)
        first, second = sample(space, rng).genes, sample(space, rng).genes
        assert mate(first, second, space, rng).genes not in (first, second)


def test_parents_that_differ_in_one_gene_still_have_a_third_child():
    space = layered((2,), with_kind=False)
    first = (0, 0, 0, 0, 0, 0)
    second = (0, 1, 0, 0, 0, 0)
    for seed in range(200):
        child = mate(first, second, space, random.Random(seed))
        assert child.genes not in (first, second)
        assert "+" in child.operator


@unhurried
@given(custom_spaces(), seeds)
def test_a_sample_can_be_any_genome_and_enumeration_lists_each_once(space, seed):
    listed = list(every_genome(space))
    assert len(set(listed)) == len(listed)
    assert all(is_closed(genes, space) for genes in listed)
    assert sample(space, random.Random(seed)).genes in set(listed)
    assert listed == sorted(listed)


def test_enumeration_finds_as_many_genomes_as_the_closed_form_says():
    space = layered((1, 2, 3), (8, 16), (2, 4, 8))
    assert len(list(every_genome(space))) == 3 * (6 + 6**2 + 6**3)


def test_samples_have_every_depth_equally_often():
    space = layered((1, 2, 3, 4))
    rng = random.Random(1)
    counts = Counter(space.layer_count(sample(space, rng).genes) for _ in range(4000))
    assert set(counts) == {1, 2, 3, 4}
    assert all(850 < count < 1150 for count in counts.values())


def layers_of(genes, space):
    return [tuple(genes[index] for index in slot) for slot in space.slots[: space.layer_count(genes)]]


def edited(edit, genes, space, seed):
    rng = random.Random(seed)
    partial = space.marked(genes)
    assert edit(partial, space, rng)
    return settle(partial, space, rng)


@unhurried
@given(seeds)
def test_an_inserted_layer_shifts_the_others_and_leaves_them_as_they_were(seed):
    space = layered((1, 2, 3, 4), with_kind=True)
    genes = settle([1] + [-1] * (len(space.decisions) - 1), space, random.Random(seed))
    before, after = layers_of(genes, space), layers_of(edited(insert_layers, genes, space, seed), space)
    assert len(after) == len(before) + 1
    assert any(after[:at] + after[at + 1 :] == before for at in range(len(after)))


def test_layers_are_inserted_and_removed_at_every_position():
    space = layered((1, 2, 3, 4), widths=range(1, 9))
    genes = settle([2, 0, 0, 1, 0, 2, 0, 0, 0, 0], space, random.Random(0))
    assert layers_of(genes, space) == [(0, 0), (1, 0), (2, 0)]
    shrunk = {tuple(layers_of(edited(remove_layers, genes, space, seed), space)) for seed in range(60)}
    assert shrunk == {((1, 0), (2, 0)), ((0, 0), (2, 0)), ((0, 0), (1, 0))}
    grown = [layers_of(edited(insert_layers, genes, space, seed), space) for seed in range(200)]
    assert {at for layers in grown for at in range(4) if layers[:at] + layers[at + 1 :] == layers_of(genes, space)} == {
        0,
        1,
        2,
        3,
    }


def test_depths_with_gaps_are_reached_by_inserting_or_removing_several_layers():
    space = layered((1, 2, 4))
    genes = sample(space, random.Random(5)).genes
    genes = settle([1, *genes[1:]], space, random.Random(5))
    assert space.layer_count(edited(insert_layers, genes, space, 0)) == 4
    assert space.layer_count(edited(remove_layers, edited(insert_layers, genes, space, 0), space, 0)) == 2


def test_swapped_layers_are_the_same_layers_in_another_order():
    space = layered((3,))
    genes = settle([0, 0, 0, 1, 1, 2, 2, 0], space, random.Random(0))
    swapped = edited(swap_layers, genes, space, 3)
    assert swapped != genes
    assert sorted(layers_of(swapped, space)) == sorted(layers_of(genes, space))


def test_a_network_of_the_greatest_depth_can_not_grow():
    space = layered((1, 2))
    deepest = settle([1, -1, -1, -1, -1, -1], space, random.Random(0))
    assert not insert_layers(space.marked(deepest), space, random.Random(0))


def test_crossover_takes_whole_layers_from_either_parent():
    space = layered((3,), widths=range(1, 9))
    zeros, ones = (0, 0, 0, 0, 0, 0, 0, 0), (0, 7, 2, 7, 2, 7, 2, 2)
    seen = set()
    for seed in range(100):
        child = mate(zeros, ones, space, random.Random(seed))
        if child.operator == "crossover_layers":
            assert set(layers_of(child.genes, space)) <= {(0, 0), (7, 2)}
            seen.add(tuple(layers_of(child.genes, space)))
    assert len(seen) >= 6


def test_crossover_gives_the_child_the_depth_of_one_parent():
    space = layered((1, 2, 3, 4))
    short = settle([0, *[-1] * 9], space, random.Random(1))
    deep = settle([3, *[-1] * 9], space, random.Random(2))
    children = [mate(short, deep, space, random.Random(seed)) for seed in range(100)]
    depths = {space.layer_count(child.genes) for child in children if "+" not in child.operator}
    assert depths == {1, 4}


def test_relative_alignment_spans_the_whole_donor():
    draws = random.Random(0)
    alignments = {tuple(crossover.align(2, 5, draws)) for _ in range(50)}
    assert alignments == {(0, 1), (0, 4)}
    assert {tuple(crossover.align(5, 2, draws)) for _ in range(50)} == {(0, 1, None, None, None), (0, 0, 0, 1, 1)}


def test_genes_that_begin_to_express_are_sampled():
    space = Space(
        family="custom",
        decisions=(
            Decision(name="op", options=("none", "conv")),
            Decision(name="width", options=(1, 2, 3, 4), when=(Condition(decision=0, options=frozenset({1})),)),
        ),
    )
    widths = {mutate((0, 0), space, random.Random(seed)).genes for seed in range(100)}
    assert widths == {(1, 0), (1, 1), (1, 2), (1, 3)}


def test_ordinal_genes_mostly_move_to_a_neighbour_and_sometimes_anywhere():
    space = Space(family="custom", decisions=(Decision(name="width", options=tuple(range(20))),))
    moves = Counter(abs(mutate((10,), space, random.Random(seed)).genes[0] - 10) for seed in range(1000))
    assert 0.7 < moves[1] / 1000 < 0.87
    assert len(moves) > 5
    assert 0 not in moves


def test_categorical_genes_move_anywhere():
    space = Space(family="custom", decisions=(Decision(name="op", options=tuple("abcde")),))
    moves = Counter(mutate((2,), space, random.Random(seed)).genes[0] for seed in range(1000))
    assert set(moves) == {0, 1, 3, 4}
    assert all(200 < count < 300 for count in moves.values())


@pytest.mark.parametrize("kinds", [mutation.LAYERED_KINDS, mutation.GROUPED_KINDS, mutation.PLAIN_KINDS])
def test_the_shares_of_the_kinds_of_mutation_add_up_to_one(kinds):
    assert sum(share for _, share in kinds) == pytest.approx(1)


@unhurried
@given(any_space, seeds)
def test_every_kind_of_mutation_is_closed_and_makes_another_network(space, seed):
    rng = random.Random(seed)
    genes = sample(space, rng).genes
    kinds = mutation_kinds(space)
    for kind in kinds:
        only = {name: float(name == kind) for name in kinds}
        mutant = mutate(genes, space, rng, only)
        assert is_closed(mutant.genes, space)
        assert (mutant.genes != genes) == (mutant.operator != "none")


def test_rates_decide_which_kinds_are_drawn():
    space = layered((2, 3))
    rng = random.Random(1)
    genes = sample(space, rng).genes
    rates = dict.fromkeys(mutation_kinds(space), 0.0) | {"change_bits": 1.0}
    assert {mutate(genes, space, rng, rates).operator for _ in range(100)} == {"change_bits"}
    shares = Counter(mutate(genes, space, rng, rates | {"change_genes": 3.0}).operator for _ in range(1000))
    assert shares["change_genes"] / 1000 == pytest.approx(0.75, abs=0.05)


def test_rates_decide_between_layers_and_genes_in_crossover():
    space = layered((3,), widths=range(1, 9))
    zeros, ones = (0, 0, 0, 0, 0, 0, 0, 0), (0, 7, 2, 7, 2, 7, 2, 2)
    rates = {"crossover_layers": 1.0, "crossover_genes": 0.0}
    operators = {mate(zeros, ones, space, random.Random(seed), rates).operator for seed in range(60)}
    assert {operator.partition("+")[0] for operator in operators} == {"crossover_layers"}


def test_a_derived_generator_depends_on_seed_number_and_purpose():
    draws = {derive(*triple).random() for triple in [(1, 2, "a"), (1, 2, "b"), (1, 3, "a"), (2, 2, "a"), (12, 3, "a")]}
    assert len(draws) == 5
    assert derive(1, 2, "a").random() == derive(1, 2, "a").random()


def test_a_derived_generator_is_the_same_on_every_machine():
    assert derive(7, 11, "breed").random() == pytest.approx(0.25300977638186417, abs=1e-15)


def test_pick_reaches_every_index_and_no_other():
    rng = random.Random(3)
    assert {pick(rng, 5) for _ in range(300)} == {0, 1, 2, 3, 4}
