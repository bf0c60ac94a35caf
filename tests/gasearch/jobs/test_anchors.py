"""A recipe tuned on a few networks before a search: stored, resumed, used by the search, and part of its context."""

import json
import os
import signal
from contextlib import closing

import pytest
from gasearch_workers.messages import Failure, FailureKind, Measurement

from gasearch.errors import Interrupted, SpecError
from gasearch.jobs.anchors import FOUND, AnchorTuning, anchors, with_recipe_found
from gasearch.jobs.setup import set_up
from gasearch.jobs.spec_check import report
from gasearch.jobs.start import go_on, launch
from gasearch.search.recipe_trials import OF_ANCHORS, recipe_from_text
from gasearch.spec.loader import load_spec
from gasearch.storage.records import REUSED, Lease
from gasearch.storage.sql import open_reader
from tests.doubles.listening import Listening
from tests.doubles.scripted import Scripted

TRIALS = 4
SPEC = {
    "name": "tuned",
    "seed": 3,
    "task": {"dataset": "digits"},
    "space": {"family": "mlp", "layers": [1, 2], "width": [2, 4, 8, 16], "weight_bits": [2, 4, 8]},
    "objectives": {"accuracy": "max", "model_bytes": "min"},
    "recipe": {"epochs": 1, "batch_size": 64, "learning_rate": 0.0002, "tune": {"trials": TRIALS}},
    "evolution": {"population": 4, "replicates": 0.0},
    "early_stop": False,
    "budget": {"evaluations": 4},
    "workers": {"count": 0},
}


class Searched:
    """What the store has of a search."""

    def __init__(self, url, name="tuned"):
        with closing(open_reader(url)) as reader:
            self.record = reader.search(name)
            events = reader.events(self.record.id)
            self.found = [json.loads(event.message) for event in events if event.kind == FOUND]
            self.networks = list(reader.networks(self.record.id))
            self.evaluations = list(reader.evaluations(self.record.id))
            self.setup = set_up(load_spec(json.loads(self.record.spec_json)))
            keys = [genome.key for genome in anchors(self.setup)]
            self.trials = {key: reader.trials(self.record.id, key) for key in keys}
            self.trained_by = with_recipe_found(self.setup, reader, self.record.id)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search whose recipe was tuned, with what was said of it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('whole')}/store.db"
    observer = Listening()
    launch(load_spec(SPEC), db_url=url, observer=observer)
    return url, observer.notices


def test_anchors_are_the_ends_of_the_space_and_one_between_them():
    setup = set_up(load_spec(SPEC))
    found = anchors(setup)
    params = [setup.costs.of(genome)["params"] for genome in found]
    assert len(found) == 3
    assert params == sorted(params)
    networks = [setup.problem.decode(genome) for genome in found]
    assert [layer.width for layer in networks[0].layers[:-1]] == [2]
    assert [layer.width for layer in networks[-1].layers[:-1]] == [16, 16]
    assert found == anchors(setup)
    others = {genome.key for seed in range(5) for genome in anchors(set_up(load_spec(SPEC | {"seed": seed})))}
    assert len(others) > 3


def test_anchors_keep_the_constraints_and_are_fewer_in_a_small_space():
    setup = set_up(load_spec(SPEC | {"constraints": ["params <= 600", "params >= 200"]}))
    assert all(200 <= setup.costs.of(genome)["params"] <= 600 for genome in anchors(setup))
    single = {"family": "mlp", "layers": [1, 1], "width": [4], "weight_bits": [4], "activation_bits": [8]}
    assert len(anchors(set_up(load_spec(SPEC | {"space": single | {"sparsity": [0.0], "rank": [1.0]}})))) == 1


def test_every_recipe_is_tried_on_every_anchor_the_spec_s_own_first(whole):
    found = Searched(whole[0])
    assert len(found.trials) == 3
    for trials in found.trials.values():
        assert [trial.number for trial in trials] == list(range(TRIALS))
        assert {trial.study for trial in trials} == {OF_ANCHORS}
        assert recipe_from_text(trials[0].recipe_json) == found.setup.problem.recipe
        assert all(trial.value is not None for trial in trials)
    for number in range(TRIALS):
        assert len({trials[number].recipe_json for trials in found.trials.values()}) == 1


