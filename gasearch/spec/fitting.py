"""Problems of sections of a spec that don't fit each other, or the data where they are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from gasearch_workers.messages import NUMERIC_KINDS, InputKind, TaskKind
from gasearch_workers.network.families import FAMILIES, Family

from gasearch.spec.explain import Problem
from gasearch.spec.sections import EMBEDDED, RecipeSpec, TaskSpec
from gasearch.spec.target import MeasureSpec, TargetSpec

#: Samples of each kind, and one of them.
_NOUNS: Final[dict[InputKind, tuple[str, str]]] = {
    "image": ("images of (channels, height, width)", "an image"),
    "table": ("a table", "a row of a table"),
    "tokens": ("sentences", "a sentence"),
    "ids": ("ratings of items by users", "a user and an item"),
}

#: The keys of `task` that only some families read.
_TASK_KEYS: Final[dict[str, tuple[InputKind, ...]]] = {
    "text": ("tokens",),
    "length": ("tokens",),
    "vocabulary": ("tokens",),
    "lower": ("tokens",),
    "features": ("table",),
    "categorical": ("table",),
    "user": ("ids",),
    "item": ("ids",),
}

#: The keys of `recipe` that a custom evaluator, which trains by itself, gets: they are part of its budget.
EVALUATOR_KEYS: Final = ("epochs", "data_share")


def known_kind(family: str, task: TaskSpec) -> TaskKind | None:
    """The kind of the task by the spec alone; None where the data tell it."""
    if family == "custom" or task.kind is not None or task.evaluator is not None:
        return task.kind
    kinds = FAMILIES.get(family).tasks
    return kinds[0] if len(kinds) == 1 else EMBEDDED.get(str(task.dataset), (None,))[0]


def known_input(family: str, task: TaskSpec) -> InputKind | None:
    """The kind of a sample by the spec alone; None where the data tell it."""
    inputs = FAMILIES.get(family).inputs
    return inputs[0] if len(inputs) == 1 else EMBEDDED.get(str(task.dataset), (None, None))[1]


def custom_problems(recipe: RecipeSpec, target: TargetSpec, measure: MeasureSpec | None = None) -> Iterator[Problem]:
    """Keys that a custom evaluator never sees.

    Args:
        recipe: How networks are trained.
        target: What the device can compute.
        measure: The command that measures networks.
    """
    yield from training_problems("custom", recipe)
    heeded = " and ".join(EVALUATOR_KEYS)
    text = f"a custom evaluator trains by itself, and is told {heeded} alone: leave this key out"
    for key in recipe.changed_keys():
        if key not in EVALUATOR_KEYS:
            yield Problem(path=("recipe", key), text=text)
    if target.operators is not None:
        text = "what a custom evaluator's networks are made of only it knows: leave this key out"
        yield Problem(path=("target", "operators"), text=text)
    if measure is not None:
        text = "a custom evaluator measures by itself, and gives whatever it finds: leave this key out"
        yield Problem(path=("measure",), text=text)


def task_problems(family: str, task: TaskSpec) -> Iterator[Problem]:
    """Keys of the task that don't fit the family."""
    inputs = FAMILIES.get(family).inputs
    embedded = EMBEDDED.get(str(task.dataset))
    if embedded is not None and embedded[1] not in inputs:
        yield Problem(path=("task", "dataset"), text=_input_text(family, str(task.dataset), embedded[1]))
    elif task.kind is not None:
        yield from kind_problems(family, task.kind)
    for key in task.changed_keys():
        readers = _TASK_KEYS.get(key)
        if readers is not None and not set(readers) & set(inputs):
            yield Problem(path=("task", key), text=f"is for {_families_of(*readers)}; the family is {family}")


def kind_problems(family: str, kind: TaskKind) -> Iterator[Problem]:
    """The problem of a family that isn't for a kind of task."""
    tasks = FAMILIES.get(family).tasks
    if kind not in tasks:
        does, others = " and ".join(tasks), _families(lambda other: kind in other.tasks)
        text = f"family {family} does {does}; {kind} is for {others}"
        yield Problem(path=("task", "kind"), text=text)


def input_problems(family: str, data: Any) -> Iterator[Problem]:
    """The problem of a family that doesn't take the samples of data as `Dataset.describe` gives them."""
    if data["input_kind"] not in FAMILIES.get(family).inputs:
        yield Problem(path=("space", "family"), text=_input_text(family, data["name"], data["input_kind"]))


def recipe_problems(recipe: RecipeSpec, kind: TaskKind | None, input_kind: InputKind | None) -> Iterator[Problem]:
    """Keys of the recipe that a training can't heed on such data.

    Args:
        recipe: How networks are trained.
        kind: Of the task; None where it isn't known yet.
        input_kind: Of a sample; None where it isn't known yet.
    """
    if recipe.augment and input_kind not in ("image", None):
        text = f"only images are shifted and flipped, and a sample is {_NOUNS[input_kind][1]}: leave this key out"
        yield Problem(path=("recipe", "augment"), text=text)
    if kind in NUMERIC_KINDS:
        for key in recipe.changed_keys():
            if key in ("label_smoothing", "class_weights"):
                yield Problem(path=("recipe", key), text=f"a {kind} has no classes: leave this key out")


def training_problems(family: str, recipe: RecipeSpec) -> Iterator[Problem]:
    """Keys of the recipe that a family's networks can't be trained by."""
    if not (family in FAMILIES.own and FAMILIES.get(family).is_trained):
        if recipe.epochs < 1:
            yield Problem(path=("recipe", "epochs"), text="must be a whole number from 1 to 10,000; got 0")
        return
    if recipe.inherit:
        text = "every network begins with the trained weights, not with those of its parents: leave this key out"
        yield Problem(path=("recipe", "inherit"), text=text)
    if recipe.dropout:
        text = "the trained network has no layers of gasearch's to drop outputs of: leave this key out"
        yield Problem(path=("recipe", "dropout"), text=text)
    if recipe.epochs:
        return
    if recipe.tune is not None:
        text = "without epochs there is no training to tune: leave this key out, or give recipe.epochs"
        yield Problem(path=("recipe", "tune"), text=text)
    if recipe.distillation is not None:
        text = "without epochs nothing is learned from a teacher: leave this key out, or give recipe.epochs"
        yield Problem(path=("recipe", "distillation"), text=text)


def _input_text(family: str, name: str, found: InputKind) -> str:
    wanted = " or ".join(_NOUNS[kind][0] for kind in FAMILIES.get(family).inputs)
    return f"{family} needs {wanted}; {name} holds {_NOUNS[found][0]}, which is for {_families_of(found)}"


def _families_of(*inputs: InputKind) -> str:
    """The families that take any of these."""
    return _families(lambda family: not set(family.inputs).isdisjoint(inputs))


def _families(does_fit: Callable[[Family], bool]) -> str:
    found = (FAMILIES.get(name) for name in FAMILIES.names())
    names = [family.name for family in found if does_fit(family) and not family.is_trained]
    *others, last = names
    return f"families {', '.join(others)} and {last}" if others else f"family {last}"
