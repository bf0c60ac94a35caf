"""Tuning the training recipe of one network with Optuna; its trials are kept in the search's own database."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from gasearch_workers.messages import (
    EvaluationRequest,
    EvaluationResult,
    Failure,
    Fidelity,
    Measurement,
    Optimizer,
    Recipe,
)

from gasearch.objectives.metrics import usual_direction
from gasearch.storage.records import TuningTrial

if TYPE_CHECKING:  # Optuna takes most of a second to import, and only `tune` needs it
    import optuna

STUDY = "recipe"
BATCH_SIZES = (16, 32, 64, 128, 256)
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "adamw", "sgd", "rmsprop", "adafactor")
SCHEDULES = ("cosine", "constant")
CHOICES = {"batch_size": BATCH_SIZES, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}

#: Least and most of what is tuned as a number.
RANGES: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-4, 1e-1),  # by its logarithm
    "warmup": (0.0, 0.3),
    "dropout": (0.0, 0.5),
    "weight_decay": (0.0, 0.1),
    "label_smoothing": (0.0, 0.2),
}


def tune(
    request: EvaluationRequest,
    *,
    earlier: Sequence[TuningTrial],
    trials: int,
    seed: int,
    metric: str,
    evaluate: Callable[[EvaluationRequest], EvaluationResult],
    store: Callable[[TuningTrial], None],
) -> None:
    """Try `trials` more recipes for the request's network and store each with what it reached of the metric.

    The metric is the task's primary score: accuracy, entity F1, or the root of the mean squared error, of which less is
    better. The sampler is the tree-structured Parzen estimator (Bergstra et al. 2011). It learns from the earlier
    trials, so tuning can be interrupted and taken up again. The first trial of all is the search's own recipe as it is,
    also outside the tuned ranges: the one to beat.

    Args:
        request: The network, with the search's own recipe.
        earlier: What was tried before, in its order.
        trials: How many further recipes to try.
        seed: Of the sampler.
        metric: The task's primary score.
        evaluate: Trains and measures.
        store: Keeps each trial as it is finished.
    """
    import optuna

    with ExitStack() as stack:
        stack.callback(optuna.logging.set_verbosity, optuna.logging.get_verbosity())
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            direction="maximize" if usual_direction(metric) else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed + len(earlier)),
            study_name=STUDY,
        )
        for trial in earlier:
            study.add_trial(_as_optuna(trial))
        refused = math.inf  # the least batch size at which arithmetic has refused the network: more takes more
        is_own_tried = any(trial.recipe_json == _recipe_text(request.recipe) for trial in earlier)
        for number in range(len(earlier), len(earlier) + trials):
            proposal = _proposed(study, below=refused) if is_own_tried else None
            recipe = request.recipe if proposal is None else dataclasses.replace(request.recipe, **proposal.params)
            result = evaluate(
                dataclasses.replace(
                    request,
                    recipe=recipe,
                    attempt=number + 1,
                    fidelity=Fidelity(epochs=recipe.epochs),
                    measures=frozenset(),
                )
            )
            if isinstance(result.outcome, Failure) and result.outcome.is_certain:
                refused = min(refused, recipe.batch_size)
            finished = _finished(request.key, number, recipe, result, metric)
            store(finished)
            is_own_tried = True
            if proposal is None:
                study.add_trial(_as_optuna(finished))
            elif finished.value is None:
                study.tell(proposal, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(proposal, finished.value)


def _proposed(study: optuna.Study, *, below: float) -> optuna.Trial:
    """The next recipe to try, of a batch size below the given one where the ranges have any."""
    import optuna

    while True:
        trial = study.ask(_distributions())
        if trial.params["batch_size"] < below or min(BATCH_SIZES) >= below:
            return trial
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def best_recipe(trials: Sequence[TuningTrial], metric: str) -> tuple[Recipe, float] | None:
    """The recipe of the best trial by the metric, of equal ones the earliest, and its value; None if none succeeded."""
    sign = 1 if usual_direction(metric) else -1
    done = [(sign * trial.value, -trial.number, trial.recipe_json) for trial in trials if trial.value is not None]
    if not done:
        return None
    wvalue, _, text = max(done)
    return _recipe_from_json(text), sign * wvalue


def _finished(key: str, number: int, recipe: Recipe, result: EvaluationResult, metric: str) -> TuningTrial:
    match result.outcome:
        case Measurement() as measurement:
            value = measurement.metrics().get(metric)
            message = "" if value is not None else f"it measured no {metric}"
        case Failure(kind=kind, message=text):
            value, message = None, f"{kind.value}: {text}"
    text = _recipe_text(recipe)
    return TuningTrial(key=key, study=STUDY, number=number, recipe_json=text, value=value, message=message)


def _distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    """Of each tuned parameter; the sampler draws in this order."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = {name: FloatDistribution(*ends, log=name == "learning_rate") for name, ends in RANGES.items()}
    choices = {name: CategoricalDistribution(options) for name, options in CHOICES.items()}
    return {"learning_rate": numbers.pop("learning_rate")} | choices | numbers


def _parameters(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a point of the tuned space: values outside it move to the nearest one inside."""
    point = {name: getattr(recipe, name) for name in CHOICES}
    point["batch_size"] = min(BATCH_SIZES, key=lambda size: abs(size - recipe.batch_size))
    return point | {name: min(max(getattr(recipe, name), least), most) for name, (least, most) in RANGES.items()}


def _recipe_text(recipe: Recipe) -> str:
    return json.dumps(dataclasses.asdict(recipe), sort_keys=True)


def _recipe_from_json(text: str) -> Recipe:
    content = json.loads(text)
    return Recipe(**content | {"augment": tuple(content.get("augment", ()))})


def _as_optuna(trial: TuningTrial) -> optuna.trial.FrozenTrial:
    import optuna

    state = optuna.trial.TrialState.COMPLETE if trial.value is not None else optuna.trial.TrialState.FAIL
    return optuna.trial.create_trial(
        state=state,
        params=_parameters(_recipe_from_json(trial.recipe_json)),
        distributions=_distributions(),
        value=trial.value,
    )
