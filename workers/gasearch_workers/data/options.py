"""The way in which a dataset is to be read: what a spec's `task` section may say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gasearch_workers.data.dataset import DataError
from gasearch_workers.messages import TaskKind

#: The options that name columns, or say how these are read.
COLUMNS = ("target", "text", "features", "categorical", "user", "item", "missing", "decimal", "header")
#: The options that name files.
FILES = ("validation", "test")
#: How tags may spell entities, see `gasearch_workers.data.tags`.
SCHEMES = ("bio", "bioes", "bilou", "bmes", "bmewo", "types")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Everything is told from the data where it is left out and can be told."""

    kind: TaskKind | None = None
    target: str | None = None  #: The column to predict: of labels, numbers or ratings.
    text: str | None = None  #: The column of sentences.
    features: tuple[str, ...] = ()  #: The columns of a table to learn from; () for all but the target.
    categorical: tuple[str, ...] = ()  #: Columns of a table whose numbers are names, not amounts.
    #: Cells of a table that hold no value, beside empty ones; None: the usual ones.
    missing: tuple[str, ...] | None = None
    decimal: str | None = None  #: The decimal mark of numbers in text files, "." or ",".
    header: bool | None = None  #: Whether the first row of a text file names the columns.
    channels: str | None = None  #: Which axis of images behind the samples is that of channels, "first" or "last".
    user: str | None = None  #: The column of users, for ratings.
    item: str | None = None  #: The column of items, for ratings.
    tags: str | None = None  #: The scheme of tags, one of `SCHEMES`.
    length: int = 64  #: Tokens kept of a sentence, at least 1; the rest is cut off.
    vocabulary: int = 20_000  #: Most frequent words kept, at least 1; the rest are one unknown word.
    is_lower: bool = True  #: Whether words are written in lower case before they are counted.
    validation: str | None = None  #: A file like the source, for validation; else a part of the training file.
    test: str | None = None  #: A file like the source, for the test; else a part of the training file.

    def __post_init__(self) -> None:
        """Check the numbers and words.

        Raises:
            ValueError: if a number is below 1, or a word none of those that are known.
        """
        for name in ("length", "vocabulary"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name, words in (("decimal", (".", ",")), ("channels", ("first", "last")), ("tags", SCHEMES)):
            if getattr(self, name) not in (None, *words):
                raise ValueError(f"{name} must be one of {', '.join(words)}; got {getattr(self, name)!r}")

    @property
    def named_columns(self) -> dict[str, str]:
        """Every column that is named, with the option that names it."""
        found = {column: option for option in ("features", "categorical") for column in getattr(self, option)}
        single = {getattr(self, option): option for option in ("target", "text", "user", "item")}
        return found | {column: option for column, option in single.items() if column is not None}

    def refuse(self, names: Sequence[str], why: str) -> None:
        """Refuse options that a source can't heed.

        Raises:
            DataError: if one of these is set.
        """
        for name in names:
            if getattr(self, name) not in (None, ()):
                raise DataError(f"{why}; got task.{name} = {getattr(self, name)!r}")


DEFAULTS = DataOptions()
