"""Whether the sections of a spec fit each other, and the data where they are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from gasearch_workers.messages import NUMERIC_KINDS, InputKind, TaskKind
from gasearch_workers.network.families import FAMILIES, Family

from gasearch.spec.explain import Problem
from gasearch.spec.sections import EMBEDDED, RecipeSpec, TaskSpec

_INPUT_NOUNS: Final[dict[InputKind, str]] = {
    "image": "images of (channels, height, width)",
    "table": "a table",
    "tokens": "sentences",
    "ids": "ratings of items by users",
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

#: The keys of `recipe` that a custom evaluator, which trains by itself, is told: they are part of its budget.
TOLD_TO_EVALUATORS: Final = ("epochs", "data_share")


def told_kind(family: str, task: TaskSpec) -> TaskKind | None:
    """What the spec alone says that the task is; None where the data tell it."""
    if family == "custom" or task.kind is not None or task.evaluator is not None:
        return task.kind
    kinds = FAMILIES.get(family).tasks
    return kinds[0] if len(kinds) == 1 else EMBEDDED.get(str(task.dataset), (None,))[0]


def told_input(family: str, task: TaskSpec) -> InputKind | None:
    """What the spec alone says that a sample is; None where the data tell it."""
    inputs = FAMILIES.get(family).inputs
    return inputs[0] if len(inputs) == 1 else EMBEDDED.get(str(task.dataset), (None, None))[1]


def custom_problems(recipe: RecipeSpec) -> Iterator[Problem]:
    """What a custom evaluator never sees."""
    heeded = " and ".join(TOLD_TO_EVALUATORS)
    for key, field in RecipeSpec.model_fields.items():
        if key not in TOLD_TO_EVALUATORS and getattr(recipe, key) != field.default:
            text = f"a custom evaluator trains by itself, and is told {heeded} alone: leave this key out"
            yield Problem(path=("recipe", key), text=text)


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
    """Whether a family is for a kind of task."""
    tasks = FAMILIES.get(family).tasks
    if kind not in tasks:
        does, others = " and ".join(tasks), _families(lambda other: kind in other.tasks)
        text = f"family {family} does {does}; {kind} is for {others}"
        yield Problem(path=("task", "kind"), text=text)


def input_problems(family: str, data: Any) -> Iterator[Problem]:
    """Whether a family takes the samples of data as `Dataset.describe` gives them."""
    if data["input_kind"] not in FAMILIES.get(family).inputs:
        yield Problem(path=("space", "family"), text=_input_text(family, data["name"], data["input_kind"]))


def recipe_problems(recipe: RecipeSpec, kind: TaskKind | None, input_kind: InputKind | None) -> Iterator[Problem]:
    """What a training can't do with such data; None for what isn't known yet.

    Args:
        recipe: How networks are trained.
        kind: Of the task.
        input_kind: What a sample is.
    """
    if recipe.augment and input_kind not in ("image", None):
        text = f"only images are shifted and flipped, and a sample is {_SAMPLE_NOUNS[input_kind]}: leave this key out"
        yield Problem(path=("recipe", "augment"), text=text)
    if kind in NUMERIC_KINDS:
        for key in ("class_weights", "label_smoothing"):
            if getattr(recipe, key) != RecipeSpec.model_fields[key].default:
                yield Problem(path=("recipe", key), text=f"a {kind} has no classes: leave this key out")


_SAMPLE_NOUNS: Final[dict[InputKind, str]] = {
    "image": "an image",
    "table": "a row of a table",
    "tokens": "a sentence",
    "ids": "a user and an item",
}


def _input_text(family: str, name: str, found: InputKind) -> str:
    wanted = " or ".join(_INPUT_NOUNS[kind] for kind in FAMILIES.get(family).inputs)
    return f"{family} needs {wanted}; {name} holds {_INPUT_NOUNS[found]}, which is for {_families_of(found)}"


def _families_of(*inputs: InputKind) -> str:
    """The families that take any of these."""
    return _families(lambda family: not set(family.inputs).isdisjoint(inputs))


def _families(does_fit: Callable[[Family], bool]) -> str:
    names = [name for name in FAMILIES.names() if does_fit(FAMILIES.get(name))]
    return (
        f"{'family' if len(names) == 1 else 'families'} {', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]}"
    )
