"""What the surrogate promises of any evidence, and how well it ranks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gasearch.evolution.surrogate.surrogate import Surrogate
from gasearch.space.decisions import Decision, Space
from tests.gasearch.evolution.surrogate.surrogate_cases import evidence_of, plain_space, random_genes, two_wvalues

ROOT = Path(__file__).parents[4]
NO_COSTS = np.zeros((64, 0))


def fitted(genes, wvalues, *, space=None, exact=None, **rest):
    space = plain_space() if space is None else space
    objectives = wvalues.shape[1]
    exact = (None,) * objectives if exact is None else exact
    return Surrogate(space, objectives=objectives, exact=exact).fit(evidence_of(genes, wvalues, **rest))


def digest() -> str:
    """Of all that a surrogate says of some candidates."""
    genes = random_genes(plain_space(), 40, seed=1)
    model = fitted(genes, two_wvalues(genes))
    said = model.predict(random_genes(plain_space(), 64, seed=2), NO_COSTS)
    parts = (*model.wvalues(said), said.feasibility, model.gains(said))
    return hashlib.blake2b(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_the_same_evidence_gives_the_same_answer_bit_for_bit_in_another_process():
    code = "from tests.gasearch.evolution.surrogate.test_surrogate import digest; print(digest())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == digest() == digest()


def test_what_it_predicts_ranks_unseen_networks_well():
    genes, unseen = random_genes(plain_space(), 60, seed=3), random_genes(plain_space(), 64, seed=4)
    model = fitted(genes, two_wvalues(genes))
    means, _ = model.wvalues(model.predict(unseen, NO_COSTS))
    truth = two_wvalues(unseen)
    for objective in range(2):
        order, expected = np.argsort(np.argsort(means[:, objective])), np.argsort(np.argsort(truth[:, objective]))
        assert np.corrcoef(order, expected)[0, 1] > 0.85


def test_candidates_that_it_prefers_improve_the_front_more_often_than_others():
    genes, others = random_genes(plain_space(), 40, seed=5), random_genes(plain_space(), 400, seed=6)
    model = fitted(genes, two_wvalues(genes))
    gains = model.gains(model.predict(others, np.zeros((400, 0))))
    seen, truth = two_wvalues(genes), two_wvalues(others)
    enters = np.array([not ((seen >= wvalue).all(axis=1)).any() for wvalue in truth])
    best = np.argsort(-gains)[:20]
    assert enters[best].mean() > 3 * enters.mean()


def test_an_exact_objective_is_returned_exactly_and_with_its_sign():
    genes, others = random_genes(plain_space(), 30, seed=7), random_genes(plain_space(), 64, seed=8)
    costs, other_costs = 1e3 * (1.0 + genes[:, :1]), 1e3 * (1.5 + others[:, :1])
    wvalues = np.stack([two_wvalues(genes)[:, 0], -costs[:, 0]], axis=1)
    model = fitted(genes, wvalues, exact=(None, 0), costs=costs)
    means, deviations = model.wvalues(model.predict(others, other_costs))
    assert (means[:, 1] == -other_costs[:, 0]).all()
    assert (deviations[:, 1] == 0.0).all()
    assert (deviations[:, 0] > 0.0).all()


def test_a_pending_candidate_lowers_what_its_like_would_gain():
    genes, others = random_genes(plain_space(), 40, seed=9), random_genes(plain_space(), 64, seed=10)
    model = fitted(genes, two_wvalues(genes))
    said = model.predict(others, NO_COSTS)
    gains = model.gains(said)
    best = int(gains.argmax())
    after = model.gains(said, pending=model.predict(others[best : best + 1], NO_COSTS[:1]))
    assert after[best] < 0.4 * gains[best]
    assert (after <= gains + 1e-9).all()


def test_networks_like_those_that_failed_are_thought_infeasible():
    genes, others = random_genes(plain_space(), 60, seed=11), random_genes(plain_space(), 64, seed=12)
    fails = genes[:, 0] == 3
    wvalues = np.where(fails[:, None], np.nan, two_wvalues(genes))
    said = fitted(genes, wvalues, violations=np.where(fails, np.inf, 0.0)).predict(others, NO_COSTS)
    assert said.feasibility[others[:, 0] == 3].mean() < 0.25
    assert said.feasibility[others[:, 0] != 3].mean() > 0.75


def test_while_nothing_is_feasible_candidates_that_miss_the_limits_less_gain_more():
    genes, others = random_genes(plain_space(), 60, seed=13), random_genes(plain_space(), 64, seed=14)
    model = fitted(genes, two_wvalues(genes), violations=1.0 + genes.sum(axis=1))
    gains = model.gains(model.predict(others, NO_COSTS))
    violation = others.sum(axis=1)
    assert violation[np.argsort(-gains)[:8]].mean() < violation.mean() - 3


def test_a_training_that_was_stopped_is_no_front_point():
    genes = random_genes(plain_space(), 40, seed=15)
    wvalues = two_wvalues(genes)
    wvalues[0] = wvalues.max(axis=0) + 1.0  # dominates everything
    others = random_genes(plain_space(), 64, seed=16)
    whole, partial = (
        fitted(genes, wvalues, is_partial=np.arange(40) == (0 if is_stopped else -1)) for is_stopped in (False, True)
    )
    assert whole.gains(whole.predict(others, NO_COSTS)).sum() < partial.gains(partial.predict(others, NO_COSTS)).sum()


def test_too_little_evidence_and_equal_wvalues_teach_nothing():
    genes = random_genes(plain_space(), 30, seed=17)
    assert fitted(genes[:7], two_wvalues(genes[:7])) is None
    assert fitted(genes, np.ones((30, 2))) is None
    assert fitted(genes, np.full((30, 2), np.nan), violations=np.full(30, np.inf)) is None


def test_an_entry_of_exact_is_needed_per_objective():
    with pytest.raises(ValueError, match="one entry per objective, 2; got 1"):
        Surrogate(plain_space(), objectives=2, exact=(None,))


@st.composite
def degenerate_cases(draw):
    """Spaces from one decision to hundreds, with up to 10,000 options, and wvalues of every kind."""
    decisions, options = draw(st.sampled_from([(1, 1), (1, 5), (3, 10_000), (17, 8), (40, 3), (300, 20)]))
    count, objectives, costs = (
        draw(st.sampled_from([3, 9, 30])),
        draw(st.sampled_from([1, 2, 3, 10])),
        draw(st.integers(0, 2)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    names = tuple(range(options)) if draw(st.booleans()) else tuple(f"o{i}" for i in range(options))
    space = Space(family="custom", decisions=tuple(Decision(name=f"d{i}", options=names) for i in range(decisions)))
    genes = rng.integers(0, options, (count, decisions))
    genes[rng.random(genes.shape) < draw(st.sampled_from([0.0, 0.3]))] = -1
    if draw(st.booleans()):
        genes[:] = genes[0]
    noise = rng.normal(size=(count, objectives))
    wvalues = draw(
        st.sampled_from(
            [noise, np.round(noise), -np.exp(100 * noise), np.where(noise > 0, 1e150, -1e150), 1e6 + 1e-9 * noise]
        )
    )
    violations = draw(st.sampled_from([np.zeros(count), np.ones(count), np.abs(noise[:, 0]), np.full(count, np.inf)]))
    failed = rng.random(count) < draw(st.sampled_from([0.0, 0.2]))
    evidence = evidence_of(
        genes,
        np.where(failed[:, None], np.nan, wvalues),
        costs=np.exp(10 * rng.normal(size=(count, costs))),
        violations=np.where(failed, np.inf, violations),
        is_partial=rng.random(count) < 0.1,
    )
    return space, evidence


@settings(max_examples=40, deadline=None)
@given(case=degenerate_cases())
def test_no_evidence_makes_it_raise_or_say_anything_that_is_not_finite(case):
    space, evidence = case
    objectives = evidence.wvalues.shape[1]
    model = Surrogate(space, objectives=objectives, exact=(None,) * objectives).fit(evidence)
    if model is None:
        return
    every = np.arange(len(evidence.wvalues))
    said = model.predict(*evidence.encoded(every))
    for part in (*model.wvalues(said), said.feasibility, model.gains(said), model.gains(said, pending=said)):
        assert np.isfinite(part).all()
    assert said.scores.shape == evidence.wvalues.shape
    assert (model.gains(said) >= 0.0).all()
    none = model.predict(*evidence.encoded(every[:0]))
    assert model.gains(none).shape == (0,)
