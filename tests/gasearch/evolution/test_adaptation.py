"""Rates of the operators follow what pays, and never vanish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.evolution.adaptation import FLOOR, OperatorRates

PRIORS = {"change": 0.6, "insert": 0.3, "swap": 0.1}
CROSSOVERS = {"layers": 0.5, "genes": 0.5}
notes = st.lists(st.tuples(st.sampled_from(["change", "insert", "swap", "layers+swap", "?"]), st.floats(0, 1)))


def test_without_rewards_the_rates_are_the_priors():
    rates = OperatorRates(PRIORS, CROSSOVERS)
    rates.note("change", 0.0)
    assert rates.rates() == PRIORS | CROSSOVERS


@given(notes)
def test_no_rate_falls_below_a_share_of_its_prior_and_groups_keep_their_sums(noted):
    rates = OperatorRates(PRIORS, CROSSOVERS)
    for operator, reward in noted:
        rates.note(operator, reward)
    found = rates.rates()
    assert all(found[name] >= FLOOR * prior - 1e-12 for name, prior in (PRIORS | CROSSOVERS).items())
    assert sum(found[name] for name in PRIORS) == pytest.approx(1)
    assert sum(found[name] for name in CROSSOVERS) == pytest.approx(1)


def test_what_pays_is_drawn_more_often():
    rates = OperatorRates(PRIORS)
    for turn in range(200):
        rates.note("swap", 1.0)
        rates.note("change", float(turn % 10 == 0))
    assert rates.rates()["swap"] > 2 * PRIORS["swap"]
    assert rates.rates()["change"] < PRIORS["change"]


def test_a_single_reward_changes_little():
    rates = OperatorRates(PRIORS)
    for _ in range(20):
        rates.note("change", 0.1)
    rates.note("swap", 1.0)
    assert rates.rates()["swap"] < 2.5 * PRIORS["swap"]


def test_old_rewards_fade():
    rates = OperatorRates(CROSSOVERS)
    for _ in range(100):
        rates.note("layers", 1.0)
        rates.note("genes", 0.0)
    assert rates.rates()["layers"] > 0.7
    for _ in range(400):
        rates.note("layers", 0.0)
        rates.note("genes", 1.0)
    assert rates.rates()["genes"] > 0.7


def test_the_parts_of_a_compound_operator_share_credit():
    rates = OperatorRates(PRIORS, CROSSOVERS)
    for _ in range(50):
        rates.note("layers+swap", 1.0)
        rates.note("genes+change", 0.0)
    found = rates.rates()
    assert found["swap"] > PRIORS["swap"]
    assert found["layers"] > CROSSOVERS["layers"]
    assert found["layers"] == pytest.approx(1 - found["genes"])


def test_unknown_operators_earn_nothing():
    rates = OperatorRates(PRIORS)
    rates.note("sample", 1.0)
    assert rates.rates() == PRIORS


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([PRIORS, {"swap": 1.0}], "one group; swap came in several"),
        ([{"swap": -1.0}], "at least 0, and one above; got {'swap': -1.0}"),
        ([{}], "one above; got {}"),
    ],
)
def test_impossible_priors_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        OperatorRates(*groups)
