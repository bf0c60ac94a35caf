"""The `recipe` section of a spec: how a network is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from gasearch_workers.messages import Fidelity, Optimizer, Precision, Recipe
from pydantic import AfterValidator, BeforeValidator, Field

from gasearch.spec import fields
from gasearch.spec.fields import Section

Augmentations = Annotated[
    tuple[Literal["shift", "flip"], ...],
    BeforeValidator(fields.as_list),
    AfterValidator(lambda words: fields.distinct(words) if words else words),
]


class DistillationSpec(Section):
    """What a network learns from besides the data: a larger one's outputs."""

    teacher: str = fields.text("largest", "largest, the folder of an exported network, or the path of an .onnx file")
    weight: float = Field(default=0.5, strict=True, ge=0, le=1, description="a number from 0 to 1")
    temperature: float = fields.positive(2.0, 100)


class RecipeSpec(Section):
    """How a network is trained; see `gasearch_workers.messages.Recipe`."""

    epochs: int = fields.whole(3, 1, 10_000)
    batch_size: int = fields.whole(128, 2, 65_536)
    accumulate: int = fields.whole(1, 1, 1024)
    optimizer: Optimizer = fields.word("adam")
    learning_rate: float = fields.positive(0.003, 10)
    schedule: Literal["cosine", "constant"] = fields.word("cosine")
    warmup: float = fields.share(0.0)
    weight_decay: float = fields.share(0.0)
    label_smoothing: float = fields.share(0.0)
    momentum: float = fields.share(0.9)
    dropout: float = fields.share(0.0)
    augment: Augmentations = Field(default=(), description="a list of shift, flip")
    class_weights: Literal["none", "balanced"] = fields.word("none")
    precision: Precision = fields.word("float32")
    patience: int = fields.whole(0, 0, 10_000)
    data_share: float = fields.positive(1.0, 1)
    distillation: DistillationSpec | None = Field(
        default=None, description="a mapping with teacher, weight and temperature"
    )
    full_range: bool = fields.flag(False)
    inherit: bool = fields.flag(False)

    def to_recipe(self) -> Recipe:
        """The training as a worker gets it."""
        content: dict[str, Any] = self.model_dump(exclude={"data_share", "distillation", "full_range", "inherit"})
        if self.distillation is not None:
            content |= {
                "teacher": self.distillation.teacher,
                "distill_weight": self.distillation.weight,
                "temperature": self.distillation.temperature,
            }
        return Recipe(is_full_range=self.full_range, is_inheriting=self.inherit, **content)

    def to_fidelity(self) -> Fidelity:
        """How much of the training an evaluation gets."""
        return Fidelity(epochs=self.epochs, data_share=self.data_share)