def test_the_recipe_of_the_least_mean_rank_is_kept_and_trains_the_search(whole):
    url, notices = whole
    found = Searched(url)
    [event] = found.found
    values = list(zip(*([trial.value for trial in trials] for trials in found.trials.values()), strict=True))
    ranks = [
        sum(
            sum(row[place] > mine for row in values) + ([row[place] for row in values].count(mine) + 1) / 2
            for place, mine in enumerate(one)
        )
        / 3
        for one in values
    ]
    best = ranks.index(min(ranks))
    assert event["mean_rank"] == pytest.approx(min(ranks))
    assert event["own_mean_rank"] == pytest.approx(ranks[0])
    assert event["recipe"] == json.loads(next(iter(found.trials.values()))[best].recipe_json)
    assert best > 0  # a rate of 0.0002 for one epoch is easily beaten
    assert (
        notices[1]
        == f"tuning the recipe: {TRIALS} trials on each of 3 networks, {3 * TRIALS} trainings before the search"
    )
    assert notices[-1].startswith(f"the search trains by recipe {best + 1}: ")
    trained_by = found.trained_by.problem.recipe
    assert trained_by == recipe_from_text(json.dumps(event["recipe"]))
    anchor = next(iter(found.trials))
    shared = [network for network in found.networks if network.key == anchor]
    for network in shared:
        assert network.metrics["accuracy"] == found.trials[anchor][best].value


def test_a_resume_tunes_no_more(whole):
    url, _ = whole
    before, observer = Searched(url), Listening()
    go_on("tuned", db_url=url, observer=observer, evaluations=6)
    after = Searched(url)
    assert (after.found, after.trials) == (before.found, before.trials)
    assert after.record.context == before.record.context
    assert len(after.networks) == 6
    assert not any("recipe" in notice for notice in observer.notices)


def test_outcomes_are_reused_only_where_the_same_recipe_was_found(whole):
    url, _ = whole
    found = Searched(url)
    assert found.record.context == found.trained_by.problem.context != ""
    assert found.setup.problem.context == ""  # as long as the recipe isn't known
    launch(load_spec(SPEC | {"name": "again"}), db_url=url, observer=Listening())
    again = Searched(url, "again")
    assert again.found == found.found
    assert again.record.context == found.record.context
    assert {one.result.worker for one in again.evaluations} == {REUSED}
    untuned = SPEC | {"name": "untuned", "recipe": {**SPEC["recipe"], "tune": None}}
    launch(load_spec(untuned), db_url=url, observer=Listening())
    assert Searched(url, "untuned").record.context not in ("", found.record.context)


def test_an_interrupted_tuning_goes_on_where_it_was_and_finds_the_same(whole, tmp_path):
    whole_url, _ = whole
    url = f"sqlite:///{tmp_path}/store.db"

    class Presses(Listening):
        """Presses Ctrl-C once the second recipe is tried."""

        def on_notice(self, message):
            super().on_notice(message)
            if message.startswith("recipe 2 of"):
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=r"after 6 trainings; go on with: gasearch resume tuned$"):
        launch(load_spec(SPEC), db_url=url, observer=Presses())
    assert Searched(url).found == []
    observer = Listening()
    go_on("tuned", db_url=url, observer=observer)
    assert f"going on with the tuning of the recipe: 2 of {TRIALS} trials done" in observer.notices
    ours, theirs = Searched(url), Searched(whole_url)
    assert ours.found == theirs.found
    assert ours.trials == theirs.trials
    assert ours.record.context == theirs.record.context


