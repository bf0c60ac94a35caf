"""Tagged sentences in CoNLL columns: one token a line, its tag in the last column, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import shown, sort_names
from gasearch_workers.data.options import COLUMNS, DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.source import Source, refuse
from gasearch_workers.data.tags import TYPES, Tag, UnknownTags, entities, read_tags, scheme_of, sort_tags
from gasearch_workers.data.text_files import plain_suffix, read_lines
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
    """Whether a path is named like a file of tagged sentences."""
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
        line = raw.replace(BYTE_ORDER_MARK, "")
        if not line.strip():
            sentences.append([])
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        width = width or len(cells)
        _check_cells(cells, width, f"{path}:{number}")
        if cells[0] != DOCUMENT:
            sentences[-1].append((cells[0], cells[-1], f"{path}:{number}"))
    kept = [tuple(zip(*sentence, strict=True)) for sentence in sentences if sentence]
    if not kept:
        raise DataError(f"{path}: expected lines of a token and its tag; the file holds none")
    return Tagged(
        tokens=tuple(sentence[0] for sentence in kept),
        tags=tuple(sentence[1] for sentence in kept),
        places=tuple(sentence[2] for sentence in kept),
    )


def _check_cells(cells: Sequence[str], width: int, where: str) -> None:
    if len(cells) < 2:
        raise DataError(f"{where}: expected a token and its tag, separated by a tab or blanks; got {cells[0][:80]!r}")
    if len(cells) != width:
        raise DataError(f"{where}: expected {width} columns as in the first line; got {len(cells)}")
    if not cells[0] or not cells[-1]:
        raise DataError(f"{where}: expected a token and its tag; the {'tag' if cells[0] else 'token'} is empty")
    check_tokens(cells[:1], where)


def read_tagged(name: str, paths: Parts[Path], options: DataOptions) -> Source:
    """The tagged sentences of one file or of one per part.

    Raises:
        DataError: with file and line, if a file can't be used.
    """
    refuse(options, COLUMNS, f"{paths.train}: the first column is the token, the last its tag")
    return make_tagging_source(name, paths.map(read_conll), options)


def make_tagging_source(name: str, parts: Parts[Tagged], options: DataOptions) -> Source:
    """Number tokens, their shapes, and their tags.

    Args:
        name: Of the dataset.
        parts: Tagged sentences; the tags of the training part are the labels.
        options: How many tokens and words are kept, and in what case.

    Raises:
        DataError: with file and line, if a part holds a tag that the training part lacks.
    """
    train = parts.train
    if options.kind not in (None, "tagging"):
        raise DataError(f"{train.places[0][0]}: sentences with one tag per token serve tagging; got {options.kind!r}")
    scheme, tags = _tags(train, options.tags)
    if len(tags) < 2:
        raise DataError(f"{train.places[0][0]}: expected at least 2 different tags; got {tags[0]!r} for every token")
    everything = [sentence for part in parts.given for sentence in part.tokens]
    length = min(options.length, max(len(sentence) for sentence in everything))
    cased = [[token.lower() if options.is_lower else token for token in sentence] for sentence in everything]
    words = sorted_words(cased, length=length)
    codes = {word: code for code, word in enumerate(words, start=1)}
    longest = max(len(sentence) for sentence in everything)

    def split(part: Tagged) -> Split:
        x = _codes(part, codes, length=length, is_lower=options.is_lower)
        y = _numbers(part, tags, length=longest)
        cut = y[:, length:].astype(np.int16) if longest > length else None
        return Split(x=x, y=np.ascontiguousarray(y[:, :length]), cut=cut)

    splits = parts.map(split)
    return Source(
        name=name,
        kind="tagging",
        input_kind="tokens",
        parts=splits,
        outputs=len(tags),
        labels=tags,
        tags=scheme,
        words=(words, SHAPES),
        most_words=options.vocabulary,
        is_lower=options.is_lower,
        notes=(*_cut_note(everything, splits, read_tags(tags, scheme), length=length), *_types_note(options, scheme)),
        reading=() if scheme == TYPES or all(_PLAIN.fullmatch(tag) for tag in tags) else (f"tags {scheme}",),
    )


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


def _types_note(options: DataOptions, scheme: str) -> tuple[str, ...]:
    """What is said where nothing but the tags' names says that they are types."""
    if scheme != TYPES or options.tags is not None:
        return ()
    return (f"no tag has a role such as B- or I-: each is a type, and a run of one is one entity (task.tags: {TYPES})",)


def _cut_note(
    everything: Sequence[Sequence[str]], parts: Parts[Split], roles: tuple[Tag, ...], *, length: int
) -> tuple[str, ...]:
    """How many sentences are cut, and how many entities end behind the cut."""
    said = cut_note(everything, length=length)
    if not said:
        return ()
    width = parts.train.truth.shape[1] + 2  # of the rows that places count over
    found = [last % width > length for part in parts.given for _, last, _ in entities(part.truth, roles)]
    return (f"{said[0]}, which cuts {sum(found)} of {len(found)} entities: these count as missed (task.length)",)


def _codes(part: Tagged, codes: dict[str, int], *, length: int, is_lower: bool) -> NDArray[np.int32]:
    """(count, length, 2): word and shape of each token."""
    words = [[codes[token.lower() if is_lower else token] for token in one[:length]] for one in part.tokens]
    shapes = [[shape_of(token) for token in sentence[:length]] for sentence in part.tokens]
    padded = (pad(words, length=length, filler=0), pad(shapes, length=length, filler=0))
    return np.stack(padded, axis=-1).astype(np.int32)  # 2 x (count, length) -> (count, length, 2)


def _numbers(part: Tagged, tags: Sequence[str], *, length: int) -> NDArray[np.int64]:
    """(count, length): the number of each tag, -1 at padding."""
    numbers = {tag: number for number, tag in enumerate(tags)}
    for sentence, places in zip(part.tags, part.places, strict=True):
        for tag, place in zip(sentence, places, strict=True):
            if tag not in numbers:
                raise DataError(f"{place}: expected a tag of the training part, {shown(tags)}; got {tag!r}")
    return pad([[numbers[tag] for tag in sentence] for sentence in part.tags], length=length, filler=-1)
