"""Genomes as numbers."""

from __future__ import annotations

import numpy as np

from gasearch.evolution.surrogate.features import MOST_COLUMNS, Encoder, squared_distances
from gasearch.space.decisions import Decision, Space
from tests.gasearch.evolution.evolution_spaces import layered
from tests.gasearch.evolution.surrogate.surrogate_cases import plain_space, random_genes


def test_genes_that_differ_lie_apart_and_ordinal_neighbours_lie_nearer():
    space = Space(family="custom", decisions=(Decision(name="width", options=(8, 16, 32, 64)),))
    choices = Encoder(space, 0).encode(np.array([[0], [1], [3], [-1]]), np.zeros((4, 0))).choices
    distances = squared_distances(choices, choices)
    assert distances[0, 0] == 0.0
    assert 0.0 < distances[0, 1] < distances[0, 2]
    assert distances[0, 3] > 0.0


def test_layered_genomes_with_the_same_layers_have_the_same_sums():
    space = layered()
    widths = [index for index, decision in enumerate(space.decisions) if decision.name.endswith(".width")]
    first, second = np.zeros((1, len(space.sizes)), dtype=int), np.zeros((1, len(space.sizes)), dtype=int)
    first[0, widths[0]], second[0, widths[1]] = 2, 2
    encoder = Encoder(space, 0)
    assert (encoder.encode(first, np.zeros((1, 0))).sums == encoder.encode(second, np.zeros((1, 0))).sums).all()


def test_a_huge_space_is_hashed_into_a_bounded_number_of_columns():
    space = plain_space(decisions=4096, options=8)
    genes = random_genes(space, 5, seed=0)
    choices = Encoder(space, 0).encode(genes, np.zeros((5, 0))).choices
    assert choices.shape == (5, MOST_COLUMNS)
    distances = squared_distances(choices, choices)
    assert (distances[~np.eye(5, dtype=bool)] > 0.0).all()
