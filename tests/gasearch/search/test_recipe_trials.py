"""Recipes that were tried, to the store and back."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import EvaluationResult, Failure, FailureKind, Measurement, Recipe

from gasearch.evolution.recipes import Tried
from gasearch.search.recipe_trials import (
    OF_ANCHORS,
    OF_ONE,
    best_recipe,
    loss_of,
    recipe_from_text,
    recipe_text,
    trial_of,
    tried,
)

RECIPE = Recipe(learning_rate=0.02, augment=("shift", "flip"), teacher="largest")


def trial(outcome, *, metric="accuracy", number=3, recipe=RECIPE):
    result = EvaluationResult(
        key="0a", attempt=1, worker="w", device="cpu", started_at=0.0, finished_at=1.0, outcome=outcome
    )
    return trial_of("0a", OF_ONE, number, recipe=recipe, result=result, metric=metric)


def test_a_recipe_comes_back_as_it_was():
    assert recipe_from_text(recipe_text(RECIPE)) == RECIPE
    assert recipe_from_text('{"epochs": 7}') == Recipe(epochs=7)  # of a version that had no other keys


def test_a_trial_holds_the_metric_that_counts_or_why_there_is_none():
    done = trial(Measurement(accuracy=0.5, macro_f1=0.25), metric="macro_f1")
    assert (done.key, done.study, done.number, done.value, done.message) == ("0a", "recipe", 3, 0.25, "")
    assert recipe_from_text(done.recipe_json) == RECIPE
    assert trial(Measurement(accuracy=0.5), metric="rmse").message == "it measured no rmse"
    failed = trial(Failure(kind=FailureKind.DIVERGED, message="the loss became nan"))
    assert (failed.value, failed.message) == (None, "diverged: the loss became nan")


def test_less_loss_is_better_whatever_the_metric():
    assert tried(trial(Measurement(accuracy=0.5)), "accuracy") == Tried(recipe=RECIPE, loss=-0.5)
    assert loss_of(trial(Measurement(rmse=2.0), metric="rmse"), "rmse") == 2.0
    assert loss_of(trial(Failure(kind=FailureKind.DIED, message="")), "accuracy") is None


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 1), ("rmse", 0)])
def test_the_best_recipe_is_of_one_network_and_of_equal_ones_the_earliest(metric, best):
    values = [0.25, 0.75, 0.75, 0.25]
    trials = [
        trial(Measurement(**{metric: value}), metric=metric, number=number, recipe=replace(RECIPE, epochs=number + 1))
        for number, value in enumerate(values)
    ]
    assert best_recipe(trials, metric) == (replace(RECIPE, epochs=best + 1), values[best])
    assert best_recipe([replace(one, study=OF_ANCHORS) for one in trials], metric) is None
    assert best_recipe([trial(Measurement(), metric=metric)], metric) is None
