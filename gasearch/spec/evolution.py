"""The sections of a spec on how it is searched: `evolution`, `early_stop`, `start` and `budget`."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gasearch.spec import fields
from gasearch.spec.fields import Section

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"  #: What a search may be called.

Algorithm = Literal["nsga2", "nsga3", "aging", "random", "optuna:tpe", "optuna:nsga2", "optuna:gp"]
_Asked = Literal["auto", "nsga2", "nsga3", "aging", "random", "optuna:tpe", "optuna:nsga2", "optuna:gp"]
Mode = Literal["steady-state", "generational"]

MANY_OBJECTIVES = 4  #: From so many on most networks don't dominate each other, and crowding says little: NSGA-III.
DEFAULT_REPLICATES = 0.1
MAX_DESIGNS, MAX_SEARCHES, MAX_RUNGS = 1000, 100, 16

#: The algorithms whose children a surrogate can rank: the others propose by themselves.
RANKED: frozenset[Algorithm] = frozenset({"nsga2", "nsga3", "aging"})


def _surrogate(value: object) -> object:
    if isinstance(value, bool) or value == "full":
        return value
    raise fields.not_allowed()


class EvolutionSpec(Section):
    """How new networks are proposed."""

    algorithm: _Asked = fields.word("auto")
    mode: Mode = fields.word("steady-state")
    population: int = fields.whole(24, 4, 100_000)
    #: Whether a model of the objectives ranks many children; "full": whatever that takes, however short trainings are.
    surrogate: Annotated[bool | Literal["full"], BeforeValidator(_surrogate)] = Field(
        default=True, description="true, false or full"
    )
    replicates: float | None = fields.share(None)  #: Of the evaluations, for further trainings of front members.
    toolbox: str | None = fields.function()  #: Installed `configure(toolbox, space)`, which changes a DEAP toolbox.

    def algorithm_for(self, objectives: int) -> Algorithm:
        """The algorithm, where "auto" takes one by the number of objectives."""
        if self.algorithm == "auto":
            return "nsga3" if objectives >= MANY_OBJECTIVES else "nsga2"
        return self.algorithm


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rungs(value: object) -> object:
    if value in ("auto", "off"):
        return value
    if value is False:
        return "off"
    rungs = [value] if _is_number(value) else value
    if not isinstance(rungs, list | tuple) or not 1 <= len(rungs) <= MAX_RUNGS or not all(map(_is_number, rungs)):
        raise fields.not_allowed()
    if not all(0 < rung <= 1e9 for rung in rungs):
        raise fields.not_allowed()
    if any(later <= rung for rung, later in pairwise(rungs)):
        raise ValueError("the rungs must ascend")
    return tuple(map(float, rungs))


class EarlyStopSpec(Section):
    """When a training ends early, as what it could still reach is dominated already."""

    rungs: Annotated[Literal["auto", "off"] | tuple[float, ...], BeforeValidator(_rungs)] = Field(
        default="auto", description=f"auto, off, or a list of up to {MAX_RUNGS} ascending numbers above 0"
    )  #: Epochs, a part of one too; of a custom evaluator its own steps.
    risk: float = Field(default=0.1, strict=True, gt=0, le=0.5, description="a number above 0, at most 0.5")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, content: object) -> object:
        """`false` and `off` end none early."""
        match content:
            case False | "off":
                return {"rungs": "off"}
            case True | "on" | "auto":
                return {"rungs": "auto"}
            case _:
                return content


def _design(value: object) -> object:
    """A copy as JSON holds it, so that a spec equals the one that its JSON makes."""
    if not isinstance(value, dict):
        raise fields.not_allowed()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("a design holds texts, finite numbers, true, false, lists and mappings") from None


class StartSpec(Section):
    """What the search begins with, besides chance."""

    designs: Annotated[
        tuple[Annotated[dict[str, Any], BeforeValidator(_design)], ...], BeforeValidator(fields.only_a_list)
    ] = Field(
        default=(),
        max_length=MAX_DESIGNS,
        description=f"a list of up to {MAX_DESIGNS:,} networks, each a mapping of decisions to options",
    )  #: Known networks, evaluated first; `gasearch.space.encode` reads them.
    searches: Annotated[
        tuple[Annotated[str, Field(strict=True, pattern=NAME_PATTERN)], ...],
        BeforeValidator(fields.as_list),
        AfterValidator(lambda names: fields.distinct(names) if names else names),
    ] = Field(
        default=(), max_length=MAX_SEARCHES, description=f"a list of up to {MAX_SEARCHES} names of earlier searches"
    )  #: Whose fronts are evaluated first.
    reuse: bool | None = fields.flag(None)  #: Whether outcomes of equal evaluations are taken over.


class BudgetSpec(Section):
    """When the search ends: with whichever comes first."""

    evaluations: int = fields.whole(200, 1, 10_000_000)
    hours: float | None = fields.positive(None, 100_000)  #: Of wall time.
    device_hours: float | None = fields.positive(None, 10_000_000)  #: Summed over the workers, while they are busy.
    stalled: int | None = fields.whole(None, 10, 10_000_000)  #: Evaluations without a growing hypervolume.
    gain_per_device_hour: float | None = fields.positive(None, 100)  #: Least expected growth, a share of the volume.


def default_rungs(epochs: int) -> tuple[float, ...]:
    """A ninth and a third of a training; whole epochs, at which a score is taken anyway, where that is one or more."""
    steps = (epochs / 9, epochs / 3)
    return tuple(float(round(step)) if step >= 1 else step for step in steps)
