"""The climb to the scales that fit, and the inverse that holds whatever the covariance."""

from __future__ import annotations

import numpy as np
import pytest

from gasearch.evolution.surrogate.features import Encoder
from gasearch.evolution.surrogate.gaussian_process import Points
from gasearch.evolution.surrogate.hyperparameters import factored, inverse_of
from tests.gasearch.evolution.surrogate.surrogate_cases import plain_space, random_genes


def test_decisions_that_decide_together_get_more_weight_than_those_that_dont():
    genes = random_genes(plain_space(), 80, seed=1)
    points = Points(Encoder(plain_space(), 0).encode(genes, np.zeros((80, 0))), Encoder(plain_space(), 0))
    targets = np.where(genes[:, 2] % 2 == genes[:, 4] % 2, 1.0, -1.0)  # no sum of what each says
    weights = points.climb.best(targets)[: points.layout.choices]
    assert set(weights.argsort()[-2:].tolist()) == {2, 4}


def test_the_inverse_undoes_the_covariance_with_its_noise():
    rows = np.random.default_rng(0).normal(size=(12, 5))
    covariance = rows @ rows.T  # of rank 5
    assert inverse_of(covariance, 0.5) @ (covariance + 0.5 * np.eye(12)) == pytest.approx(np.eye(12), abs=1e-6)


def test_what_is_no_covariance_has_no_factor_and_a_harmless_inverse():
    assert factored(-np.eye(3), 0.0) is None
    assert (inverse_of(-np.eye(3), 0.5) == np.eye(3) / (0.5 + 1e-6)).all()
