import numpy as np
import pytest
from gasearch_workers.evaluation.claims import (
    Claim,
    RunCheck,
    agreement,
    agreement_claim,
    latency_claim,
    score_claim,
    size_claim,
)
from gasearch_workers.training.score import Target


def score(claimed, measured, *, name="accuracy", samples=10_000, claimed_samples=None, is_same=True):
    return score_claim(name, claimed, measured, samples=samples, claimed_samples=claimed_samples, is_same=is_same)


@pytest.mark.parametrize(("measured", "holds"), [(0.9, True), (0.8981, True), (0.9019, True), (0.8975, False)])
def test_a_score_may_differ_by_0_2_points(measured, holds):
    assert score(0.9, measured).holds is holds


def test_a_score_on_few_samples_may_differ_by_two_of_them():
    assert score(0.9, 0.9 - 2 / 100, samples=100).holds
    assert score(0.9, 0.9 - 3 / 100, samples=100).holds is False


def test_an_error_may_differ_by_half_a_percent():
    assert score(200.0, 200.9, name="rmse").holds
    assert score(200.0, 201.1, name="rmse").holds is False


def test_accuracy_on_other_samples_may_differ_by_chance():
    assert score(0.9, 0.87, samples=300, is_same=False).holds
    assert score(0.9, 0.8, samples=300, is_same=False).holds is False
    few = score(0.9, 0.8, samples=300, claimed_samples=20, is_same=False)
    assert few.holds
    assert few.tolerance > 0.2


def test_other_scores_on_other_samples_are_told_and_not_judged():
    claim = score(0.9, 0.1, name="macro_f1", is_same=False)
    assert (claim.name, claim.holds, claim.difference) == ("test_macro_f1", None, pytest.approx(-0.8))
    assert claim.note == "these are other samples than those of the claim"


def test_what_nobody_claimed_is_not_judged():
    assert (score(None, 0.5).holds, score(None, 0.5).difference) == (None, None)
    assert latency_claim({}, 1.0, 0.1, "here").holds is None


@pytest.mark.parametrize(
    ("measured", "samples", "holds"),
    [(0.99, 10_000, True), (0.9897, 10_000, False), (355 / 359, 359, True), (353 / 359, 359, False), (0.5, 4, True)],
)
def test_agreement_is_at_least_99_percent_less_what_two_samples_make(measured, samples, holds):
    claim = agreement_claim(measured, samples=samples)
    assert claim.holds is holds
    assert claim.bound.startswith("at most ")
    assert claim.bound.endswith(" below")


def test_bytes_are_equal():
    assert [size_claim(865, value).holds for value in (865, 864, 866)] == [True, False, False]


def test_a_latency_is_judged_on_its_own_device_and_may_be_shorter():
    claims = {"latency_ms": 1.0, "latency_spread_ms": 0.05, "latency_device": "here"}
    assert latency_claim(claims, 0.1, 0.05, "here").holds
    assert latency_claim(claims, 1.29, 0.05, "here").holds
    assert latency_claim(claims, 1.31, 0.05, "here").holds is False
    elsewhere = latency_claim(claims, 9.0, 0.05, "there")
    assert (elsewhere.holds, elsewhere.note) == (None, "it was claimed on here, and this is there")


def run_check(*claims, **changes):
    return RunCheck(
        **{"form": "onnx", "files": ("model.onnx",), "file_bytes": 9, "runtime": "r", "version": "1", "claims": claims}
        | changes
    )


def test_a_run_passes_where_nothing_that_is_judged_fails():
    assert run_check(score(0.9, 0.9), score(None, 0.1)).has_passed
    failed = run_check(score(0.9, 0.9), score(0.9, 0.5), agreement_claim(0.5, samples=1000))
    assert failed.has_passed is False
    assert failed.failure == (
        "test_accuracy must be within 0.002 of 0.9; got 0.5; agreement must be at most 0.002 below 0.99; got 0.5"
    )


def test_a_run_that_raised_has_failed_and_one_that_was_not_made_has_not():
    assert run_check(fault="OSError: no").has_passed is False
    assert run_check(fault="OSError: no").failure == "OSError: no"
    assert run_check(version=None, note="pip install it").has_passed is None


def test_a_latency_that_is_missed_says_its_bound():
    claims = {"latency_ms": 1.0, "latency_spread_ms": 0.05, "latency_device": "here"}
    assert run_check(latency_claim(claims, 2.0, 0.05, "here")).failure == (
        "latency_ms must be at most 0.3 ms above 1 ms; got 2 ms"
    )


def test_classes_agree_where_the_greatest_output_is_the_same():
    found, expected = np.array([[1, 2], [3, 1], [0, 5]]), np.array([[0, 9], [1, 3], [0, 1]])
    assert agreement(found, expected, np.zeros(3), target=Target(), deviation=1) == pytest.approx(2 / 3)


def test_tags_at_padding_do_not_count():
    found, expected = np.zeros((1, 3, 2)), np.zeros((1, 3, 2))
    found[0, 1:, 1] = 1
    y = np.array([[0, 1, -1]])
    assert agreement(found, expected, y, target=Target(kind="tagging"), deviation=1) == 0.5


def test_numbers_agree_within_a_hundredth_of_the_deviation():
    found, expected = np.array([[1.0], [2.0]]), np.array([[1.09], [2.2]])
    assert agreement(found, expected, np.zeros(2), target=Target(kind="regression"), deviation=10) == 0.5


def test_a_claim_says_how_far_it_was_missed():
    assert Claim(name="x", claimed=2.0, measured=3.5).difference == 1.5
