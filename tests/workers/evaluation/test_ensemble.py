"""Ensembles: the greedy choice on examples done by hand, the mean of outputs, and real networks."""

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.ensemble import DRAWS_PER_MEMBER, draw_members, mean_outputs, score_ensemble
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.export.packed import pack
from gasearch_workers.messages import Blueprint, Layer, Recipe
from gasearch_workers.training.score import Target

from tests.doubles.requests import request_for

TWO = Target(kind="classification", outputs=2)
NUMBER = Target(kind="regression", outputs=1)


def logits(*of_one):
    """Outputs (count, 2) whose softmax has these probabilities of class 1."""
    ones = np.array(of_one)
    return np.log(np.stack([1 - ones, ones], axis=1)).astype(np.float32)


def numbers(*values):
    return np.array(values, np.float32)[:, None]


def test_two_networks_that_err_on_other_samples_are_drawn_together():
    truth = np.array([1, 1, 1, 1])
    a = logits(0.9, 0.9, 0.9, 0.4)  # 3 of 4
    b = logits(0.9, 0.9, 0.4, 0.9)  # 3 of 4; the mean with a has 0.65 at both: 4 of 4
    c = logits(0.9, 0.2, 0.2, 0.9)  # 2 of 4
    assert draw_members([a, b, c], truth, TWO, members=2) == [0, 1]
    assert draw_members([c, b, a], truth, TWO, members=2) == [1, 2]


def test_a_network_is_drawn_twice_where_it_must_weigh_more():
    # Errors: a +1, b -2. The mean of both errs by -0.5, of two a's and one b by 0.
    truth, a, b = np.zeros(3, np.float32), numbers(1, 1, 1), numbers(-2, -2, -2)
    assert draw_members([a, b], truth, NUMBER, members=2) == [0, 1, 0]


def test_no_more_different_networks_are_drawn_than_asked_for():
    truth = np.zeros(3, np.float32)
    outputs = [numbers(1, 0, 0), numbers(0, -1.1, 0), numbers(-1.2, 1, 0.1), numbers(0.2, 0.1, -1.3)]
    for members in (1, 2, 3):
        drawn = draw_members(outputs, truth, NUMBER, members=members)
        assert len(set(drawn)) <= members
        assert len(drawn) <= members * DRAWS_PER_MEMBER
    assert draw_members(outputs, truth, NUMBER, members=1) == [0]


@pytest.mark.parametrize("seed", range(5))
def test_whoever_allows_more_members_gets_nothing_worse(seed):
    rng, target = np.random.default_rng(seed), Target(kind="classification", outputs=3)
    truth = rng.integers(3, size=120)
    outputs = [np.eye(3)[truth] + rng.normal(scale=1.2, size=(120, 3)) for _ in range(6)]
    scores = []
    for members in range(1, 7):
        drawn = draw_members(outputs, truth, target, members=members)
        weights = {one: drawn.count(one) / len(drawn) for one in drawn}
        scores.append(
            target.primary_score(mean_outputs({one: outputs[one] for one in weights}, weights, target), truth)
        )
        assert len(weights) <= members
    assert scores == sorted(scores)
    assert scores[0] == max(target.primary_score(one, truth) for one in outputs)
    assert scores[-1] > scores[0]


def test_where_none_helps_the_best_stays_alone_and_the_first_of_equals_is_it():
    truth = np.array([1, 1, 0])
    perfect, worse = logits(0.9, 0.9, 0.1), logits(0.9, 0.1, 0.1)
    assert draw_members([worse, perfect, perfect], truth, TWO, members=3) == [1]


def test_the_mean_is_of_probabilities_for_classes_and_of_predictions_for_numbers():
    mean = mean_outputs({0: logits(0.9, 0.2), 3: logits(0.5, 0.6)}, {0: 0.75, 3: 0.25}, TWO)
    assert np.exp(mean) == pytest.approx(np.array([[0.2, 0.8], [0.7, 0.3]]), abs=1e-6)
    found = mean_outputs({0: numbers(1, 2), 1: numbers(3, 6)}, {0: 0.5, 1: 0.5}, NUMBER)
    assert found == pytest.approx(np.array([[2.0], [4.0]]))


def test_a_class_that_no_member_believes_in_stays_finite():
    sure = np.array([[1000.0, -1000.0]], np.float32)
    assert np.isfinite(mean_outputs({0: sure, 1: sure}, {0: 0.5, 1: 0.5}, TWO)).all()


def test_taggers_are_averaged_token_by_token_and_padding_counts_for_nothing():
    tags = Target(kind="tagging", outputs=2, labels=("O", "B-X"))
    truth = np.array([[1, 0, -1]])  # the third token is padding
    a = logits(0.9, 0.6, 0.9)[None]  # (1, 3, 2): wrong at the second token
    b = logits(0.4, 0.1, 0.9)[None]  # wrong at the first
    assert draw_members([a, b], truth, tags, members=2) == [0, 1]
    assert tags.score(mean_outputs({0: a, 1: b}, {0: 0.5, 1: 0.5}, tags), truth)["entity_f1"] == 1.0


def test_real_networks_are_scored_as_they_were_when_trained():
    data = load_dataset("digits")
    evaluator, packed, expected = Evaluator(data), [], []
    for seed in range(3):
        network = Blueprint(
            family="mlp",
            input_shape=data.input_shape,
            layers=(
                Layer(kind="linear", width=8, weight_bits=4, activation_bits=8),
                Layer(kind="linear", width=data.outputs, weight_bits=8),
            ),
        )
        trained = evaluator.train(request_for(network, seed=seed, recipe=Recipe(epochs=2, batch_size=32)))
        packed.append(pack(trained.network))
        expected.append(trained.measurement.accuracy)
    found = score_ensemble(packed, data, members=3)
    assert found.single == expected.index(max(expected))
    assert found.single_validation["accuracy"] == max(expected)
    assert found.validation["accuracy"] >= max(expected)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.test.keys() == found.single_test.keys() == found.validation.keys()
    alone = score_ensemble(packed, data, members=1)
    assert alone.weights == {found.single: 1.0}
    assert (alone.validation, alone.test) == (alone.single_validation, alone.single_test)
