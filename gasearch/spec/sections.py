"""The sections of a spec beside `space`: what for, how a network is trained, how it is searched, where it runs."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from gasearch_workers.machine.environment import is_name, is_secret
from gasearch_workers.messages import (
    Augmentation,
    Fidelity,
    InputKind,
    Optimizer,
    Precision,
    Recipe,
    Schedule,
    TaskKind,
)
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gasearch.errors import SpecError
from gasearch.objectives.units import parse_quantity
from gasearch.spec import fields
from gasearch.spec.explain import Problem, problems_error
from gasearch.spec.fields import Section

# --- task -------------------------------------------------------------------------------------------------------

#: The embedded data sets: what they are for, and what a sample is.
EMBEDDED: Final[dict[str, tuple[TaskKind, InputKind]]] = {
    "digits": ("classification", "image"),
    "diabetes": ("regression", "table"),
}
#: Of the tags of entities: those of `gasearch_workers.data.tags`, which loads NumPy.
TagScheme = Literal["bio", "bioes", "bilou", "bmes", "bmewo", "types"]
_COLUMN = "the name of a column"
_FILE = "the path of a file like the data set"


class TaskSpec(Section):
    """The task of the networks: data, read as `data.options.DataOptions` says; or a custom evaluator."""

    dataset: str | None = fields.text(None, "the name of a data set, or the path of a file")
    download: bool = fields.flag(False)
    kind: TaskKind | None = None
    evaluator: str | None = fields.function()
    target: str | None = fields.text(None, _COLUMN)
    text: str | None = fields.text(None, _COLUMN)
    features: fields.Names = ()
    categorical: fields.Names = ()
    missing: fields.Names | None = Field(
        default=None, max_length=1_000, description="a list of the cells that hold no value"
    )
    decimal: Literal[".", ","] | None = None
    header: bool | None = fields.flag(None)
    channels: Literal["first", "last"] | None = None
    user: str | None = fields.text(None, _COLUMN)
    item: str | None = fields.text(None, _COLUMN)
    tags: TagScheme | None = None
    length: int = fields.whole(64, 1, 4096)
    vocabulary: int = fields.whole(20_000, 1, 1_000_000)
    lower: bool = fields.flag(True)
    validation: str | None = fields.text(None, _FILE)
    test: str | None = fields.text(None, _FILE)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, content: object) -> object:
        """Without an evaluator it is on the embedded data set unless another is named."""
        if isinstance(content, dict) and "evaluator" not in content:
            return {"dataset": "digits"} | content
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        surplus = [key for key in self.changed_keys() if key != "evaluator"]
        if self.evaluator is not None and surplus:
            text = "a custom evaluator brings its own data: leave this key out"
            raise problems_error([Problem(path=(key,), text=text) for key in surplus])
        return self


# --- recipe -----------------------------------------------------------------------------------------------------


class DistillationSpec(Section):
    """The larger network from whose outputs a network learns, besides the data."""

    teacher: str = fields.text("largest", "largest, the folder of an exported network, or the path of an .onnx file")
    weight: float = Field(default=0.5, strict=True, ge=0, le=1, description="a number from 0 to 1")
    temperature: float = fields.positive(2.0, 100)


class TuneSpec(Section):
    """The tuning of the recipe on a few networks of the space, before a search begins."""

    trials: int = fields.whole(30, 2, 10_000)  #: Recipes, each tried on every one of these networks.


class RecipeSpec(Section):
    """The training of a network; see `gasearch_workers.messages.Recipe`."""

    epochs: int = fields.whole(3, 0, 10_000)  #: 0 only of a network that is trained already.
    batch_size: int = fields.whole(128, 2, 65_536)
    accumulate: int = fields.whole(1, 1, 1024)
    optimizer: Optimizer = "adam"
    learning_rate: float = fields.positive(0.003, 10)
    schedule: Schedule = "cosine"
    warmup: float = fields.share(0.0)
    weight_decay: float = fields.share(0.0)
    label_smoothing: float = fields.share(0.0)
    momentum: float = fields.share(0.9)
    dropout: float = fields.share(0.0)
    augment: Annotated[tuple[Augmentation, ...], BeforeValidator(fields.as_list), AfterValidator(fields.none_twice)] = (
        Field(default=(), description="a list of shift, flip")
    )
    class_weights: Literal["none", "balanced"] = "none"
    precision: Precision = "float32"
    patience: int = fields.whole(0, 0, 10_000)
    data_share: float = fields.positive(1.0, 1)
    distillation: DistillationSpec | None = Field(
        default=None, description="a mapping with teacher, weight and temperature"
    )
    full_range: bool = fields.flag(False)
    inherit: bool = fields.flag(False)
    tune: TuneSpec | None = Field(default=None, description="a mapping with trials")

    def to_recipe(self) -> Recipe:
        """The training as a worker gets it; as the spec has it, not as it was tuned."""
        others = {"data_share", "distillation", "full_range", "inherit", "tune"}
        content: dict[str, Any] = self.model_dump(exclude=others)
        if self.distillation is not None:
            content |= {
                "teacher": self.distillation.teacher,
                "distill_weight": self.distillation.weight,
                "temperature": self.distillation.temperature,
            }
        return Recipe(is_full_range=self.full_range, is_inheriting=self.inherit, **content)

    def to_fidelity(self) -> Fidelity:
        """The share of the training that an evaluation gets."""
        return Fidelity(epochs=self.epochs, data_share=self.data_share)


# --- evolution, early_stop, start, budget -----------------------------------------------------------------------

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"  #: What a search may be called.

Algorithm = Literal["nsga2", "nsga3", "aging", "random", "optuna:tpe", "optuna:nsga2", "optuna:gp"]

MANY_OBJECTIVES = 4  #: From so many on most networks don't dominate each other, and crowding says little: NSGA-III.
DEFAULT_REPLICATES = 0.1
MAX_DESIGNS, MAX_SEARCHES, MAX_RUNGS = 1000, 100, 16

#: The algorithms whose children a surrogate can rank: the others propose by themselves.
RANKED: frozenset[Algorithm] = frozenset({"nsga2", "nsga3", "aging"})


class EvolutionSpec(Section):
    """The way in which new networks are proposed."""

    algorithm: Literal["auto"] | Algorithm = "auto"
    mode: Literal["steady-state", "generational"] = "steady-state"
    population: int = fields.whole(24, 4, 100_000)
    #: Whether a model of the objectives ranks many children; "full": whatever that takes, however short trainings are.
    surrogate: Annotated[bool, Field(strict=True)] | Literal["full"] = Field(
        default=True, description="true, false or full"
    )
    replicates: float | None = fields.share(None)  #: Of the evaluations, for further trainings of front members.
    toolbox: str | None = fields.function()  #: Installed `configure(toolbox, space)`, which changes a DEAP toolbox.

    def algorithm_for(self, objectives: int) -> Algorithm:
        """The algorithm, where "auto" takes one by the number of objectives."""
        if self.algorithm == "auto":
            return "nsga3" if objectives >= MANY_OBJECTIVES else "nsga2"
        return self.algorithm


def _rungs(value: object) -> object:
    if value in ("auto", "off"):
        return value
    if value is False:
        return "off"
    rungs = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(rungs) <= MAX_RUNGS or not all(fields.is_number(rung) and 0 < rung <= 1e9 for rung in rungs):
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


def default_rungs(epochs: int) -> tuple[float, ...]:
    """A ninth and a third of a training; whole epochs, at which a score is taken anyway, where that is one or more."""
    if not epochs:
        return ()
    return tuple(float(round(step)) if step >= 1 else step for step in (epochs / 9, epochs / 3))


def _design(value: object) -> object:
    """A copy as JSON holds it, so that a spec equals the one that its JSON makes."""
    if not isinstance(value, dict):
        raise fields.not_allowed()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("a design holds texts, finite numbers, true, false, lists and mappings") from None


MAX_METRICS = 64


class StudySpec(Section):
    """A study of Optuna whose finished trials are known outcomes of a custom search."""

    url: str = fields.text(..., "the URL of a storage of Optuna, such as sqlite:///study.db")
    study: str = fields.text(..., "the name of a study in it")
    values: dict[Annotated[str, Field(strict=True)], Annotated[int, Field(strict=True, ge=0, lt=MAX_METRICS)]] = Field(
        min_length=1,
        max_length=MAX_METRICS,
        description="a mapping of metrics to the places of a trial's values, from 0: {error: 0, cost: 1}",
    )


class StartSpec(Section):
    """The beginning of a search, besides chance."""

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
        AfterValidator(fields.none_twice),
    ] = Field(
        default=(), max_length=MAX_SEARCHES, description=f"a list of up to {MAX_SEARCHES} names of earlier searches"
    )  #: Whose fronts are evaluated first.
    reuse: bool | None = fields.flag(None)  #: Whether outcomes of equal evaluations are taken over.
    optuna: StudySpec | None = None  #: Whose finished trials are outcomes from the start.


class BudgetSpec(Section):
    """When the search ends: with whichever comes first."""

    evaluations: int = fields.whole(200, 1, 10_000_000)
    hours: float | None = fields.positive(None, 100_000)  #: Of wall time.
    device_hours: float | None = fields.positive(None, 10_000_000)  #: Summed over the workers, while they are busy.
    stalled: int | None = fields.whole(None, 10, 10_000_000)  #: Evaluations without a growing hypervolume.
    gain_per_device_hour: float | None = fields.positive(None, 100)  #: Least expected growth, a share of the volume.


# --- workers ----------------------------------------------------------------------------------------------------

LEAST_MEMORY: Final = 100 * 10**6  #: Bytes; a Python with NumPy takes half of it.
LEAST_DISK: Final = 10**6
MOST_BYTES: Final = 10**15


def _size(lowest: int, *words: str) -> BeforeValidator:
    """One of the words, or a size as bytes."""

    def as_bytes(value: object) -> object:
        if value in words:
            return value
        try:
            size = parse_quantity(value, metric="model_bytes") if isinstance(value, str) else value
        except SpecError as error:
            raise fields.not_allowed() from error
        if not fields.is_number(size) or not lowest <= size <= MOST_BYTES:
            raise fields.not_allowed()
        return round(size)

    return BeforeValidator(as_bytes)


def _variable(name: str) -> str:
    if not is_name(name):
        raise ValueError("the name of an environment variable is letters, digits and _ that begin with no digit")
    if is_secret(name):
        raise ValueError("settings of gasearch, of Ray and of the database are never passed on to an evaluation")
    return name


class WorkersSpec(Section):
    """The places where evaluations run, and what each may take there."""

    count: Annotated[int, Field(strict=True, ge=0, le=1024)] | Literal["auto"] = Field(
        default="auto", description="auto or a whole number from 0 (in the controller's own process) to 1,024"
    )
    cpus: float = Field(default=1, strict=True, ge=0, le=1024, description="a number from 0 to 1,024")  #: Per worker.
    gpus: Annotated[float, Field(strict=True, ge=0, le=64)] | Literal["auto"] = Field(
        default="auto", description="auto (a quarter of one, where there is one) or a number from 0 to 64"
    )  #: Per worker; a fraction lets workers share one.
    address: str | None = fields.text(None, "the address of a Ray cluster")
    time_limit_s: float | None = fields.positive(None, 1_000_000)  #: Wall seconds of one evaluation.
    memory_limit: Annotated[int | Literal["auto", "off"], _size(LEAST_MEMORY, "auto", "off")] = Field(
        default="auto",
        description="auto (an equal share of 90 % of the node's memory), off, "
        "or a size from 100 MB to 1 PB, such as 4 GB",
    )  #: Of an evaluation and all that it starts.
    disk_limit: Annotated[int | Literal["off"], _size(LEAST_DISK, "off")] = Field(
        default=10**9, description="off, or a size from 1 MB to 1 PB, such as 1 GB"
    )  #: Of a file that an evaluator writes, and of its temporary folder.
    environment: Annotated[
        tuple[Annotated[str, Field(strict=True), AfterValidator(_variable)], ...], BeforeValidator(fields.as_list)
    ] = Field(
        default=(), max_length=100, description="a list of names of environment variables"
    )  #: That evaluations see besides those that hold no secret.

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit, where it is a number."""
        return self.memory_limit if isinstance(self.memory_limit, int) else None

    @property
    def disk_limit_bytes(self) -> int | None:
        """The disk limit, where there is one."""
        return self.disk_limit if isinstance(self.disk_limit, int) else None
