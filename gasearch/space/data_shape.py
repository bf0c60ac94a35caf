"""The form of the data that the networks of a space must fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from gasearch_workers.messages import NUMERIC_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class DataShape:
    """What a network takes and gives."""

    input_shape: tuple[int, ...]  #: Of one sample, see `gasearch_workers.messages.Blueprint.input_kind`.
    outputs: int  #: Classes, or tags per token; 1 for regression and rating.
    categories: tuple[int, ...] = ()  #: Number of codes per column of codes.
    is_regression: bool = False  #: Whether the output is a number in the target's unit, not logits.

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """The shape of data as `Dataset.describe` gives them."""
        return cls(
            input_shape=tuple(description["input_shape"]),
            outputs=description["outputs"],
            categories=tuple(description["categories"]),
            is_regression=description["kind"] in NUMERIC_KINDS,
        )
