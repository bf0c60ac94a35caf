"""Recipes tuned for networks: by a scripted truth, and by real trainings on the workers of a search."""

import json
import os
import signal
from contextlib import closing
from dataclasses import asdict, replace

import pytest
from gasearch_workers.messages import Choices, Failure, FailureKind, Measurement, Recipe

import gasearch
from gasearch.deploy.tuning import NetworkTuning, tune_networks
from gasearch.dispatch.in_process import InProcess
from gasearch.errors import BadInput, Interrupted, UnknownSearch
from gasearch.evolution.recipes import BATCH_SIZES, LEAST_TRIALS, RecipeSpace
from gasearch.search.progress import Silent
from gasearch.search.recipe_trials import OF_ANCHORS, best_recipe
from gasearch.search.trainings import Trainings
from gasearch.storage.records import TuningTrial
from gasearch.storage.sql import open_archive
from tests.doubles.command_line import TRAINED
from tests.doubles.listening import Listening
from tests.doubles.requests import request_for
from tests.doubles.scripted import Scripted

OWN = Recipe(epochs=4, batch_size=64, learning_rate=0.01)


def smooth(recipe):
    """Best at a learning rate of 0.01 without label smoothing."""
    return Measurement(accuracy=1 / (1 + abs(recipe.learning_rate - 0.01) * 10 + recipe.label_smoothing))


class Tuned:
    """Tunes one network in calls that share their trials, as the store would keep them."""

    def __init__(self, truth=smooth, recipe=OWN, metric="accuracy"):
        self._recipe, self._metric = recipe, metric
        self.evaluator, self.trials = Scripted(lambda request: truth(request.recipe)), []

    def tuning(self, trials, *, seed=3, **options):
        return NetworkTuning(
            request_for(Choices(values=()), key="0a", recipe=self._recipe, **options),
            space=RecipeSpace.of(self._recipe, "classification", "image"),
            earlier=tuple(self.trials),
            trials=trials,
            seed=seed,
            metric=self._metric,
        )

    def tune(self, trials, **options):
        tuning = self.tuning(trials, **options)

        def requests():
            while tuning.is_wanting:
                yield tuning.ask()

        Trainings(
            InProcess(self.evaluator),
            again="gasearch tune small 0a",
            on_result=lambda request, result: self.trials.append(tuning.finished(request, result)),
        ).run(requests())
        return self

    @property
    def requests(self):
        return self.evaluator.requests


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
    assert len({trial.recipe_json for trial in tuned.trials}) == 10


def test_the_same_seed_and_the_same_past_give_the_same_trials():
    assert recipes(Tuned().tune(5)) == recipes(Tuned().tune(5))
    assert recipes(Tuned().tune(3).tune(3)) == recipes(Tuned().tune(3).tune(3))
    assert recipes(Tuned().tune(5, seed=4)) != recipes(Tuned().tune(5))


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


def test_a_network_that_lacks_the_metric_is_a_failed_trial():
    tuned = Tuned(lambda recipe: Measurement(accuracy=0.5), metric="rmse").tune(1)
    assert (tuned.trials[0].value, tuned.trials[0].message) == (None, "it measured no rmse")


def test_a_recipe_comes_back_from_its_trial_as_it_was():
    own = replace(OWN, augment=("shift", "flip"))
    tuned = Tuned(lambda recipe: Measurement(accuracy=0.5), recipe=own).tune(1).tune(1)
    assert best_recipe(tuned.trials, "accuracy")[0] == own


def test_tuning_asks_for_no_latency():
    tuned = Tuned()
    assert tuned.tuning(1, measures=frozenset({"latency_ms"})).ask().measures == frozenset()


def test_a_trial_that_was_in_flight_is_asked_again_and_the_own_recipe_if_it_was_that():
    tuned = Tuned().tune(4)
    third = tuned.trials.pop(2)
    again = tuned.tuning(2)
    assert [again.ask().attempt - 1, again.ask().attempt - 1, again.left] == [2, 4, 2]
    tuned.trials.append(third)
    tuned.trials.pop(0)
    assert tuned.tuning(1).ask().recipe == OWN


def test_several_trials_may_be_under_way():
    tuned = Tuned()
    tuning = tuned.tuning(5)
    flying = [tuning.ask() for _ in range(5)]
    assert not tuning.is_wanting
    assert tuning.left == 5
    assert len({str(request.recipe) for request in flying}) == 5
    for request in reversed(flying):
        tuned.trials.append(tuning.finished(request, tuned.evaluator.evaluate(request)))
    assert sorted(trial.number for trial in tuned.trials) == list(range(5))
    assert tuning.left == 0


def test_trials_on_several_networks_at_once_are_another_study():
    tuned = Tuned().tune(2)
    tuned.trials[:] = [replace(trial, study=OF_ANCHORS) for trial in tuned.trials]
    assert best_recipe(tuned.trials, "accuracy") is None
    assert tuned.tuning(1).ask().recipe == OWN


