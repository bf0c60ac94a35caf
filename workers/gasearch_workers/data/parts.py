"""The parts of a dataset as its source gives them: one for training, perhaps others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Part = TypeVar("Part")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Parts(Generic[Part]):
    """What is None is to be held out of the training part."""

    train: Part
    validation: Part | None = None
    test: Part | None = None

    @property
    def given(self) -> tuple[Part, ...]:
        """The parts that there are, the training part first."""
        return tuple(part for part in (self.train, self.validation, self.test) if part is not None)

    def map(self, change: Callable[[Part], Other]) -> Parts[Other]:
        """The same of every part that there is."""
        return Parts(
            change(self.train),
            None if self.validation is None else change(self.validation),
            None if self.test is None else change(self.test),
        )
