"""The spec: everything that a search is asked for, as validated values.

The keys are those of the spec file. The description of a field says what it allows; `explain.py` quotes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self

from gasearch_workers.evaluation.metric_values import METRIC_NAME, NAME_RULE, RESERVED
from gasearch_workers.messages import DEPLOYED, Task, TaskKind
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit, parse_limit
from gasearch.objectives.fitness import Objective
from gasearch.objectives.metrics import METRICS, TIMED, measured_metrics, spread_of
from gasearch.spec import fields, fitting, sections
from gasearch.spec.explain import Problem, advised, explain, nearest, problems_error, show
from gasearch.spec.fields import Section
from gasearch.spec.spaces import AnySpace, BitsSpace, CustomSpace
from gasearch.spec.target import MeasureSpec, TargetSpec

Direction = Literal["max", "min"]


class SearchSpec(Section):
    """A whole spec."""

    name: str = fields.text(
        ..., "1 to 100 letters, digits and . _ - of which neither . nor - comes first", pattern=sections.NAME_PATTERN
    )
    seed: int = fields.whole(0, 0, 2**32 - 1)
    task: sections.TaskSpec = Field(default_factory=sections.TaskSpec)
    space: AnySpace = Field(description="a mapping with family and its options")
    objectives: dict[str, Direction] = Field(
        min_length=1, max_length=16, description="a mapping of metrics to max or min"
    )
    constraints: Annotated[tuple[str, ...], BeforeValidator(fields.as_list)] = Field(
        default=(), max_length=64, description='a list of limits such as "model_bytes <= 64 KB"'
    )
    target: TargetSpec = TargetSpec()
    measure: MeasureSpec | None = Field(default=None, description="a mapping with command, metrics and timeout_s")
    recipe: sections.RecipeSpec = sections.RecipeSpec()
    evolution: sections.EvolutionSpec = sections.EvolutionSpec()
    early_stop: sections.EarlyStopSpec = Field(
        default=sections.EarlyStopSpec(), description="false, or a mapping with rungs and risk"
    )
    start: sections.StartSpec = sections.StartSpec()
    budget: sections.BudgetSpec = sections.BudgetSpec()
    workers: sections.WorkersSpec = sections.WorkersSpec()

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [*self._task_problems(), *self.metric_problems(self.kind), *self._search_problems()]
        if problems:
            raise problems_error(problems)
        return self

    # --- as the values that the rest of the program takes ---

    @property
    def is_custom(self) -> bool:
        """True if the user's own function evaluates the points of the space."""
        return isinstance(self.space, CustomSpace)

    @property
    def is_trained(self) -> bool:
        """True if gasearch trains networks, so that another seed gives another outcome."""
        return not self.is_custom and self.recipe.epochs > 0

    @property
    def kind(self) -> TaskKind | None:
        """The kind of the task by the spec; None where the data tell it, and for a custom evaluator."""
        return fitting.known_kind(self.space.family, self.task)

    def to_task(self, data_fingerprint: str | None = None, kind: TaskKind | None = None) -> Task:
        """The task as a worker gets it; the kind is that of the data where the spec doesn't say it."""
        return Task(
            kind=self.kind or kind,
            dataset=self.task.dataset,
            evaluator=self.task.evaluator,
            data_fingerprint=data_fingerprint,
        )

    def objectives_tuple(self) -> tuple[Objective, ...]:
        """The objectives in the order of the spec."""
        return tuple(Objective(metric=name, is_maximized=word == "max") for name, word in self.objectives.items())

    def limits(self) -> tuple[Limit, ...]:
        """The constraints, their bounds in native units."""
        return tuple(parse_limit(text) for text in self.constraints)

    def wanted_metrics(self) -> tuple[str, ...]:
        """Every metric that an objective or a constraint names, each once."""
        return tuple(dict.fromkeys([*self.objectives, *(limit.metric for limit in self.limits())]))

    def measures(self) -> frozenset[str]:
        """The expensive metrics that a worker must be asked for.

        Those of forms for microcontrollers; `latency_ms`, and `energy_j` where it is wanted. The latency brings its
        spread with it, and the energy and the efficiency are computed with it. Where a command of the user's gives the
        latency, of another device, this one measures none of them.
        """
        own = set() if self.measure is None else set(self.measure.metrics)
        if self.is_custom:
            return frozenset()
        deployed = frozenset(DEPLOYED).intersection(self.wanted_metrics()) - own
        wanted = TIMED.intersection(self.wanted_metrics()) - own
        if "latency_ms" in own or not wanted:
            return deployed
        return deployed | (wanted & {"energy_j"}) | {"latency_ms"}

    # --- how it is searched ---

    @property
    def algorithm(self) -> sections.Algorithm:
        """The algorithm that proposes networks: never "auto"."""
        return self.evolution.algorithm_for(len(self.objectives))

    @property
    def is_steady(self) -> bool:
        """True if each outcome counts as soon as it arrives; else a whole generation is waited for."""
        return self.evolution.mode == "steady-state"

    @property
    def uses_surrogate(self) -> bool:
        """True if a model of the objectives ranks many children; some algorithms have none to rank."""
        return bool(self.evolution.surrogate) and self.algorithm in sections.RANKED

    @property
    def paces_surrogate(self) -> bool:
        """True if the time of trainings bounds its work: never in generations, which no clock may change."""
        return self.uses_surrogate and self.is_steady and self.evolution.surrogate != "full"

    @property
    def replicate_share(self) -> float:
        """Share of the evaluations that is kept for further trainings of front members, 0 to below 1."""
        if self.evolution.replicates is None:
            return sections.DEFAULT_REPLICATES if self.is_trained else 0.0
        return self.evolution.replicates

    def rung_steps(self) -> tuple[float, ...]:
        """The steps where a training may be ended early, ascending: epochs, or an evaluator's own; () for nowhere."""
        rungs = self.early_stop.rungs
        if isinstance(rungs, tuple):
            return rungs
        if rungs == "off" or self.is_custom:
            return ()
        return sections.default_rungs(self.recipe.epochs)

    @property
    def reuses_outcomes(self) -> bool:
        """True if outcomes of equal evaluations are taken over from earlier searches."""
        return not self.is_custom if self.start.reuse is None else self.start.reuse

    # --- as text ---

    def to_json(self) -> str:
        """The spec as compact JSON, from which `from_json` makes an equal one."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The spec that `to_json` wrote, in this version or an earlier one: it means what it meant then.

        Raises:
            SpecError: if this version can't use it.
        """
        try:
            return cls.model_validate_json(as_then(text))
        except ValidationError as error:
            raise SpecError("; ".join(map(str, explain(error, cls)))) from error

    def identity_hash(self) -> str:
        """16 hexadecimal digits over all that decides the result: not the name, the budget or the workers.

        A data file counts by its name, wherever it lies and however it came: its content has a fingerprint of its own.
        """
        content = self.model_dump(mode="json", exclude={"name", "budget", "workers"})
        content["constraints"] = [str(limit) for limit in self.limits()]
        content["task"]["kind"] = self.kind
        del content["task"]["download"]
        content["evolution"] |= {
            "algorithm": self.algorithm,
            "surrogate": "full" if self.evolution.surrogate == "full" else self.uses_surrogate,
            "replicates": self.replicate_share,
        }
        if self.evolution.toolbox is None:  # as in versions that had no such key
            del content["evolution"]["toolbox"]
        if self.target == TargetSpec():
            del content["target"]
        elif self.target.toolchain == "auto":  # as in versions that had no such key
            del content["target"]["toolchain"]
        if self.recipe.tune is None:  # as in versions that had no such key
            del content["recipe"]["tune"]
        if self.measure is None:
            del content["measure"]
        else:
            del content["measure"]["timeout_s"]
        if self.start.optuna is None:
            del content["start"]["optuna"]
        content["early_stop"]["rungs"] = self.rung_steps()
        content["start"]["reuse"] = self.reuses_outcomes
        for key in ("dataset", "validation", "test"):
            path = getattr(self.task, key)
            if path is not None:
                content["task"][key] = PurePath(path).name
        if isinstance(self.space, BitsSpace):
            content["space"]["weights"] = PurePath(self.space.weights).name
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()

    # --- what one field alone can't know ---

    def _task_problems(self) -> Iterator[Problem]:
        if self.is_custom and self.task.evaluator is None:
            text = 'is required for family custom: "package.module:function" of an installed evaluator'
            yield Problem(path=("task", "evaluator"), text=text)
        if not self.is_custom and self.task.evaluator is not None:
            text = f"only family custom takes an evaluator; the family is {self.space.family}"
            yield Problem(path=("task", "evaluator"), text=text)
        elif self.is_custom:
            yield from fitting.custom_problems(self.recipe, self.target, self.measure)
        else:
            yield from fitting.task_problems(self.space.family, self.task)
            yield from fitting.training_problems(self.space.family, self.recipe)
            yield from fitting.recipe_problems(
                self.recipe, self.kind, fitting.known_input(self.space.family, self.task)
            )

    def _search_problems(self) -> Iterator[Problem]:
        if self.name in self.start.searches:
            path = ("start", "searches", self.start.searches.index(self.name))
            yield Problem(path=path, text=f"{self.name!r} is the name of this search: name earlier ones")
        if self.start.optuna is not None:
            yield from self._study_problems(self.start.optuna)
        if self.evolution.toolbox is not None and self.algorithm.startswith("optuna:"):
            text = f"{self.algorithm} proposes by itself and takes no operators: leave this key out"
            yield Problem(path=("evolution", "toolbox"), text=text)
        rungs, said = self.early_stop.rungs, self.early_stop.model_fields_set
        if self.is_custom and rungs == "auto" and said and "rungs" not in said:
            text = "is required for a custom evaluator, whose steps only you know: a list of ascending numbers, or off"
            yield Problem(path=("early_stop", "rungs"), text=text)
        if not self.is_custom and isinstance(rungs, tuple) and rungs[-1] >= self.recipe.epochs:
            below = f"give numbers below recipe.epochs, {self.recipe.epochs}"
            text = f"a rung lies before the end of a training: {below}; got {show(rungs)}"
            yield Problem(path=("early_stop", "rungs"), text=text)

    def _study_problems(self, study: sections.StudySpec) -> Iterator[Problem]:
        if not self.is_custom:
            text = "values from elsewhere are outcomes of a custom evaluator alone: gasearch measures its own networks"
            yield Problem(path=("start", "optuna"), text=text)
            return
        limited = [found[1] for text in self.constraints if (found := re.match(r"\s*(\w+)", text))]
        wanted = dict.fromkeys([*self.objectives, *limited])
        if lacking := [metric for metric in wanted if metric not in study.values]:
            text = f"lacks {', '.join(lacking)}: at which place of a trial's values does each metric stand?"
            yield Problem(path=("start", "optuna", "values"), text=text)

    def metric_problems(self, kind: TaskKind | None) -> Iterator[Problem]:
        """Objectives and constraints that a task of that kind can't have; None for a kind that isn't known yet."""
        for metric in self.objectives:
            yield from self._unmeasured(metric, ("objectives", metric), kind)
            if self.is_custom and (spread := spread_of(metric)) in self.objectives:
                text = f"says how far {metric} may be off, so that it is no objective beside it; give it another name"
                yield Problem(path=("objectives", spread), text=text)
        limits: list[Limit] = []
        for number, text in enumerate(self.constraints):
            path = ("constraints", number)
            try:
                limit = parse_limit(text)
            except SpecError as error:
                yield Problem(path=path, text=str(error))
                continue
            yield from self._unmeasured(limit.metric, path, kind)
            for other in limits:
                if _exclude_each_other(limit, other):
                    yield Problem(path=path, text=f'no value meets both "{other}" and "{limit}"')
            limits.append(limit)

    def _unmeasured(self, metric: str, path: tuple[str | int, ...], kind: TaskKind | None) -> Iterator[Problem]:
        known = (*measured_metrics(kind), *(self.measure.metrics if self.measure is not None else ()))
        if self.is_custom:
            if not METRIC_NAME.fullmatch(metric):
                yield Problem(path=path, text=f"the name of a metric is {NAME_RULE}; got {show(metric)}")
            elif metric in RESERVED:
                text = f"no evaluator may return a metric named {metric!r}, which {RESERVED[metric]}"
                yield Problem(path=path, text=f"{text}; choose another name")
        elif metric not in known:
            hint = "" if metric in METRICS else nearest(metric, known)
            complaint = f"a {kind or 'search'} does not measure {metric!r}"
            yield Problem(path=path, text=advised(complaint, hint, f"it measures {', '.join(dict.fromkeys(known))}"))


