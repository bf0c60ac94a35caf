"""Recipes that were tried, as the store keeps them: by one network each, or by several at once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from gasearch_workers.messages import EvaluationResult, Failure, Measurement, Recipe

from gasearch.evolution.recipes import Tried
from gasearch.objectives.metrics import usual_direction
from gasearch.storage.records import TuningTrial

OF_ONE = "recipe"  #: The study of `tune`, on one network.
OF_ANCHORS = "anchors"  #: The study of the tuning before a search.


def recipe_text(recipe: Recipe) -> str:
    """A recipe as JSON."""
    return json.dumps(dataclasses.asdict(recipe), sort_keys=True)


def recipe_from_text(text: str) -> Recipe:
    """The recipe that `recipe_text` wrote, in this version or an earlier one."""
    content = json.loads(text)
    return Recipe(**content | {"augment": tuple(content.get("augment", ()))})


def trial_of(
    key: str, study: str, number: int, *, recipe: Recipe, result: EvaluationResult, metric: str
) -> TuningTrial:
    """What is stored of a recipe that was tried.

    Args:
        key: Of the network.
        study: What it belongs to.
        number: Of the trial.
        recipe: By which the network was trained.
        result: What came of it.
        metric: The one that counts.
    """
    match result.outcome:
        case Measurement() as measurement:
            value = measurement.metrics().get(metric)
            message = "" if value is not None else f"it measured no {metric}"
        case Failure(kind=kind, message=text):
            value, message = None, f"{kind.value}: {text}"
    return TuningTrial(
        key=key, study=study, number=number, recipe_json=recipe_text(recipe), value=value, message=message
    )


def tried(trial: TuningTrial, metric: str) -> Tried:
    """A trial as evolution sees it."""
    return Tried(recipe=recipe_from_text(trial.recipe_json), loss=loss_of(trial, metric))


def loss_of(trial: TuningTrial, metric: str) -> float | None:
    """The value of a trial, less being better; None where it failed."""
    if trial.value is None:
        return None
    return -trial.value if usual_direction(metric) else trial.value


def best_recipe(trials: Iterable[TuningTrial], metric: str) -> tuple[Recipe, float] | None:
    """The recipe of the best trial of one network, of equal ones the earliest, and its value; None if none succeeded.

    Args:
        trials: Of the network; those on several networks at once don't count.
        metric: By which they are compared.
    """
    done = [trial for trial in trials if trial.study == OF_ONE and trial.value is not None]
    if not done:
        return None
    best = min(done, key=lambda trial: (loss_of(trial, metric), trial.number))
    assert best.value is not None
    return recipe_from_text(best.recipe_json), best.value