# --- with real trainings -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished search for digits, and the keys of its networks, the most accurate first."""
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "small.yaml"
    path.write_text(TRAINED.replace("batch_size: 128", "batch_size: 16").replace("evaluations: 8", "evaluations: 5"))
    search = gasearch.run(path, db=f"sqlite:///{folder}/store.db")
    measured = [one for one in search.evaluations() if one.metrics]
    keys = [one.key for one in sorted(measured, key=lambda one: -one.metrics["accuracy"])]
    return f"sqlite:///{folder}/store.db", keys


def test_tuning_stores_its_trials_and_goes_on_numbering(trained):
    url, [key, *_] = trained
    observer = Listening()
    [first] = tune_networks("small", [key[:6]], trials=2, db_url=url, observer=observer)
    assert [trial.number for trial in first.trials] == [0, 1]
    own = gasearch.open("small", db=url).show(key).metrics["accuracy"]
    assert first.trials[0].value == own  # the search's own recipe, trained with its seed
    [both] = tune_networks("small", [key], trials=2, db_url=url, observer=observer)
    assert [trial.number for trial in both.trials] == [0, 1, 2, 3]
    assert both.trials[:2] == first.trials
    assert len({trial.recipe_json for trial in both.trials}) == 4
    assert both.best.value == max(trial.value for trial in both.trials if trial.value is not None)
    assert (both.key, both.metric, both.importances) == (key, "accuracy", None)
    assert both.importances_note.startswith(f"importances take {LEAST_TRIALS} trials that succeeded; there are ")
    assert [notice.partition(":")[0] for notice in observer.notices] == [f"trial {number}" for number in range(4)]


def test_several_networks_are_tuned_in_turn_and_importances_come_with_enough_trials(trained):
    url, keys = trained
    one, other = keys[1:3]
    observer = Listening()
    tuned = tune_networks("small", [one, other], trials=LEAST_TRIALS, db_url=url, observer=observer)
    assert [found.key for found in tuned] == [one, other]
    assert [notice.split()[3].rstrip(":") for notice in observer.notices] == [one, other] * LEAST_TRIALS
    for found in tuned:
        assert sum(found.importances.values()) == pytest.approx(1)
        assert "augment_shift" in found.importances
        assert found.importances_note == ""
    assert gasearch.open("small", db=url).tuned(one[:8]) == tuned[0]


def test_an_interruption_loses_no_finished_trial_and_the_command_it_names_goes_on(trained):
    url, keys = trained
    key = keys[3]

    class Presses(Listening):
        """Presses Ctrl-C once the second trial is stored."""

        def on_notice(self, message):
            super().on_notice(message)
            if message.startswith("trial 1:"):
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=rf"after 2 trainings; go on with: gasearch tune small {key} --trials 3$"):
        tune_networks("small", [key], trials=5, db_url=url, observer=Presses())
    kept = gasearch.open("small", db=url).tuned(key).trials
    assert [trial.number for trial in kept] == [0, 1]
    [whole] = tune_networks("small", [key], trials=3, db_url=url, observer=Silent())
    assert whole.trials[:2] == kept
    assert [trial.number for trial in whole.trials] == list(range(5))


def test_a_trial_whose_number_another_tune_has_taken_gets_the_next_one(trained):
    url, keys = trained
    key = keys[4]

    class Meanwhile(Listening):
        """Stores a trial of another process as soon as the first one is known."""

        def on_notice(self, message):
            super().on_notice(message)
            if message.startswith("trial 0:"):
                with closing(open_archive(url, notice=print)) as archive:
                    archive.add_trial(1, theirs)

    other = json.dumps(asdict(Recipe(learning_rate=0.05)), sort_keys=True)
    theirs = TuningTrial(key=key, study="recipe", number=1, recipe_json=other, value=0.1, message="")
    [found] = tune_networks("small", [key], trials=2, db_url=url, observer=Meanwhile())
    assert [trial.number for trial in found.trials] == [0, 1, 2]
    assert found.trials[1] == theirs


def test_tuning_on_ray_trains_as_in_this_process(trained):
    url, [key, *_] = trained
    own = gasearch.open("small", db=url).show(key).metrics["accuracy"]
    search = gasearch.open("small", db=url)
    before = len(search.tuned(key).trials)
    trials = search.tune(key, trials=2, workers=2)
    assert len(trials) == before + 2
    assert trials[0].value == own


def test_what_can_t_be_tuned_is_refused_before_any_training(trained):
    url, [key, *_] = trained
    with pytest.raises(BadInput, match="tune wants the key of at least one network"):
        tune_networks("small", [], trials=1, db_url=url, observer=Silent())
    with pytest.raises(UnknownSearch):
        tune_networks("small", [key, "zzz"], trials=1, db_url=url, observer=Silent())
