"""How a spec is searched, in the few lines of its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gasearch.spec.model import SearchSpec
from gasearch.spec.sections import Algorithm

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
    """The algorithm; when a training ends early; what it begins with, and what it keeps evaluations for."""
    yield f"{_NAMES[spec.algorithm]}{_why(spec)}, {_mode(spec)}{_surrogate(spec)}"
    if spec.evolution.toolbox is not None:
        yield f"operators by {spec.evolution.toolbox}"
    if rungs := spec.rung_steps():
        places = " or ".join(f"{rung:.2g}" if rung < 1 else f"{rung:g}" for rung in rungs)
        unit = "step" if spec.is_custom else "epoch"
        yield f"hopeless trainings end at {unit} {places}, with a risk of {spec.stop_risk:.3g}"
    replicates = round(spec.replicate_share * spec.budget.evaluations)
    if replicates:
        verb = "train doubtful members" if replicates > 1 else "trains a doubtful member"
        yield f"up to {replicates:,} of the evaluations {verb} of the front again"
    yield from _start(spec)


def _why(spec: SearchSpec) -> str:
    is_by_itself = spec.evolution.algorithm == "auto" and spec.algorithm == "nsga3"
    return f" (for {len(spec.objectives)} objectives)" if is_by_itself else ""


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


def _surrogate(spec: SearchSpec) -> str:
    if spec.uses_surrogate:
        return ", children ranked by a surrogate"
    return (
        ", which has no surrogate"
        if "surrogate" in spec.evolution.model_fields_set and spec.evolution.surrogate
        else ""
    )


def _start(spec: SearchSpec) -> Iterator[str]:
    begun = (
        [f"{len(spec.start.designs):,} given network{'s' * (len(spec.start.designs) != 1)}"]
        if spec.start.designs
        else []
    )
    if spec.start.searches:
        begun.append(f"the front{'s' * (len(spec.start.searches) > 1)} of {', '.join(spec.start.searches)}")
    if begun:
        yield f"begins with {' and '.join(begun)}"
