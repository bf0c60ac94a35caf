"""A dataset in memory: three splits that share no sample, and what its numbers stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.messages import InputKind, TaskKind


class DataError(ValueError):
    """Data that can't be used: one sentence that names the file and says what was expected and what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFormat:
    """The writing of a column's numbers: what is removed, then what its decimal mark is; parentheses are a minus."""

    decimal: str = "."
    removed: tuple[str, ...] = ()  #: Marks of thousands, unit, spaces.
    is_presumed: bool = False  #: Whether each point of the column may as well be a mark of thousands.

    def value(self, cell: str) -> float:
        """The number in a cell.

        Raises:
            ValueError: if there is none.
        """
        text = cell.strip()
        is_negative = text[:1] == "(" and text[-1:] == ")"
        text = text[1:-1] if is_negative else text
        for mark in self.removed:
            text = text.replace(mark, "")
        number = float(text.replace(self.decimal, ".").replace("\u2212", "-"))
        return -number if is_negative else number


PLAIN: Final = NumberFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Samples with what is to be told about them; the forms of `x` and `y` are those of `Description.input_kind`."""

    #: "image": (count, channels, height, width) uint8. "table": (count, features) float32, numeric columns first, then
    #: one column of category codes per categorical column. "tokens": (count, length) int32 word ids, or
    #: (count, length, features) with several codes per token; 0 is padding, at the end, and 1 unknown; word ids are in
    #: order of frequency. "ids": (count, 2) int32, user and item.
    x: NDArray[Any]
    #: (count,) int64 classes; (count,) float32 for regression and rating; (count, length) int64 tags, -1 at padding.
    y: NDArray[Any]
    #: A teacher's raw outputs for these samples, float32: (count, classes), (count, length, tags) or (count, 1). Only
    #: of a training split that is distilled from; no part of the fingerprint.
    teacher: NDArray[np.float32] | None = None
    #: Of tags: (count, longest - length) int16, those of the tokens that were cut off, -1 at padding; None without any.
    cut: NDArray[np.int16] | None = None

    @property
    def truth(self) -> NDArray[Any]:
        """All that is to be told, what stands behind the cut too: `y`, of tags (count, longest)."""
        return self.y if self.cut is None else np.concatenate([self.y, self.cut], axis=1)

    def chosen(self, samples: NDArray[Any]) -> Split:
        """Some of the samples, by a mask or by their numbers."""
        teacher, cut = (None if array is None else array[samples] for array in (self.teacher, self.cut))
        return Split(x=self.x[samples], y=self.y[samples], teacher=teacher, cut=cut)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """A trained network of the user's, whose bits alone are searched: every network begins with its weights."""

    network: str  #: Its blueprint at full precision, as `messages.network_to_json` writes it.
    #: The network takes (x - mean) / deviation of the raw samples: one number for images, one per column of a table.
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    #: Per step of its plan that has some: float32 weights of `Step.weight_shape`, normalization folded in.
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]  #: Likewise, (out,) each.


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The meaning of the numbers of samples and outputs, known before the data are split."""

    name: str
    kind: TaskKind
    input_kind: InputKind
    outputs: int  #: Classes or tags; 1 for regression and rating.
    labels: tuple[str, ...] = ()  #: Names of the classes or tags, in order of their numbers; () where they have none.
    tags: str | None = None  #: Of tagging: the scheme of `labels`, one of `gasearch_workers.data.options.SCHEMES`.
    columns: tuple[str, ...] = ()  #: Names of the features in the order of `x`; () where they have none.
    #: Of a table: what each numeric column was taken minus of, in float64, before it became float32; () without any.
    offsets: tuple[float, ...] = ()
    target_offset: float = 0.0  #: The same of a continuous target: a prediction plus this is in the source's unit.
    formats: tuple[NumberFormat, ...] = ()  #: Of a table from a text file: how each numeric column writes its numbers.
    missing: tuple[str, ...] = ()  #: Of such a table: the cells that hold no number.
    #: Of such a table: whether a column of categories is of true and false, or yes and no, in any case.
    is_boolean: tuple[bool, ...] = ()
    is_lower: bool | None = None  #: Whether the words of sentences are in lower case; None where there are none.
    notes: tuple[str, ...] = ()  #: What was changed or left out of the source, one sentence each.


#: What the store keeps about the data, in this order.
_STORED: Final = (
    *("name", "kind", "input_kind", "input_shape", "dtype", "classes", "outputs", "categories", "labels", "tags"),
    *("columns", "train", "validation", "test", "offsets", "target_offset", "target_mean", "target_deviation"),
    *("notes", "fingerprint"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Description):
    """Samples to train on (`train`), to select by (`validation`), and to report with, once (`test`)."""

    train: Split
    validation: Split
    test: Split
    categories: tuple[int, ...] = ()  #: Codes per categorical column, per feature of a token; users and items.
    vocabularies: tuple[tuple[str, ...], ...] = ()  #: For each of `categories`, what each code stands for.
    #: Of a table: the training split's mean of each numeric column, which is what a missing number counts as.
    missing_numbers: tuple[float, ...] = ()
    target_mean: float = 0.0  #: Of the training split, for regression and rating, minus the offset; else 0.
    target_deviation: float = 1.0  #: Of the training split, for regression and rating; else 1.
    fingerprint: str  #: 16 hexadecimal digits: hash of everything that the source holds, and of how it is read.
    pretrained: Pretrained | None = None  #: What networks on these data begin with; no part of the fingerprint.

    @property
    def classes(self) -> int:
        """Number of outputs: classes, tags, or 1."""
        return self.outputs

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.x.shape[1:])

    def describe(self) -> dict[str, object]:
        """A description for the store, of plain values; splits are their sizes."""
        found: dict[str, object] = {}
        for name in _STORED:
            value = str(self.train.x.dtype) if name == "dtype" else getattr(self, name)
            found[name] = len(value) if isinstance(value, Split) else list(value) if isinstance(value, tuple) else value
        if self.pretrained is not None:
            found["pretrained"] = self.pretrained.network
        return found | {"target_mean": self.target_mean + self.target_offset}
