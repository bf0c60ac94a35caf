"""Genes from nothing, and the layers of what is being edited."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given

from gasearch.evolution.partial_genomes import INACTIVE, PartialGenome, sample, settle
from gasearch.space.size import every_genome
from tests.gasearch.evolution.evolution_spaces import any_space, custom_spaces, is_closed, layered, seeds, unhurried


def test_samples_have_every_depth_equally_often():
    space = layered((1, 2, 3, 4))
    rng = random.Random(1)
    counts = Counter(space.layer_count(sample(space, rng).genes) for _ in range(4000))
    assert set(counts) == {1, 2, 3, 4}
    assert all(850 < count < 1150 for count in counts.values())


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


@unhurried
@given(any_space, seeds)
def test_settling_fills_what_expresses_and_leaves_canonical_genes_alone(space, seed):
    rng = random.Random(seed)
    genes = sample(space, rng).genes
    assert is_closed(genes, space)
    assert settle(space.marked(genes), space, rng) == genes
    assert PartialGenome(space.marked(genes), space, rng).settled() == genes


def test_layers_that_are_left_out_leave_inactive_genes():
    partial = PartialGenome([1, 2, 1, 0, 2, 1], layered((1, 2), widths=(8, 16, 32)), random.Random(0))
    assert partial.layers == [[2, 1], [0, 2]]
    partial.layers = [[0, 2]]
    assert partial == [1, 0, 2, INACTIVE, INACTIVE, 1]


def test_what_can_change_expresses_has_another_option_and_is_not_the_depth():
    space = layered((1, 2), widths=(8, 16), bits=(8,))
    assert PartialGenome(space.marked((0, 1, 0, 0, 0, 0)), space, random.Random(0)).changeable() == [1]
