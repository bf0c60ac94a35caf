"""Whether the sections of a spec fit each other and the data."""

import pytest
from gasearch_workers.network.families import FAMILIES

from gasearch.spec.fitting import (
    EVALUATOR_KEYS,
    custom_problems,
    input_problems,
    kind_problems,
    known_input,
    known_kind,
    recipe_problems,
    task_problems,
    training_problems,
)
from gasearch.spec.sections import EMBEDDED, RecipeSpec, TaskSpec
from gasearch.spec.target import TargetSpec


def texts(problems):
    return list(map(str, problems))


@pytest.mark.parametrize(
    ("family", "dataset", "kind", "sample"),
    [
        ("mlp", "digits", "classification", "image"),
        ("mlp", "a.csv", None, None),
        ("tagger", "a.conll", "tagging", "tokens"),
        ("recommender", "a.csv", "rating", "ids"),
    ],
)
def test_a_family_or_embedded_data_say_the_kinds_of_task_and_sample(family, dataset, kind, sample):
    task = TaskSpec(dataset=dataset)
    assert (known_kind(family, task), known_input(family, task)) == (kind, sample)


def test_each_family_takes_what_it_is_for_and_nothing_else():
    for family in map(FAMILIES.get, FAMILIES.own):
        for dataset, (_, sample) in EMBEDDED.items():
            fits = sample in family.inputs
            assert (texts(task_problems(family.name, TaskSpec(dataset=dataset))) == []) is fits
            assert (texts(input_problems(family.name, {"name": dataset, "input_kind": sample})) == []) is fits
        assert all(texts(kind_problems(family.name, kind)) == [] for kind in family.tasks)


def test_a_problem_names_the_families_that_would_fit():
    task = TaskSpec(dataset="a.conll", user="u")
    assert texts(task_problems("tagger", task)) == ["task.user: is for family recommender; the family is tagger"]
    [text] = texts(kind_problems("tagger", "regression"))
    assert text == "task.kind: family tagger does tagging; regression is for families mlp, cnn, text and transformer"


def test_an_evaluator_gets_two_keys_of_the_recipe_alone():
    recipe = RecipeSpec(epochs=5, data_share=0.5, dropout=0.1, inherit=True)
    assert set(EVALUATOR_KEYS) == {"epochs", "data_share"}
    found = [problem.path for problem in custom_problems(recipe, TargetSpec(operators=("conv",)))]
    assert found == [("recipe", "dropout"), ("recipe", "inherit"), ("target", "operators")]


def test_numbers_have_no_classes_and_only_images_are_augmented():
    recipe = RecipeSpec(label_smoothing=0.1, augment=("flip",))
    assert [problem.path[1] for problem in recipe_problems(recipe, "regression", "table")] == [
        "augment",
        "label_smoothing",
    ]
    assert texts(recipe_problems(recipe, "classification", "image")) == texts(recipe_problems(recipe, None, None)) == []


@pytest.mark.parametrize("family", ["cnn", "custom"])
def test_only_a_trained_network_needs_no_epochs(family):
    recipe = RecipeSpec(epochs=0)
    assert [str(one) for one in training_problems(family, recipe)] == [
        "recipe.epochs: must be a whole number from 1 to 10,000; got 0"
    ]
    assert list(training_problems("bits", recipe)) == []
    assert list(training_problems(family, RecipeSpec(epochs=1, inherit=True, dropout=0.1))) == []


def test_what_a_trained_network_cannot_heed_is_refused():
    recipe = RecipeSpec(epochs=1, inherit=True, dropout=0.1)
    assert [one.path for one in training_problems("bits", recipe)] == [("recipe", "inherit"), ("recipe", "dropout")]
