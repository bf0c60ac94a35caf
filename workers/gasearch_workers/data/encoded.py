"""Further samples for a network that is trained: a file of them, in the codes that the network knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data import is_named, read_source
from gasearch_workers.data.conll import is_conll
from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.labels import shown
from gasearch_workers.data.options import DEFAULTS, DataOptions
from gasearch_workers.data.rows import is_delimited
from gasearch_workers.data.source import Source
from gasearch_workers.data.tokens import SPECIAL, UNKNOWN
from gasearch_workers.messages import InputKind, TaskKind

LONGEST: Final = 1 << 20  #: Tokens: all of a sentence are read, then those kept that the network reads.


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the samples of a trained network were encoded, and what its outputs mean."""

    kind: TaskKind
    input_kind: InputKind
    shape: tuple[int, ...]  #: Of one sample.
    outputs: int
    labels: tuple[str, ...] = ()
    tags: str | None = None  #: The scheme of the labels of tagging.
    columns: tuple[str, ...] = ()
    vocabularies: tuple[tuple[str, ...], ...] = ()
    missing_numbers: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    is_boolean: tuple[bool, ...] = ()
    target_offset: float = 0.0


def read_split(path: str, encoding: Encoding, options: DataOptions = DEFAULTS) -> Split:
    """The samples of a file as a network takes them: its test part, or all where it has but one.

    Args:
        path: Of a file in any form that `load_dataset` reads.
        encoding: Of the network.
        options: How the network's own data were read.

    Raises:
        DataError: if the file can't be read, or holds other samples than the network takes.
    """
    source = read_source(path, _options(path, encoding, options))
    found = source.parts.test or source.parts.train
    if (source.kind, source.input_kind) != (encoding.kind, encoding.input_kind):
        raise DataError(
            f"{path}: expected {encoding.input_kind} samples for {encoding.kind}; got {source.input_kind} samples for "
            f"{source.kind}"
        )
    if len(source.words) != len(encoding.vocabularies):
        raise DataError(
            f"{path}: expected {len(encoding.vocabularies)} columns of codes, whose words the network knows; got "
            f"{len(source.words)}"
        )
    match encoding.input_kind:
        case "image":
            split = found
        case "table":
            split = replace(found, x=_table(found.x, source, encoding, path))
        case "tokens":
            split = _tokens(found, source, encoding)
        case "ids":
            split = replace(found, x=_ids(found.x, source, encoding, path))
    if split.x.shape[1:] != encoding.shape:
        raise DataError(f"{path}: expected samples of the shape {encoding.shape}; got {split.x.shape[1:]}")
    return _relabelled(split, source, encoding, path)


def _options(path: str, encoding: Encoding, options: DataOptions) -> DataOptions:
    """The options for one more file: its columns are those of the network, whatever it holds in them."""
    options = replace(options, kind=encoding.kind, validation=None, test=None, length=LONGEST, tags=encoding.tags)
    file = Path(path).expanduser()
    if is_named(path) or is_delimited(file) or file.is_dir():
        if encoding.input_kind == "table" and encoding.columns:
            categorical = encoding.columns[len(encoding.missing_numbers) :]
            return replace(options, features=encoding.columns, categorical=categorical)
        return options
    plain = DataOptions(kind=encoding.kind, length=LONGEST, is_lower=options.is_lower, tags=encoding.tags)
    return plain if is_conll(file) else replace(plain, channels=options.channels)


def _table(x: NDArray[Any], source: Source, encoding: Encoding, path: str) -> NDArray[np.float32]:
    """Numbers minus the network's offsets, the missing ones filled in, then its codes."""
    if source.columns != encoding.columns:
        raise DataError(f"{path}: expected the columns {shown(encoding.columns)}; got {shown(source.columns)}")
    count = len(encoding.missing_numbers)
    numbers = x[:, :count].astype(np.float64) + _or_zeros(source.offsets, count) - _or_zeros(encoding.offsets, count)
    means = np.array(encoding.missing_numbers)
    columns = [np.where(np.isnan(numbers), means, numbers)]
    for place, (words, known) in enumerate(zip(source.words, encoding.vocabularies, strict=True)):
        codes = _codes(words, known, is_boolean=encoding.is_boolean[place : place + 1] == (True,))
        columns.append(np.array([0, *codes])[x[:, count + place].astype(np.int64)][:, None])
    return np.concatenate(columns, axis=1).astype(np.float32)


