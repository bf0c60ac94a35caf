"""The content of a source once it is read and checked, before it is split and fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from gasearch_workers.data.dataset import Description, Split

Part = TypeVar("Part")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Parts(Generic[Part]):
    """The parts of a dataset as its source gives them; what is None is to be held out of the training part."""

    name: str  #: Of the dataset.
    train: Part
    validation: Part | None = None
    test: Part | None = None

    @property
    def named(self) -> tuple[tuple[str, Part], ...]:
        """The parts that there are, each with its name, the training part first."""
        every = (("train", self.train), ("validation", self.validation), ("test", self.test))
        return tuple((name, part) for name, part in every if part is not None)

    @property
    def given(self) -> tuple[Part, ...]:
        """The parts that there are, the training part first."""
        return tuple(part for _, part in self.named)

    def map(self, change: Callable[[Part], Other]) -> Parts[Other]:
        """The same of every part that there is."""
        return self.refilled(map(change, self.given))

    def refilled(self, values: Iterable[Other]) -> Parts[Other]:
        """Other values in place of the parts that there are, in their order."""
        found = {name: value for (name, _), value in zip(self.named, values, strict=True)}
        return Parts(self.name, found["train"], found.get("validation"), found.get("test"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Description):
    """Checked parts with what their numbers stand for.

    Codes and word ids in `x` are raw here: they number all of `words`, in alphabetical order. `data.fit` turns
    them into those of a `Dataset` by what the training split alone holds. A missing number is NaN.
    """

    parts: Parts[Split]
    words: tuple[tuple[str, ...], ...] = ()  #: What the codes in `x` stand for, one tuple per column of codes.
    most_words: int = 0  #: Of a sentence's vocabulary; 0 for all.
    #: What tells this reading of the arrays from that of versions before 0.4, if it does.
    reading: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """16 hexadecimal digits over shape, type and bytes of every array, and over every name; formats play no part.

        A plain classification of arrays hashes its arrays alone.
        """
        digest = hashlib.blake2b(digest_size=8)
        for split in (self.parts.train, self.parts.test, self.parts.validation):
            for array in () if split is None else (split.x, split.y, *(() if split.cut is None else (split.cut,))):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        for text in self._texts():
            digest.update(f"{len(text)}:{text}".encode())
        return digest.hexdigest()

    def _texts(self) -> Iterator[str]:
        if self.parts.validation is not None:
            yield "validation"
        if self.kind != "classification":
            yield self.kind
        if self.most_words:
            yield f"most words {self.most_words}"
        if any(self.offsets) or self.target_offset:
            yield f"minus {self.offsets} and {self.target_offset}"
        yield from self.reading
        for names in (self.labels, self.columns, *self.words):
            yield from (f"{len(names)} names", *names) if names else ()
