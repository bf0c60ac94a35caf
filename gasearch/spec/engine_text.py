"""The way in which a spec is searched, and its networks measured, in the few lines of its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gasearch.spec.model import SearchSpec
from gasearch.spec.sections import Algorithm
from gasearch.spec.target import REPLACED, MeasureSpec

_NAMES: Final[dict[Algorithm, str]] = {
    "nsga2": "NSGA-II",
    "nsga3": "NSGA-III",
    "aging": "aging evolution",
    "random": "random sampling",
    "optuna:tpe": "Optuna's TPE",
    "optuna:nsga2": "Optuna's NSGA-II",
    "optuna:gp": "Optuna's Gaussian process",
}


def search_lines(spec: SearchSpec) -> Iterator[str]:
    """The algorithm; when a training ends early; what it begins with, and what it keeps evaluations for.

    First of all the recipe, where it is tuned before.
    """
    if spec.recipe.tune is not None:
        count = spec.recipe.tune.trials
        yield f"{count:,} recipes are tried first, on 3 networks each: {3 * count:,} trainings beside the budget's"
    evolution, start = spec.evolution, spec.start
    is_by_itself = evolution.algorithm == "auto" and spec.algorithm == "nsga3"
    why = f" (for {len(spec.objectives)} objectives)" if is_by_itself else ""
    surrogate = ", children ranked by a surrogate" if spec.uses_surrogate else ""
    if evolution.surrogate and not surrogate and "surrogate" in evolution.model_fields_set:
        surrogate = ", which has no surrogate"
    yield f"{_NAMES[spec.algorithm]}{why}, {_mode(spec)}{surrogate}"
    if evolution.toolbox is not None:
        yield f"operators by {evolution.toolbox}"
    if rungs := spec.rung_steps():
        places = " or ".join(f"{rung:.2g}" if rung < 1 else f"{rung:g}" for rung in rungs)
        unit = "step" if spec.is_custom else "epoch"
        yield f"hopeless trainings end at {unit} {places}, with a risk of {spec.early_stop.risk:.3g}"
    if replicates := round(spec.replicate_share * spec.budget.evaluations):
        verb = "train doubtful members" if replicates > 1 else "trains a doubtful member"
        yield f"up to {replicates:,} of the evaluations {verb} of the front again"
    begun = [f"{len(start.designs):,} given network{'s' * (len(start.designs) != 1)}"] if start.designs else []
    begun += [f"the front{'s' * (len(start.searches) > 1)} of {', '.join(start.searches)}"] if start.searches else []
    if begun:
        yield f"begins with {' and '.join(begun)}"


def measure_lines(measure: MeasureSpec | None) -> Iterator[str]:
    """What runs for each network, and what it gives; nothing where the spec names no command."""
    if measure is None:
        return
    forms = f", which also holds the forms {', '.join(measure.formats)}" if measure.formats else ""
    yield f"runs for each network, one at a time and {measure.timeout_s:g} s at most: {measure.command} FOLDER{forms}"
    yield ", ".join(f"{name} in place of ours" if name in REPLACED else name for name in measure.metrics)


def _mode(spec: SearchSpec) -> str:
    population = spec.evolution.population
    if spec.algorithm == "random":
        return "without a population"
    if spec.algorithm.startswith("optuna:"):
        return "told each outcome as it comes" if spec.is_steady else "told outcomes in tens"
    if spec.is_steady:
        return f"steady state with a population of {population:,}"
    count = -(-spec.budget.evaluations // population)
    return f"{count:,} generation{'' if count == 1 else 's'} of {population:,}"
