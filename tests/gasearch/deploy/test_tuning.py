"""Recipes tuned for one network by a scripted truth: numbering, taking up again, failures."""

import json
from dataclasses import asdict, replace

import pytest
from gasearch_workers.messages import Choices, EvaluationResult, Failure, FailureKind, Measurement, Recipe

from gasearch.deploy.tuning import BATCH_SIZES, OPTIMIZERS, SCHEDULES, best_recipe, tune
from gasearch.storage.records import TuningTrial
from tests.doubles.requests import request_for

OWN = Recipe(epochs=4, batch_size=64, learning_rate=0.01)


def smooth(recipe):
    """Best at a learning rate of 0.01 without label smoothing."""
    return Measurement(accuracy=1 / (1 + abs(recipe.learning_rate - 0.01) * 10 + recipe.label_smoothing))


class Tuned:
    """Tunes one network in calls that share their trials, as the store would keep them."""

    def __init__(self, truth=smooth, recipe=OWN, metric="accuracy"):
        self._truth, self._recipe, self._metric = truth, recipe, metric
        self.requests, self.trials = [], []

    def tune(self, trials, *, seed=3):
        tune(
            request_for(Choices(values=()), key="0a", recipe=self._recipe),
            earlier=tuple(self.trials),
            trials=trials,
            seed=seed,
            metric=self._metric,
            evaluate=self._evaluate,
            store=self.trials.append,
        )
        return self

    def _evaluate(self, request):
        self.requests.append(request)
        return EvaluationResult(
            key=request.key,
            attempt=request.attempt,
            worker="scripted",
            device="none",
            started_at=0.0,
            finished_at=0.0,
            outcome=self._truth(request.recipe),
        )


def recipes(tuned):
    return [json.loads(trial.recipe_json) for trial in tuned.trials]


def test_the_first_trial_is_the_search_s_own_recipe():
    tuned = Tuned().tune(1)
    assert tuned.requests[0].recipe == OWN
    assert tuned.trials == [
        TuningTrial(
            key="0a",
            study="recipe",
            number=0,
            value=1.0,
            recipe_json=json.dumps(asdict(OWN), sort_keys=True),
            message="",
        )
    ]


def test_trials_go_on_numbering_and_try_nothing_twice():
    tuned = Tuned().tune(4).tune(6)
    assert [trial.number for trial in tuned.trials] == list(range(10))
    assert [request.attempt for request in tuned.requests] == list(range(1, 11))
    assert len({trial.recipe_json for trial in tuned.trials}) == 10


def test_the_same_seed_and_the_same_past_give_the_same_trials():
    assert recipes(Tuned().tune(5)) == recipes(Tuned().tune(5))
    assert recipes(Tuned().tune(3).tune(3)) == recipes(Tuned().tune(3).tune(3))
    assert recipes(Tuned().tune(5, seed=4)) != recipes(Tuned().tune(5))


def test_every_recipe_is_one_that_a_spec_may_hold_and_keeps_what_is_not_tuned():
    for recipe in recipes(Tuned().tune(12)):
        assert 1e-4 <= recipe["learning_rate"] <= 1e-1
        assert recipe["batch_size"] in BATCH_SIZES
        assert recipe["optimizer"] in OPTIMIZERS
        assert recipe["schedule"] in SCHEDULES
        assert 0 <= recipe["weight_decay"] <= 0.1
        assert 0 <= recipe["label_smoothing"] <= 0.2
        assert 0 <= recipe["warmup"] <= 0.3
        assert 0 <= recipe["dropout"] <= 0.5
        assert (recipe["epochs"], recipe["momentum"]) == (4, 0.9)


def test_a_recipe_outside_the_tuned_ranges_is_tried_first_as_it_is():
    far = replace(
        OWN, learning_rate=2.0, batch_size=1000, weight_decay=0.5, label_smoothing=0.9, warmup=0.9, dropout=0.8
    )
    tuned = Tuned(recipe=far).tune(1).tune(3)
    assert tuned.requests[0].recipe == far
    assert recipes(tuned)[0] == asdict(far) | {"augment": list(far.augment)}
    assert all(request.recipe.batch_size in BATCH_SIZES for request in tuned.requests[1:])


def test_a_recipe_that_was_never_tried_as_it_is_is_tried_first_though_there_are_trials():
    tuned = Tuned(recipe=replace(OWN, batch_size=100)).tune(2)
    before = [replace(trial, recipe_json=trial.recipe_json.replace(": 100,", ": 128,")) for trial in tuned.trials]
    tuned.trials[:] = before
    assert tuned.tune(1).requests[-1].recipe.batch_size == 100


