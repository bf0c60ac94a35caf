"""Training recipes as points of a space: the next one to try, by Optuna, and what mattered in those that were tried."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from gasearch_workers.messages import NUMERIC_KINDS, Augmentation, InputKind, Optimizer, Recipe, Schedule, TaskKind

from gasearch.evolution.rng import derive

if TYPE_CHECKING:  # Optuna takes most of a second to import, and only tuning needs it
    import optuna

BATCH_SIZES: Final = (16, 32, 64, 128, 256)
AUGMENTATIONS: Final[tuple[Augmentation, ...]] = get_args(Augmentation)
_CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "batch_size": BATCH_SIZES,
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
}
_AUGMENT: Final = "augment_"  #: Begins the name of the parameter that switches an augmentation on.

#: Least and most of what is tuned as a number.
RANGES: Final[dict[str, tuple[float, float]]] = {
    "learning_rate": (1e-4, 1e-1),
    "warmup": (0.0, 0.3),
    "dropout": (0.0, 0.5),
    "weight_decay": (0.0, 0.1),
    "label_smoothing": (0.0, 0.2),
    "temperature": (1.0, 10.0),
}
_BY_LOGARITHM: Final = ("learning_rate", "temperature")

LEAST_TRIALS: Final = 15  #: Finished ones, from which on anything is said of importances;
_GOOD: Final = 5  #: so many of them, or a tenth, are the good ones (Optuna's advice on PED-ANOVA).


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A recipe and what came of it."""

    recipe: Recipe
    loss: float | None  #: Less is better; None where it failed.


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpace:
    """What of a recipe is tuned: only what a training on these data heeds."""

    augments: bool  #: Of images.
    has_classes: bool
    is_distilled: bool

    @classmethod
    def of(cls, recipe: Recipe, kind: TaskKind, input_kind: InputKind) -> Self:
        """The space around a recipe.

        Args:
            recipe: The search's own.
            kind: Of the task.
            input_kind: Of a sample.
        """
        has_classes = kind not in NUMERIC_KINDS
        return cls(
            augments=input_kind == "image",
            has_classes=has_classes,
            is_distilled=has_classes and recipe.teacher is not None,
        )

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """Of each tuned parameter; the sampler draws in this order."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        numbers = {
            name: FloatDistribution(*ends, log=name in _BY_LOGARITHM)
            for name, ends in RANGES.items()
            if (name != "label_smoothing" or self.has_classes) and (name != "temperature" or self.is_distilled)
        }
        choices = {name: CategoricalDistribution(options) for name, options in _CHOICES.items()}
        switches = {
            f"{_AUGMENT}{name}": CategoricalDistribution((False, True)) for name in AUGMENTATIONS if self.augments
        }
        return {"learning_rate": numbers.pop("learning_rate")} | choices | numbers | switches

    def point(self, recipe: Recipe) -> dict[str, Any]:
        """The recipe as a point of the space: values outside it move to the nearest one inside."""
        found: dict[str, Any] = {}
        for name in self.distributions():
            if name.startswith(_AUGMENT):
                found[name] = name.removeprefix(_AUGMENT) in recipe.augment
            elif name == "batch_size":
                found[name] = min(BATCH_SIZES, key=lambda size: abs(size - recipe.batch_size))
            elif name in RANGES:
                least, most = RANGES[name]
                found[name] = min(max(getattr(recipe, name), least), most)
            else:
                found[name] = getattr(recipe, name)
        return found

    def recipe(self, own: Recipe, point: Mapping[str, Any]) -> Recipe:
        """The recipe at a point; what isn't tuned is as in the own one."""
        changes = {name: value for name, value in point.items() if not name.startswith(_AUGMENT)}
        if self.augments:
            changes["augment"] = tuple(name for name in AUGMENTATIONS if point[f"{_AUGMENT}{name}"])
        return dataclasses.replace(own, **changes)


def propose(
    space: RecipeSpace,
    own: Recipe,
    *,
    tried: Sequence[Tried],
    pending: Sequence[Recipe] = (),
    seed: int,
    number: int,
    below: float = math.inf,
) -> Recipe:
    """The next recipe to try, by a tree-structured Parzen estimator (Bergstra et al. 2011).

    A function of its arguments alone: a tuning that was interrupted goes on from what is stored.

    Args:
        space: What is tuned.
        own: What holds where nothing is tuned.
        tried: What has ended.
        pending: What is under way: it keeps away from these.
        seed: Of the search.
        number: Of the trial.
        below: Only batch sizes below it, where the space has any: more samples at a time don't fit the memory.
    """
    import optuna

    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=int(derive(seed, number, "recipe").random() * 2**32))
        study = optuna.create_study(direction="minimize", sampler=sampler)
        distributions = space.distributions()
        for one in tried:
            study.add_trial(_frozen(space, one, distributions))
        for recipe in pending:
            point, running = space.point(recipe), optuna.trial.TrialState.RUNNING
            study.add_trial(optuna.trial.create_trial(state=running, params=point, distributions=distributions))
        while True:
            trial = study.ask(distributions)
            if trial.params["batch_size"] < below or min(BATCH_SIZES) >= below:
                return space.recipe(own, trial.params)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)


def importances(space: RecipeSpace, tried: Sequence[Tried]) -> dict[str, float] | None:
    """How much each tuned parameter mattered for being among the best, as shares of 1, the greatest first.

    By PED-ANOVA (Watanabe et al. 2023). None where too few recipes have ended, or so many of them as the worst one that
    the best can't be told from the others: they would all be good, and each parameter matter the same.
    """
    import optuna

    done = [one for one in tried if one.loss is not None]
    losses = sorted(one.loss for one in done if one.loss is not None)
    if len(losses) < LEAST_TRIALS or losses[max(_GOOD, math.ceil(len(losses) / 10)) - 1] == losses[-1]:
        return None
    with _quiet():
        study = optuna.create_study(direction="minimize")
        distributions = space.distributions()
        for one in done:
            study.add_trial(_frozen(space, one, distributions))
        share = max(0.1, _GOOD / len(done))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)  # takes low as good
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return found if all(map(math.isfinite, found.values())) else None


def mean_ranks(losses: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Of each recipe the mean of its ranks, 1 for the best, equal ones sharing theirs; None where it failed anywhere.

    Args:
        losses: Of each recipe, that on each of the same networks.
    """
    whole = [row for row in losses if None not in row]

    def rank(place: int, loss: float) -> float:
        others = [row[place] for row in whole]
        return sum(other < loss for other in others if other is not None) + (others.count(loss) + 1) / 2

    found: list[float | None] = []
    for row in losses:
        known = [loss for loss in row if loss is not None]
        is_whole = len(known) == len(row)
        found.append(sum(map(rank, range(len(row)), known)) / len(row) if is_whole else None)
    return found


def _frozen(
    space: RecipeSpace, one: Tried, distributions: dict[str, optuna.distributions.BaseDistribution]
) -> optuna.trial.FrozenTrial:
    import optuna

    state = optuna.trial.TrialState.COMPLETE if one.loss is not None else optuna.trial.TrialState.FAIL
    return optuna.trial.create_trial(
        state=state, params=space.point(one.recipe), distributions=distributions, value=one.loss
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Optuna neither log nor warn."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
