"""Classification of sentences: one text and one label per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import At, name_classes, number_classes
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source
from gasearch_workers.data.tokens import cut_note, pad, sorted_words, split_sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """One part of a dataset, as it stands in its files."""

    texts: Sequence[str]
    labels: Sequence[str]  #: As many as there are texts.
    at: At  #: Where a text stands.


def make_sentence_source(
    name: str,
    parts: Parts[Sentences],
    options: DataOptions,
    *,
    names: dict[str, str] | None = None,
    missing: Sequence[str] = ("",),
) -> Source:
    """Cut sentences into tokens and number their labels.

    Args:
        name: Of the dataset.
        parts: Texts and labels; those of the training part are the classes.
        options: How many tokens and words are kept, and in what case.
        names: What the labels stand for, where they have other names.
        missing: What is no label.

    Raises:
        DataError: with file and line, if a text is empty or a label can't be used.
    """
    train = parts.train
    if options.kind not in (None, "classification"):
        raise DataError(f"{train.at(0)}: sentences with one label each serve classification; got kind {options.kind!r}")
    cut = parts.map(lambda part: (part, split_sentences(part.texts, part.at, is_lower=options.is_lower)))
    everything = [sentence for _, sentences in cut.given for sentence in sentences]
    length = min(options.length, max(len(sentence) for sentence in everything))
    words = sorted_words(everything, length=length)
    classes = name_classes(train.labels, train.at, missing=missing)
    numbers = {word: number for number, word in enumerate(words, start=1)}

    def split(pair: tuple[Sentences, list[list[str]]]) -> Split:
        part, sentences = pair
        x = raw_ids(sentences, numbers, length=length)
        return Split(x=x, y=number_classes(part.labels, classes, part.at))

    return Source(
        name=name,
        input_kind="tokens",
        parts=cut.map(split),
        outputs=len(classes),
        labels=tuple((names or {}).get(label, label) for label in classes),
        words=(words,),
        most_words=options.vocabulary,
        is_lower=options.is_lower,
        notes=cut_note(everything, length=length),
    )


def raw_ids(sentences: Sequence[Sequence[str]], numbers: dict[str, int], *, length: int) -> NDArray[np.int32]:
    """Word ids (count, length) by the alphabetical numbers of all words, from 1; 0 is padding."""
    rows = [[numbers[token] for token in sentence[:length]] for sentence in sentences]
    return pad(rows, length=length, filler=0).astype(np.int32)
