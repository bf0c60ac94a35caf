"""The posterior over one target."""

from __future__ import annotations

import numpy as np
import pytest

from gasearch.evolution.surrogate.features import Encoder
from gasearch.evolution.surrogate.gaussian_process import GaussianProcess, Points, factored, inverse_of
from tests.gasearch.evolution.surrogate.surrogate_cases import plain_space, random_genes

ENCODER = Encoder(plain_space(), 0)


def features(genes):
    return ENCODER.encode(genes, np.zeros((len(genes), 0)))


def test_what_was_seen_is_known_better_than_what_was_not():
    genes, unseen = random_genes(plain_space(), 40, seed=1), random_genes(plain_space(), 40, seed=2)
    points = Points(features(genes), ENCODER)
    process = GaussianProcess(points, np.tanh(genes.sum(axis=1) - 9.0))
    _, known = process.predict(points.prepared(features(genes)))
    _, guessed = process.predict(points.prepared(features(unseen)))
    assert known.mean() < 0.7 * guessed.mean()


def test_scales_that_are_given_are_kept_and_give_the_same_process():
    genes = random_genes(plain_space(), 40, seed=3)
    targets = np.tanh(genes.sum(axis=1) - 9.0)
    points = Points(features(genes), ENCODER)
    found = GaussianProcess(points, targets)
    again = GaussianProcess(points, targets, found.scales)
    drafts = points.prepared(features(random_genes(plain_space(), 9, seed=4)))
    assert again.predict(drafts)[0] == pytest.approx(found.predict(drafts)[0], abs=0)


def test_what_is_being_evaluated_leaves_less_to_learn_of_its_like():
    genes, drafts = random_genes(plain_space(), 40, seed=5), random_genes(plain_space(), 20, seed=6)
    points = Points(features(genes), ENCODER)
    process = GaussianProcess(points, np.tanh(genes.sum(axis=1) - 9.0))
    prepared = points.prepared(features(drafts))
    _, deviations = process.predict(prepared)
    after = process.deviations_after(prepared, deviations, prepared[:1])
    assert (after <= deviations + 1e-9).all()
    assert after[0] < 0.9 * deviations[0]


def test_decisions_that_decide_together_get_more_weight_than_those_that_dont():
    genes = random_genes(plain_space(), 80, seed=1)
    points = Points(Encoder(plain_space(), 0).encode(genes, np.zeros((80, 0))), Encoder(plain_space(), 0))
    targets = np.where(genes[:, 2] % 2 == genes[:, 4] % 2, 1.0, -1.0)  # no sum of what each says
    weights = points.climb.best(targets)[: points.weights]
    assert set(weights.argsort()[-2:].tolist()) == {2, 4}


def test_the_inverse_undoes_the_covariance_with_its_noise():
    rows = np.random.default_rng(0).normal(size=(12, 5))
    covariance = rows @ rows.T  # of rank 5
    assert inverse_of(covariance, 0.5) @ (covariance + 0.5 * np.eye(12)) == pytest.approx(np.eye(12), abs=1e-6)


def test_what_is_no_covariance_has_no_factor_and_a_harmless_inverse():
    assert factored(-np.eye(3), 0.0) is None
    assert (inverse_of(-np.eye(3), 0.5) == np.eye(3) / (0.5 + 1e-6)).all()
