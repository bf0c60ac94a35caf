"""The `task` section of a spec: what the networks are for, and how the data are to be read."""

from __future__ import annotations

from typing import Final, Literal, Self

from gasearch_workers.messages import InputKind, TaskKind
from pydantic import model_validator

from gasearch.spec import fields
from gasearch.spec.explain import Problem, problems_error
from gasearch.spec.fields import Section

DEFAULT_DATASET = "digits"
#: Of the tags of entities: those of `gasearch_workers.data.tags`, which loads NumPy.
TagScheme = Literal["bio", "bioes", "bilou", "bmes", "bmewo", "types"]
_COLUMN = "the name of a column"
_FILE = "the path of a file like the data set"

#: The embedded data sets: what they are for, and what a sample is.
EMBEDDED: Final[dict[str, tuple[TaskKind, InputKind]]] = {
    "digits": ("classification", "image"),
    "diabetes": ("regression", "table"),
}


class TaskSpec(Section):
    """What the networks are for: data, read as `data.options.DataOptions` says; or a custom evaluator."""

    dataset: str | None = fields.text(None, "the name of a data set, or the path of a file")
    download: bool = fields.flag(False)
    kind: TaskKind | None = fields.word(None)
    evaluator: str | None = fields.function()
    target: str | None = fields.text(None, _COLUMN)
    text: str | None = fields.text(None, _COLUMN)
    features: fields.Names = fields.names()
    categorical: fields.Names = fields.names()
    missing: fields.Names | None = fields.texts("a list of the cells that hold no value")
    decimal: Literal[".", ","] | None = fields.word(None)
    header: bool | None = fields.flag(None)
    channels: Literal["first", "last"] | None = fields.word(None)
    user: str | None = fields.text(None, _COLUMN)
    item: str | None = fields.text(None, _COLUMN)
    tags: TagScheme | None = fields.word(None)
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
            return {"dataset": DEFAULT_DATASET} | content
        return content

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.evaluator is None:
            return self
        text = "a custom evaluator brings its own data: leave this key out"
        surplus = [key for key in self.changed_keys() if key != "evaluator"]
        if surplus:
            raise problems_error([Problem(path=(key,), text=text) for key in surplus])
        return self

    def changed_keys(self) -> list[str]:
        """The keys whose values are not the defaults."""
        return [key for key, field in type(self).model_fields.items() if getattr(self, key) != field.default]
