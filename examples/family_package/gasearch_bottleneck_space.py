"""The `space` section of a spec that asks for the family: only the controller imports it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gasearch.spec import fields
from gasearch.spec.spaces import LayeredSpace


class BottleneckSpace(LayeredSpace):
    """Inverted bottlenecks on images, then a dense head over their averages."""

    family: Literal["bottlenecks"]
    layers: fields.LayerRangeFromOne
    kernel: fields.Kernels = (3,)
    expansion: Annotated[tuple[Literal[1, 2, 4, 6], ...], BeforeValidator(fields.as_list)] = Field(
        default=(2, 4), description="a list of 1, 2, 4, 6"
    )