def test_what_arithmetic_refuses_is_not_tried_again_at_that_batch_size_or_a_greater_one():
    def truth(recipe):
        if recipe.batch_size < 64:
            return smooth(recipe)
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message="needs more than its limit", is_certain=True)

    sizes = [request.recipe.batch_size for request in Tuned(truth).tune(12).requests]
    assert sizes[0] == 64
    assert all(size < 64 for size in sizes[1:])
    everything = Tuned(lambda recipe: Failure(kind=FailureKind.OUT_OF_MEMORY, message="too large", is_certain=True))
    assert len(everything.tune(40).trials) == 40


def test_a_failed_trial_is_kept_with_its_reason_and_tuning_goes_on():
    def truth(recipe):
        failed = Failure(kind=FailureKind.DIVERGED, message="the loss became nan")
        return failed if recipe == OWN else smooth(recipe)

    tuned = Tuned(truth).tune(3).tune(2)
    assert (tuned.trials[0].value, tuned.trials[0].message) == (None, "diverged: the loss became nan")
    assert all(trial.value is not None for trial in tuned.trials[1:])
    recipe, value = best_recipe(tuned.trials, "accuracy")
    assert value == max(trial.value for trial in tuned.trials[1:])
    assert smooth(recipe).accuracy == value


def test_tuning_where_everything_fails_ends_with_no_best_recipe():
    tuned = Tuned(lambda recipe: Failure(kind=FailureKind.OUT_OF_MEMORY, message="too large")).tune(4).tune(2)
    assert len(tuned.trials) == 6
    assert best_recipe(tuned.trials, "accuracy") is None


def test_the_earlier_of_two_equal_recipes_is_the_best_one():
    tuned = Tuned(lambda recipe: Measurement(accuracy=0.5)).tune(3)
    recipe, value = best_recipe(tuned.trials, "accuracy")
    assert (recipe, value) == (OWN, 0.5)


def test_many_trials_come_close_to_the_best_recipe():
    assert (
        best_recipe(Tuned(recipe=replace(OWN, learning_rate=0.1, label_smoothing=0.2)).tune(40).trials, "accuracy")[1]
        > 0.9
    )


def test_of_an_error_the_least_is_the_best():
    def truth(recipe):
        return Measurement(accuracy=0.0, rmse=1 + abs(recipe.learning_rate - 0.01))

    tuned = Tuned(truth, metric="rmse", recipe=replace(OWN, learning_rate=0.1)).tune(12)
    recipe, value = best_recipe(tuned.trials, "rmse")
    assert value == min(trial.value for trial in tuned.trials) == truth(recipe).rmse < 1.09


def test_many_trials_come_close_to_the_least_error():
    def truth(recipe):
        return Measurement(rmse=1 + abs(recipe.learning_rate - 0.01) * 10 + recipe.label_smoothing)

    far = replace(OWN, learning_rate=0.1, label_smoothing=0.2)
    assert best_recipe(Tuned(truth, metric="rmse", recipe=far).tune(40).trials, "rmse")[1] < 1.1


def test_a_network_that_lacks_the_metric_is_a_failed_trial():
    tuned = Tuned(lambda recipe: Measurement(accuracy=0.5), metric="rmse").tune(1)
    assert (tuned.trials[0].value, tuned.trials[0].message) == (None, "it measured no rmse")


def test_a_recipe_comes_back_from_its_trial_as_it_was():
    own = replace(OWN, augment=("shift", "flip"))
    tuned = Tuned(lambda recipe: Measurement(accuracy=0.5), recipe=own).tune(1).tune(1)
    assert best_recipe(tuned.trials, "accuracy")[0] == own


@pytest.mark.parametrize("measures", [frozenset({"latency_ms"}), frozenset()])
def test_tuning_asks_for_no_latency(measures):
    seen = []

    def evaluate(request):
        seen.append(request.measures)
        return EvaluationResult(
            key="0a",
            attempt=1,
            worker="",
            device="",
            started_at=0.0,
            finished_at=0.0,
            outcome=Measurement(accuracy=0.5),
        )

    request = request_for(Choices(values=()), measures=measures)
    tune(request, earlier=(), trials=1, seed=1, metric="accuracy", evaluate=evaluate, store=lambda trial: None)
    assert seen == [frozenset()]
