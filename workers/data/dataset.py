"""A dataset in memory: three splits that share no sample, and a fingerprint of the content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.messages import TaskKind


class DataError(ValueError):
    """Data that can't be used: one sentence that names the file and says what was expected and what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Samples with their labels."""

    x: NDArray[np.uint8] | NDArray[np.float32]  #: (count, channels, height, width) uint8, or (count, features) float32.
    y: NDArray[np.int64]  #: (count,), 0 .. classes - 1.

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What a network is trained on (`train`), selected by (`validation`), and reported with, once (`test`)."""

    name: str
    kind: TaskKind
    train: Split
    validation: Split
    test: Split
    classes: int
    fingerprint: str  #: 16 hexadecimal digits: hash of shape, type and content of everything that the source holds.

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.x.shape[1:])

    def describe(self) -> dict[str, object]:
        """What the store keeps about the data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "dtype": str(self.train.x.dtype),
            "classes": self.classes,
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
            "fingerprint": self.fingerprint,
        }
