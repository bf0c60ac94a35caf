"""Ensembles of final networks: which ones, by the validation split alone, and what the mean of them scores.

The choice is forward selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes, *Ensemble Selection from
Libraries of Models*, ICML 2004): draw whichever network makes the mean of all drawn best, again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Dataset, Split
from gasearch_workers.export.packed_reader import unpack
from gasearch_workers.modules.deployed import DeployedNetwork
from gasearch_workers.training.resident import target_of, use_one_thread
from gasearch_workers.training.score import Target

DRAWS_PER_MEMBER: Final = 5  #: Weights are multiples of one over the draws: more are finer, and fit the split closer.


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredEnsemble:
    """An ensemble and the best single network, with every score of the task."""

    weights: dict[int, float]  #: By the number of a network, above 0; they sum to 1.
    validation: dict[str, float]
    test: dict[str, float]
    single: int  #: The number of the network that is best on the validation split.
    single_validation: dict[str, float]
    single_test: dict[str, float]


def score_ensemble(packed: Sequence[bytes], data: Dataset, *, members: int) -> ScoredEnsemble:
    """Choose among networks by the validation split, then read the test split for the choice and the best network.

    Args:
        packed: The networks as packed files; of equally good ones the first is drawn.
        data: That they were trained on.
        members: The most different networks.

    Raises:
        PackedFormatError: if bytes are no packed network.
    """
    use_one_thread()  # as they were trained: their outputs are equal bit for bit
    networks, target = [DeployedNetwork.of(unpack(one)) for one in packed], target_of(data)
    outputs = [network.run(data.validation.x) for network in networks]
    draws = draw_members(outputs, data.validation.truth, target, members=members)
    weights, single = {one: count / len(draws) for one, count in Counter(draws).items()}, draws[0]
    on_test = {one: networks[one].run(data.test.x) for one in {*weights, single}}
    return ScoredEnsemble(
        weights=weights,
        validation=_scores({one: outputs[one] for one in weights}, weights, data.validation, target),
        test=_scores(on_test, weights, data.test, target),
        single=single,
        single_validation=target.score(outputs[single], data.validation.truth),
        single_test=target.score(on_test[single], data.test.truth),
    )


def draw_members(outputs: Sequence[NDArray[Any]], truth: NDArray[Any], target: Target, *, members: int) -> list[int]:
    """The networks drawn, by their numbers, up to where the mean of them was best first; the first is the best alone.

    Every smaller number of different networks is tried as well, and wins where it is as good: a greedy path that may
    take more has ended lower (measured: 0.990 with four, 0.993 with two).

    Args:
        outputs: Of each network, raw: logits (count, classes) or (count, length, tags), or predictions (count, 1).
        truth: As `Target.score` takes it.
        target: What is predicted.
        members: The most different networks.
    """
    predictions = [_predictions(one, target) for one in outputs]
    alone = [target.primary_score(one, truth) for one in outputs]
    first = alone.index(min(alone) if target.is_number else max(alone))
    best, best_score = [first], alone[first]
    for most in range(2, min(members, len(outputs)) + 1):
        drawn, score = _draw(predictions, truth, target, first=first, most=most)
        if target.is_better(score, best_score):
            best, best_score = drawn, score
    return best


def _draw(
    predictions: Sequence[NDArray[np.float64]], truth: NDArray[Any], target: Target, *, first: int, most: int
) -> tuple[list[int], float]:
    """One greedy path from the best network, up to where it is best first after that, and its score there."""
    drawn, total = [first], predictions[first].copy()
    best: tuple[list[int], float] | None = None
    while len(drawn) < most * DRAWS_PER_MEMBER:
        allowed = sorted(set(drawn)) if len(set(drawn)) == most else range(len(predictions))
        chosen, score = -1, 0.0
        for one in allowed:
            mean = (total + predictions[one]) / (len(drawn) + 1)
            now = target.primary_score(_as_outputs(mean, target), truth)
            if chosen < 0 or target.is_better(now, score):
                chosen, score = one, now
        drawn.append(chosen)
        total += predictions[chosen]
        if best is None or target.is_better(score, best[1]):
            best = list(drawn), score
    assert best is not None, "at least one more is drawn"
    return best


def mean_outputs(outputs: Mapping[int, NDArray[Any]], weights: Mapping[int, float], target: Target) -> NDArray[Any]:
    """Raw outputs of the ensemble, same shape: logarithms of its mean probabilities, or mean predictions.

    Args:
        outputs: Raw ones of each member.
        weights: Of each member; they sum to 1.
        target: What is predicted.
    """
    if len(weights) == 1:
        [alone] = weights
        return outputs[alone]
    parts = [weight * _predictions(outputs[one], target) for one, weight in weights.items()]
    return _as_outputs(np.sum(parts, axis=0), target)


def _scores(
    outputs: Mapping[int, NDArray[Any]], weights: Mapping[int, float], split: Split, target: Target
) -> dict[str, float]:
    return target.score(mean_outputs(outputs, weights, target), split.truth)


def _predictions(outputs: NDArray[Any], target: Target) -> NDArray[np.float64]:
    """What a mean is taken of: probabilities over the last axis (softmax), or the predictions; same shape."""
    outputs = outputs.astype(np.float64)
    if target.is_number:
        return outputs
    odds = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    likely: NDArray[np.float64] = odds / odds.sum(axis=-1, keepdims=True)
    return likely


def _as_outputs(mean: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """As scores take it: the softmax of a probability's logarithm is the probability."""
    return mean if target.is_number else np.log(np.maximum(mean, np.finfo(np.float64).tiny))
