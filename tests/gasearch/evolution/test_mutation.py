"""Mutation: closed over the space, never idle, and aware of layers."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given

from gasearch.evolution import mutation
from gasearch.evolution.mutation import insert_layers, mutation_kinds, remove_layers, swap_layers
from gasearch.evolution.partial_genomes import PartialGenome, sample, settle
from gasearch.space.decisions import Condition, Decision, Space
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import any_space, is_closed, layered, layers_of, mutant, seeds, unhurried


@unhurried
@given(any_space, seeds)
def test_every_mutation_makes_another_network_where_there_is_one(space, seed):
    rng = random.Random(seed)
    genes = sample(space, rng).genes
    has_others = len(list(islice(every_genome(space), 2))) == 2
    assert (mutant(genes, space, rng).genes != genes) == has_others


def edited(edit, genes, space, seed):
    partial = PartialGenome(space.marked(genes), space, random.Random(seed))
    assert edit(partial)
    return partial.settled()


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
    assert not insert_layers(PartialGenome(space.marked(deepest), space, random.Random(0)))


def test_genes_that_begin_to_express_are_sampled():
    space = Space(
        family="custom",
        decisions=(
            Decision(name="op", options=("none", "conv")),
            Decision(name="width", options=(1, 2, 3, 4), when=(Condition(decision=0, options=frozenset({1})),)),
        ),
    )
    widths = {mutant((0, 0), space, random.Random(seed)).genes for seed in range(100)}
    assert widths == {(1, 0), (1, 1), (1, 2), (1, 3)}


def test_ordinal_genes_mostly_move_to_a_neighbour_and_sometimes_anywhere():
    space = Space(family="custom", decisions=(Decision(name="width", options=tuple(range(20))),))
    moves = Counter(abs(mutant((10,), space, random.Random(seed)).genes[0] - 10) for seed in range(1000))
    assert 0.7 < moves[1] / 1000 < 0.87
    assert len(moves) > 5
    assert 0 not in moves


def test_categorical_genes_move_anywhere():
    space = Space(family="custom", decisions=(Decision(name="op", options=tuple("abcde")),))
    moves = Counter(mutant((2,), space, random.Random(seed)).genes[0] for seed in range(1000))
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
        found = mutant(genes, space, rng, only)
        assert is_closed(found.genes, space)
        assert (found.genes != genes) == (found.operator != "none")


def test_rates_decide_which_kinds_are_drawn():
    space = layered((2, 3))
    rng = random.Random(1)
    genes = sample(space, rng).genes
    rates = dict.fromkeys(mutation_kinds(space), 0.0) | {"change_bits": 1.0}
    assert {mutant(genes, space, rng, rates).operator for _ in range(100)} == {"change_bits"}
    shares = Counter(mutant(genes, space, rng, rates | {"change_genes": 3.0}).operator for _ in range(1000))
    assert shares["change_genes"] / 1000 == pytest.approx(0.75, abs=0.05)