def _or_zeros(offsets: Sequence[float], count: int) -> NDArray[np.float64]:
    return np.array(offsets or [0.0] * count)


def _codes(words: Sequence[str], known: Sequence[str], *, is_boolean: bool = False, unknown: int = 0) -> list[int]:
    """The network's code of each word."""
    fold = str.lower if is_boolean else str
    codes = {fold(word): code for code, word in enumerate(known)}
    return [codes.get(fold(word), unknown) for word in words]


def _tokens(split: Split, source: Source, encoding: Encoding) -> Split:
    """Tokens in the network's codes, as many as it reads."""
    length = encoding.shape[0]
    codes = np.array([0, *_codes(source.words[0], encoding.vocabularies[0], unknown=SPECIAL.index(UNKNOWN))])
    x = np.stack((codes[split.x[..., 0]], split.x[..., 1]), axis=-1) if split.x.ndim == 3 else codes[split.x]
    beyond = [(0, 0), (0, max(0, length - x.shape[1])), *[(0, 0)] * (x.ndim - 2)]
    x = np.pad(x[:, :length], beyond).astype(np.int32)
    if encoding.kind != "tagging":
        return replace(split, x=x)
    truth = np.pad(split.truth, beyond[:2], constant_values=-1)
    cut = truth[:, length:].astype(np.int16) if truth.shape[1] > length else None
    return replace(split, x=x, y=np.ascontiguousarray(truth[:, :length]), cut=cut)


def _ids(x: NDArray[Any], source: Source, encoding: Encoding, path: str) -> NDArray[np.int32]:
    columns = []
    for place, (words, known) in enumerate(zip(source.words, encoding.vocabularies, strict=True)):
        codes = np.array(_codes(words, known, unknown=-1))
        for word in np.flatnonzero(codes < 0)[:1]:
            raise DataError(
                f"{path}: expected ids in the column {source.columns[place]!r} that the network knows; "
                f"got {words[word]!r}"
            )
        columns.append(codes[x[:, place]])
    return np.stack(columns, axis=1).astype(np.int32)


def _relabelled(split: Split, source: Source, encoding: Encoding, path: str) -> Split:
    """What is to be told, in the network's numbers."""
    if source.kind in ("regression", "rating"):
        y = (split.y.astype(np.float64) + source.target_offset - encoding.target_offset).astype(np.float32)
        return replace(split, y=y)
    if bool(source.labels) != bool(encoding.labels):
        raise DataError(f"{path}: expected labels {'with' if encoding.labels else 'without'} names, as in training")
    numbers = _label_numbers(source, encoding)
    for label in np.flatnonzero(numbers < 0)[:1]:
        came = source.labels[label] if source.labels else int(label)
        known = shown(encoding.labels or tuple(map(str, range(encoding.outputs))))
        raise DataError(f"{path}: expected a label that the network knows, {known}; got {came!r}")
    table = np.append(numbers, -1)  # the last one for padding
    return replace(split, y=table[split.y], cut=None if split.cut is None else table[split.cut].astype(np.int16))


def _label_numbers(source: Source, encoding: Encoding) -> NDArray[np.int64]:
    """The network's number of each label of the source; -1 where there is none."""
    if not source.labels:
        return np.array([label if label < encoding.outputs else -1 for label in range(source.outputs)])
    codes = {label: number for number, label in enumerate(encoding.labels)}
    return np.array([codes.get(label, codes.get(label.lower(), -1)) for label in source.labels])
