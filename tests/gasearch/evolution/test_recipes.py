"""Recipes as points of a space, proposals among them, and what mattered."""

import json
import math
from dataclasses import asdict, replace

import pytest
from gasearch_workers.messages import Recipe

from gasearch.evolution.recipes import (
    AUGMENTATIONS,
    BATCH_SIZES,
    LEAST_TRIALS,
    RANGES,
    RecipeSpace,
    Tried,
    importances,
    mean_ranks,
    propose,
)

OWN = Recipe(epochs=4, batch_size=64, learning_rate=0.01)
IMAGES = RecipeSpace.of(OWN, "classification", "image")
NUMBERS = RecipeSpace.of(OWN, "regression", "table")
TAUGHT = RecipeSpace.of(replace(OWN, teacher="largest"), "classification", "image")


def proposals(count, *, space=IMAGES, own=OWN, loss=lambda recipe: recipe.learning_rate, seed=3, **options):
    """Recipes proposed one after another, each with what came of it."""
    tried = []
    for number in range(count):
        recipe = propose(space, own, tried=tried, seed=seed, number=number, **options)
        tried.append(Tried(recipe=recipe, loss=loss(recipe)))
    return tried


def test_every_recipe_is_one_that_a_spec_may_hold_and_keeps_what_is_not_tuned():
    for one in proposals(12, space=TAUGHT):
        recipe = asdict(one.recipe)
        assert all(least <= recipe[name] <= most for name, (least, most) in RANGES.items())
        assert recipe["batch_size"] in BATCH_SIZES
        assert set(recipe["augment"]) <= set(AUGMENTATIONS)
        assert (recipe["epochs"], recipe["momentum"], recipe["distill_weight"]) == (4, 0.9, 0.5)


def test_all_that_a_training_heeds_is_tuned():
    tried = [one.recipe for one in proposals(40, space=TAUGHT)]
    names = [name for name in asdict(OWN) if len({str(getattr(recipe, name)) for recipe in tried}) > 1]
    assert names == [
        *("batch_size", "optimizer", "learning_rate", "schedule", "warmup", "weight_decay", "label_smoothing"),
        *("dropout", "augment", "temperature"),
    ]


@pytest.mark.parametrize(
    ("space", "missing"),
    [
        (IMAGES, {"temperature"}),
        (NUMBERS, {"temperature", "label_smoothing", "augment_shift", "augment_flip"}),
        (RecipeSpace.of(OWN, "tagging", "tokens"), {"temperature", "augment_shift", "augment_flip"}),
        (RecipeSpace.of(replace(OWN, teacher="largest"), "rating", "ids"), None),
        (TAUGHT, set()),
    ],
)
def test_what_a_training_does_not_heed_is_not_tuned(space, missing):
    missing = {"temperature", "label_smoothing", "augment_shift", "augment_flip"} if missing is None else missing
    assert set(TAUGHT.distributions()) - set(space.distributions()) == missing
    own = replace(OWN, augment=("flip",), label_smoothing=0.3, temperature=7.0)
    for one in proposals(3, space=space, own=own):
        assert "augment_shift" not in missing or one.recipe.augment == ("flip",)
        assert "label_smoothing" not in missing or one.recipe.label_smoothing == 0.3
        assert "temperature" not in missing or one.recipe.temperature == 7.0


def test_a_recipe_outside_the_space_stands_at_its_edge():
    far = replace(OWN, learning_rate=2.0, batch_size=1000, weight_decay=0.5, warmup=0.9, augment=("flip",))
    point = IMAGES.point(far)
    assert (point["learning_rate"], point["batch_size"], point["weight_decay"], point["warmup"]) == (0.1, 256, 0.1, 0.3)
    assert (point["augment_shift"], point["augment_flip"]) == (False, True)
    inside = replace(OWN, augment=("shift", "flip"))
    assert IMAGES.recipe(OWN, IMAGES.point(inside)) == inside


def test_the_same_past_gives_the_same_proposal_and_another_seed_or_number_another_one():
    tried = proposals(5)
    assert tried == proposals(5)
    assert tried != proposals(5, seed=4)
    one, other = (propose(IMAGES, OWN, tried=tried, seed=3, number=number) for number in (5, 6))
    assert one != other


def test_what_is_under_way_is_kept_away_from():
    tried = proposals(20)
    alone = propose(IMAGES, OWN, tried=tried, seed=3, number=20)
    crowded = propose(IMAGES, OWN, tried=tried, pending=[alone] * 10, seed=3, number=20)
    assert crowded != alone
    assert abs(math.log(crowded.learning_rate / alone.learning_rate)) > 0.1


def test_many_proposals_come_close_to_the_best():
    def loss(recipe):
        return abs(recipe.learning_rate - 0.01) * 10 + recipe.label_smoothing

    losses = [one.loss for one in proposals(50, loss=loss)]
    assert min(losses) < 0.05
    assert sum(losses[25:]) < sum(losses[:25])


def test_failures_are_learned_from_as_failures():
    tried = proposals(15, loss=lambda recipe: None if recipe.batch_size > 32 else recipe.learning_rate)
    assert {one.recipe.batch_size <= 32 for one in tried if one.loss is not None} == {True}


def test_batch_sizes_stay_below_what_was_refused_where_there_are_any():
    assert all(one.recipe.batch_size < 64 for one in proposals(12, below=64))
    assert proposals(2, below=8)


def test_importances_find_what_decides_and_heed_the_direction():
    tried = proposals(40, loss=lambda recipe: abs(recipe.dropout - 0.1))
    found = importances(IMAGES, tried)
    assert list(found) == sorted(found, key=found.get, reverse=True)
    assert next(iter(found)) == "dropout"
    assert found["dropout"] > 0.5
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == set(IMAGES.distributions())
    assert json.loads(json.dumps(found)) == found


def test_importances_of_too_few_or_equal_trials_are_not_known():
    assert importances(IMAGES, proposals(LEAST_TRIALS - 1)) is None
    assert importances(IMAGES, proposals(LEAST_TRIALS)) is not None
    assert importances(IMAGES, proposals(LEAST_TRIALS, loss=lambda recipe: 0.5)) is None
    failed = [replace(one, loss=None) for one in proposals(LEAST_TRIALS)[1:]]
    assert importances(IMAGES, [*proposals(LEAST_TRIALS - 1), *failed]) is None


def test_importances_are_not_known_where_the_good_trials_are_as_bad_as_the_worst():
    tried = proposals(20, loss=lambda recipe: 1.0)
    few_good = [replace(one, loss=0.0) if place < 2 else one for place, one in enumerate(tried)]
    assert importances(IMAGES, few_good) is None  # two good ones of 20, and the best fifth takes five
    some_good = [replace(one, loss=0.0) if place < 6 else one for place, one in enumerate(tried)]
    assert sum(importances(IMAGES, some_good).values()) == pytest.approx(1)


def test_importances_print_and_warn_of_nothing(capsys, recwarn):
    importances(IMAGES, proposals(LEAST_TRIALS))
    assert capsys.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn] == []


def test_ranks_are_means_over_the_networks_and_equal_ones_share_theirs():
    assert mean_ranks([(0.1, 5.0), (0.2, 4.0), (0.2, 6.0)]) == [1.5, 1.75, 2.75]
    assert mean_ranks([(1.0,), (None,), (0.0,)]) == [2.0, None, 1.0]
    assert mean_ranks([(None, 1.0)]) == [None]
    assert mean_ranks([]) == []
