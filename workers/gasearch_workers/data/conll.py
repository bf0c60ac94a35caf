"""Tagged sentences in CoNLL columns: one token a line, its tag in the last column, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.files import plain_suffix, read_lines
from gasearch_workers.data.labels import number_names, sort_names
from gasearch_workers.data.options import COLUMNS, DataOptions
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.data.tags import TYPES, Tag, UnknownTags, entities, read_tags, scheme_of, sort_tags
from gasearch_workers.data.tokens import SHAPES, check_tokens, cut_note, pad, shape_of, sorted_words

SUFFIXES = (".conll", ".iob", ".bio")
_PLAIN = re.compile("O|[BIES]-.+")  #: Tags that versions before 0.4 read as the entities that they spell.
BYTE_ORDER_MARK = "\ufeff"
DOCUMENT = "-DOCSTART-"  #: The token of CoNLL-2003 that begins a document and is part of no sentence.


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """One part of a dataset: sentences of at least one token, each with as many tags and places as tokens."""

    tokens: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]
    places: tuple[tuple[str, ...], ...]  #: "file:line" of each token.


def is_conll(path: Path) -> bool:
    """Tell by its name whether a path is a file of tagged sentences."""
    return plain_suffix(path) in SUFFIXES


def read_conll(path: Path) -> Tagged:
    """The sentences of one file.

    Columns are separated by tabs, or by other white space in a line without a tab. Byte-order marks may stand anywhere.

    Raises:
        DataError: with file and line, if a line has no tag, or another number of columns than the first.
    """
    sentences: list[list[tuple[str, str, str]]] = [[]]
    width = 0
    for number, raw in enumerate(read_lines(path), start=1):
        line, where = raw.replace(BYTE_ORDER_MARK, ""), f"{path}:{number}"
        if not line.strip():
            sentences.append([])
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        width = width or len(cells)
        if len(cells) < 2:
            raise DataError(
                f"{where}: expected a token and its tag, separated by a tab or blanks; got {cells[0][:80]!r}"
            )
        if len(cells) != width:
            raise DataError(f"{where}: expected {width} columns as in the first line; got {len(cells)}")
        if not cells[0] or not cells[-1]:
            raise DataError(f"{where}: expected a token and its tag; the {'tag' if cells[0] else 'token'} is empty")
        check_tokens(cells[:1], where)
        if cells[0] != DOCUMENT:
            sentences[-1].append((cells[0], cells[-1], where))
    kept = [tuple(zip(*sentence, strict=True)) for sentence in sentences if sentence]
    if not kept:
        raise DataError(f"{path}: expected lines of a token and its tag; the file holds none")
    tokens, tags, places = zip(*kept, strict=True)
    return Tagged(tokens=tokens, tags=tags, places=places)


def read_tagged(paths: Parts[Path], options: DataOptions) -> Source:
    """The tagged sentences of one file or of one per part.

    Raises:
        DataError: with file and line, if a file can't be used.
    """
    options.refuse(COLUMNS, f"{paths.train}: the first column is the token, the last its tag")
    return make_tagging_source(paths.map(read_conll), options)


def make_tagging_source(parts: Parts[Tagged], options: DataOptions) -> Source:
    """Number tokens, their shapes, and their tags, which are those of the training part.

    Raises:
        DataError: with file and line, if a part holds a tag that the training part lacks.
    """
    where = parts.train.places[0][0]
    if options.kind not in (None, "tagging"):
        raise DataError(f"{where}: sentences with one tag per token serve tagging; got {options.kind!r}")
    scheme, tags = _tags(parts.train, options.tags)
    if len(tags) < 2:
        raise DataError(f"{where}: expected at least 2 different tags; got {tags[0]!r} for every token")
    everything = [sentence for part in parts.given for sentence in part.tokens]
    longest = max(map(len, everything))
    length = min(options.length, longest)
    words = sorted_words(([_cased(token, options) for token in one] for one in everything), length=length)
    codes = {word: code for code, word in enumerate(words, start=1)}  # 0 is padding

    def split(part: Tagged) -> Split:
        ids = pad(
            ([codes[_cased(token, options)] for token in one[:length]] for one in part.tokens), length=length, filler=0
        )
        shapes = pad((list(map(shape_of, one[:length])) for one in part.tokens), length=length, filler=0)
        y = _numbers(part, tags, length=longest)
        return Split(
            x=np.stack((ids, shapes), axis=-1).astype(np.int32),  # 2 x (count, length) -> (count, length, 2)
            y=np.ascontiguousarray(y[:, :length]),
            cut=y[:, length:].astype(np.int16) if longest > length else None,
        )

    splits = parts.map(split)
    notes = _cut_note(everything, splits, read_tags(tags, scheme), length=length)
    if scheme == TYPES and options.tags is None:  # nothing but the tags' names says it
        notes += (
            f"no tag has a role such as B- or I-: each is a type, and a run of one is one entity (task.tags: {TYPES})",
        )
    return Source(
        name=parts.name,
        kind="tagging",
        input_kind="tokens",
        parts=splits,
        outputs=len(tags),
        labels=tags,
        tags=scheme,
        words=(words, SHAPES),
        most_words=options.vocabulary,
        is_lower=options.is_lower,
        notes=notes,
        reading=() if scheme == TYPES or all(map(_PLAIN.fullmatch, tags)) else (f"tags {scheme}",),
    )


def _cased(token: str, options: DataOptions) -> str:
    return token.lower() if options.is_lower else token


def _tags(train: Tagged, scheme: str | None) -> tuple[str, tuple[str, ...]]:
    """The scheme of the training part's tags, and the different ones in order."""
    different = {tag for sentence in train.tags for tag in sentence}
    try:
        scheme = scheme or scheme_of(different)
        read_tags(tuple(sorted(different)), scheme)
    except UnknownTags as error:
        raise DataError(
            f"{train.places[0][0]}: {error} (task.tags names the scheme; {TYPES!r} where each tag is a type by itself)"
        ) from error
    return scheme, sort_names(different) if scheme == TYPES else sort_tags(different, scheme)


def _cut_note(
    everything: Sequence[Sequence[str]], parts: Parts[Split], roles: tuple[Tag, ...], *, length: int
) -> tuple[str, ...]:
    """The number of sentences that are cut, and of how many entities end behind the cut."""
    said = cut_note(everything, length=length)
    if not said:
        return ()
    width = parts.train.truth.shape[1] + 2  # of the rows that places count over
    found = [last % width > length for part in parts.given for _, last, _ in entities(part.truth, roles)]
    return (f"{said[0]}, which cuts {sum(found)} of {len(found)} entities: these count as missed (task.length)",)


def _numbers(part: Tagged, tags: Sequence[str], *, length: int) -> NDArray[np.int64]:
    """(count, length): the number of each tag, -1 at padding."""
    places = list(chain.from_iterable(part.places))
    numbers = iter(number_names(list(chain.from_iterable(part.tags)), tags, places.__getitem__, what="tag").tolist())
    return pad(([next(numbers) for _ in sentence] for sentence in part.tags), length=length, filler=-1)
