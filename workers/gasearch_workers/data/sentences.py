"""Classification of sentences: one text and one label per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import At, name_classes, number_names
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.data.tokens import check_tokens, cut_note, pad, sorted_words, tokenize


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """One part of a dataset, as it stands in its files."""

    texts: Sequence[str]
    labels: Sequence[str]  #: As many as there are texts.
    at: At  #: Where a text stands.


def make_sentence_source(
    parts: Parts[Sentences],
    options: DataOptions,
    *,
    names: dict[str, str] | None = None,
    missing: Sequence[str] = ("",),
) -> Source:
    """Cut sentences into tokens and number their labels.

    Args:
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
    cut = parts.map(lambda part: _cut(part, is_lower=options.is_lower))
    everything = [sentence for part in cut.given for sentence in part]
    length = min(options.length, max(map(len, everything)))
    words = sorted_words(everything, length=length)
    classes = name_classes(train.labels, train.at, missing=missing)
    codes = {word: code for code, word in enumerate(words, start=1)}  # 0 is padding

    def split(part: Sentences, sentences: list[list[str]]) -> Split:
        x = pad(([codes[token] for token in one[:length]] for one in sentences), length=length, filler=0)
        return Split(x=x.astype(np.int32), y=number_names(part.labels, classes, part.at))

    return Source(
        name=parts.name,
        kind="classification",
        input_kind="tokens",
        parts=parts.refilled(map(split, parts.given, cut.given)),
        outputs=len(classes),
        labels=tuple((names or {}).get(label, label) for label in classes),
        words=(words,),
        most_words=options.vocabulary,
        is_lower=options.is_lower,
        notes=cut_note(everything, length=length),
    )


def _cut(part: Sentences, *, is_lower: bool) -> list[list[str]]:
    """The tokens of each sentence."""
    found = []
    for sample, text in enumerate(part.texts):
        found.append(tokenize(text, is_lower=is_lower))
        check_tokens(found[-1], part.at(sample))
    return found
