"""The pieces: the normal distribution, scales of wvalues, features, subsets, and the schedule."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.evolution.surrogate.features import MOST_COLUMNS, Encoder, squared_distances
from gasearch.evolution.surrogate.normal import cumulative, quantile
from gasearch.evolution.surrogate.schedule import is_due
from gasearch.evolution.surrogate.subset import representative_rows
from gasearch.evolution.surrogate.transforms import Scale
from gasearch.space.decisions import Decision, Space
from tests.gasearch.evolution.evolution_spaces import layered
from tests.gasearch.evolution.surrogate.surrogate_cases import plain_space, random_genes


def test_the_normal_distribution_is_that_of_the_standard_library():
    points = np.linspace(-6, 6, 41)
    normal = statistics.NormalDist()
    assert cumulative(points) == pytest.approx([normal.cdf(x) for x in points], rel=1e-6)
    shares = np.linspace(0.001, 0.999, 41)
    assert quantile(shares) == pytest.approx([normal.inv_cdf(p) for p in shares], rel=1e-6, abs=1e-8)


@given(st.lists(st.floats(-1e12, 1e12), min_size=3, max_size=30))
def test_a_scale_never_decreases_and_leads_back(wvalues):
    scale = Scale(np.array(wvalues))
    probes = np.sort(np.array([*wvalues, min(wvalues) - 1.0, max(wvalues) + 1.0]))
    scores = scale.scores_of(probes)
    assert (np.diff(scores) >= -1e-9).all()
    size = np.abs(probes).max() + 1.0
    assert scale.wvalues_of(scale.scores_of(np.array(wvalues))) == pytest.approx(np.array(wvalues), abs=1e-6 * size)


def test_a_score_that_is_known_gives_a_worth_without_deviation():
    scale = Scale(np.array([1.0, 2.0, 10.0, 11.0]))
    means, deviations = scale.moments(scale.scores_of(np.array([2.0, 10.5])), np.zeros(2))
    assert means == pytest.approx([2.0, 10.5])
    assert deviations == pytest.approx([0.0, 0.0], abs=1e-6)


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


def test_a_subset_holds_the_best_the_newest_and_some_of_the_rest():
    values = np.random.default_rng(0).random((2000, 2))
    rows = representative_rows(values, 300)
    assert len(rows) == 300
    assert (np.diff(rows) > 0).all()
    assert set(range(1930, 2000)) <= set(rows.tolist())
    assert (rows < 500).sum() > 10


@given(st.integers(1, 3000), st.integers(1, 3))
def test_a_subset_is_as_large_as_it_may_be(count, objectives):
    values = np.random.default_rng(count).random((count, objectives))
    rows = representative_rows(values, 100)
    assert len(set(rows.tolist())) == len(rows) == min(count, 100)


def test_fits_become_rarer_as_evaluations_grow():
    assert is_due(8, 0)
    assert is_due(41, 40)
    assert not is_due(1010, 1000)
    assert is_due(1031, 1000)