def test_a_search_without_tuning_trains_by_its_spec(whole, tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    plain = SPEC | {"recipe": {"epochs": 1}}
    launch(load_spec(plain), db_url=url, observer=Listening())
    found = Searched(url)
    assert (found.found, found.trained_by.problem.recipe) == ([], found.setup.problem.recipe)
    assert set(map(len, found.trials.values())) == {0}


def test_check_says_what_is_trained_before():
    assert "search    4 recipes are tried first, on 3 networks each: 12 trainings beside the budget's" in report(
        load_spec(SPEC)
    )


@pytest.mark.parametrize(
    ("tune", "text"),
    [
        ({"trials": 1}, "recipe.tune.trials: must be a whole number from 2 to 10,000; got 1"),
        ({"trials": "30"}, "recipe.tune.trials: must be a whole number from 2 to 10,000; got '30'"),
        ({"trial": 30}, 'recipe.tune.trial: unknown key; did you mean "trials"?'),
        (30, "recipe.tune: must be a mapping with trials; got 30"),
    ],
)
def test_what_can_t_be_tuned_is_refused(tune, text):
    with pytest.raises(SpecError) as caught:
        load_spec(SPEC | {"recipe": {"tune": tune}})
    assert text in str(caught.value)


def test_a_custom_evaluator_has_no_recipe_to_tune():
    spec = {
        "name": "small",
        "task": {"evaluator": "tests.doubles.evaluators:measure"},
        "space": {"family": "custom", "decisions": {"a": {"choices": [1, 2]}}},
        "objectives": {"cost": "min"},
        "recipe": {"tune": {"trials": 3}},
    }
    with pytest.raises(SpecError, match=r"recipe.tune: a custom evaluator trains by itself, .* leave this key out"):
        load_spec(spec)


class Kept:
    """An archive that keeps trials and events in memory."""

    def __init__(self, trials=()):
        self.all, self.events = list(trials), []

    def trials(self, search_id, key):
        return [trial for trial in self.all if trial.key == key]

    def add_trial(self, search_id, trial):
        self.all.append(trial)

    def add_event(self, lease, event):
        self.events.append(event)


def tune_by(truth, kept, *, most=100):
    """Tune by a scripted truth, several trainings at a time, answered last first; returns the tuning."""
    tuning = AnchorTuning(
        set_up(load_spec(SPEC)), kept, Lease(search_id=1, owner="a", epoch=1), trials=TRIALS, observer=Listening()
    )
    requests, flying, evaluator = tuning.requests(), [], Scripted(truth)
    while most and ((request := next(requests, None)) is not None or flying):
        flying += [] if request is None else [request]
        if len(flying) == 4 or request is None:
            answered = flying.pop()
            tuning.store(answered, evaluator.evaluate(answered))
            most -= 1
    return tuning


def by_rate(request):
    return Measurement(accuracy=1 / (1 + request.recipe.learning_rate))


def test_a_recipe_that_was_tried_on_some_anchors_is_tried_on_the_others_after_a_kill():
    kept = Kept()
    tune_by(by_rate, kept, most=4)
    before = list(kept.all)
    assert len(before) == 4
    tune_by(by_rate, kept)
    assert kept.all[:4] == before
    keys = {genome.key for genome in anchors(set_up(load_spec(SPEC)))}
    assert sorted((trial.number, trial.key) for trial in kept.all) == [
        (number, key) for number in range(TRIALS) for key in sorted(keys)
    ]
    for number in range(TRIALS):
        assert len({trial.recipe_json for trial in kept.all if trial.number == number}) == 1


def test_a_recipe_that_fails_on_an_anchor_is_not_chosen_and_where_all_do_the_spec_s_own_stays():
    def fails_but_own(request):
        own = request.recipe.learning_rate == SPEC["recipe"]["learning_rate"]
        small = len(request.network.layers) == 2
        return Measurement(accuracy=0.2) if own or small else Failure(kind=FailureKind.DIVERGED, message="nan")

    tuning = tune_by(fails_but_own, Kept())
    assert tuning.found.learning_rate == SPEC["recipe"]["learning_rate"]
    kept = Kept()
    tuning = tune_by(lambda request: Failure(kind=FailureKind.DIVERGED, message="nan"), kept)
    assert tuning.found == set_up(load_spec(SPEC)).problem.recipe
    tuning.conclude()
    assert json.loads(kept.events[0].message)["mean_rank"] is None


def test_the_spec_s_own_recipe_is_the_first_whatever_ended_first_before_a_kill():
    kept = Kept()
    tune_by(by_rate, kept, most=1)
    assert kept.all[0].number == 1  # the spec's own recipe was in flight on every anchor
    tuning = tune_by(by_rate, kept)
    tuning.conclude()
    content = json.loads(kept.events[0].message)
    whole = Kept()
    tune_by(by_rate, whole).conclude()
    own = {trial.value for trial in kept.all if trial.number == 0}
    values = {number: trial.value for trial in kept.all for number in [trial.number]}
    assert own == {values[0]}
    below = sum(value > values[0] for value in values.values())
    same = sum(value == values[0] for value in values.values())
    assert content["own_mean_rank"] == below + (same + 1) / 2
    assert content["mean_rank"] <= content["own_mean_rank"]
