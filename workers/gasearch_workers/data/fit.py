"""Parts learned from the training split alone: vocabularies, categories, and means for missing numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Split
from gasearch_workers.data.source import Source
from gasearch_workers.data.tokens import SHAPES, SPECIAL, UNKNOWN

MISSING = "<missing>"  #: What the code 0 of a category stands for: an empty cell, or one that training never saw.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The splits with their final codes, and what these stand for."""

    splits: tuple[Split, ...]  #: In the order given, the training split first.
    vocabularies: tuple[tuple[str, ...], ...] = ()
    missing_numbers: tuple[float, ...] = ()  #: What a missing number counts as, for each numeric column of a table.


def fit(source: Source, splits: tuple[Split, ...]) -> Fitted:
    """Turn the raw codes of a source's splits, the training split first, into those of a dataset."""
    match source.input_kind:
        case "tokens":
            return _fit_tokens(source, splits)
        case "table":
            return _fit_table(source, splits)
        case "ids":
            return Fitted(splits=splits, vocabularies=source.words)
        case "image":
            return Fitted(splits=splits)


def _fit_tokens(source: Source, splits: tuple[Split, ...]) -> Fitted:
    """Words by falling frequency in the training split, then alphabet; a word that it lacks is unknown."""
    words, has_shapes = source.words[0], splits[0].x.ndim == 3
    ids = splits[0].x[..., 0] if has_shapes else splits[0].x
    counts = np.bincount(ids.reshape(-1), minlength=len(words) + 1)[1:]  # Raw ids are 0 for padding, else 1 + word.
    order = np.argsort(-counts, kind="stable")  # (words,), most frequent first
    kept = order[: min(int((counts > 0).sum()), source.most_words or len(words))]
    codes = np.full(len(words) + 1, SPECIAL.index(UNKNOWN), dtype=np.int32)
    codes[0] = 0
    codes[kept + 1] = len(SPECIAL) + np.arange(len(kept), dtype=np.int32)

    def recoded(x: NDArray[Any]) -> NDArray[Any]:
        return np.stack((codes[x[..., 0]], x[..., 1]), axis=-1) if has_shapes else codes[x]

    vocabulary = (*SPECIAL, *(words[number] for number in kept))
    return Fitted(
        splits=tuple(replace(split, x=recoded(split.x)) for split in splits),
        vocabularies=(vocabulary, SHAPES) if has_shapes else (vocabulary,),
    )


def _fit_table(source: Source, splits: tuple[Split, ...]) -> Fitted:
    """Missing numbers become the training split's mean; categories that it lacks become "missing"."""
    numeric = splits[0].x.shape[1] - len(source.words)
    tables = [split.x.copy() if source.words or np.isnan(split.x).any() else split.x for split in splits]
    means = tuple(_mean(tables[0][:, column]) for column in range(numeric))
    for table in tables:
        for column, mean in enumerate(means):
            if (is_missing := np.isnan(table[:, column])).any():
                table[is_missing, column] = mean
    vocabularies = []
    for column, words in enumerate(source.words, start=numeric):
        kept = [int(code) for code in np.unique(tables[0][:, column]) if code > 0]  # Raw codes: 0 missing, 1 + word.
        codes = np.zeros(len(words) + 1, dtype=np.float32)
        codes[kept] = np.arange(1, len(kept) + 1)
        for table in tables:
            table[:, column] = codes[table[:, column].astype(np.int64)]
        vocabularies.append((MISSING, *(words[code - 1] for code in kept)))
    return Fitted(
        splits=tuple(replace(split, x=table) for table, split in zip(tables, splits, strict=True)),
        vocabularies=tuple(vocabularies),
        missing_numbers=means,
    )


def _mean(column: NDArray[Any]) -> float:
    """Of the numbers that are there, rounded to float32; 0 where there are none."""
    present = column[~np.isnan(column)]
    return float(np.float32(present.mean(dtype=np.float64))) if len(present) else 0.0
