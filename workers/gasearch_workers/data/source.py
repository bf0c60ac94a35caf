"""What a source holds once it is read and checked, before it is split and fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.number_format import NumberFormat
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.messages import InputKind, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Checked parts with what their numbers stand for.

    Codes and word ids in `x` are raw here: they number all of `words`, in alphabetical order. `data.fit` turns
    them into those of a `Dataset` by what the training split alone holds. A missing number is NaN.
    """

    name: str
    kind: TaskKind = "classification"
    input_kind: InputKind
    parts: Parts[Split]
    outputs: int
    labels: tuple[str, ...] = ()
    tags: str | None = None  #: The scheme of tags.
    columns: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()  #: What the codes in `x` stand for, one tuple per column of codes.
    #: Of a table: what each numeric column was taken minus of, in float64, before it became float32; () without any.
    offsets: tuple[float, ...] = ()
    target_offset: float = 0.0  #: The same of the target.
    formats: tuple[NumberFormat, ...] = ()  #: Of a table from a text file: how each numeric column writes its numbers.
    missing: tuple[str, ...] = ()  #: Of such a table: the cells that hold no number.
    is_boolean: tuple[bool, ...] = ()  #: Whether each of `words` is true and false, or yes and no, in any case.
    most_words: int = 0  #: Of a sentence's vocabulary; 0 for all.
    is_lower: bool | None = None  #: Whether the words of sentences are in lower case; None where there are none.
    notes: tuple[str, ...] = ()
    reading: tuple[
        str, ...
    ] = ()  #: What tells this reading of the arrays from that of versions before 0.4, if it does.

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


def refuse(options: DataOptions, names: Sequence[str], why: str) -> None:
    """Raise a DataError if one of the named options, which a source can't heed, is set."""
    for name in names:
        if getattr(options, name) not in (None, ()):
            raise DataError(f"{why}; got task.{name} = {getattr(options, name)!r}")