def _exclude_each_other(one: Limit, other: Limit) -> bool:
    """True if no number keeps both limits."""
    if one.metric != other.metric or one.is_upper == other.is_upper:
        return False
    low, high = (other, one) if one.is_upper else (one, other)
    is_touching = low.bound == high.bound and low.operator == ">=" and high.operator == "<="
    return low.bound >= high.bound and not is_touching


#: Per section, the meaning of a spec without the key. A stored spec holds every key that its version knew: one that is
#: missing came later (all of these with version 0.3.0), and stands for what was done before, not for today's default.
BEFORE: Final[dict[str, dict[str, Any]]] = {
    "evolution": {"surrogate": False, "replicates": 0.0},
    "early_stop": {"rungs": "off"},
    "start": {"reuse": False},
    "workers": {"memory_limit": "off", "disk_limit": "off"},
}


def as_then(text: str) -> str:
    """The JSON of a stored spec with the keys that it lacks; a text that is no JSON object comes back as it is."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict):
        return text
    for section, values in BEFORE.items():
        held = content.setdefault(section, {})
        if isinstance(held, dict):
            content[section] = values | held
    recipe, space = content.get("recipe"), content.get("space")
    if isinstance(recipe, dict) and isinstance(space, dict) and space.get("family") == "custom":
        # before version 0.4.0 a custom evaluator's recipe could hold more, which nobody heeded
        defaults = sections.RecipeSpec().model_dump(mode="json")
        content["recipe"] = recipe | {
            key: value for key, value in defaults.items() if key not in fitting.EVALUATOR_KEYS
        }
    return json.dumps(content)
