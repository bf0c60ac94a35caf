"""Folders as datasets: a file per part, in one of the forms in which corpora are handed out."""

from __future__ import annotations

from pathlib import Path

from gasearch_workers.data.array_files import find_images, read_idx
from gasearch_workers.data.conll import SUFFIXES, read_tagged
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.delimited import read_delimited
from gasearch_workers.data.files import find_file, plain_suffix, read_lines
from gasearch_workers.data.options import COLUMNS, DataOptions
from gasearch_workers.data.rows import DELIMITERS
from gasearch_workers.data.sentences import Sentences, make_sentence_source
from gasearch_workers.data.source import Parts, Source

VALIDATION_NAMES = ("validation", "valid", "val", "dev")
POLARITIES = {"neg": "negative", "pos": "positive"}  #: Suffix and label of the two files of Pang and Lee's sentences.
KNOWN_FORMS = (
    "train-images-idx3-ubyte[.gz] (IDX), train.csv, train.tsv or train.conll with dev.* and test.* beside it, "
    "train_text.txt with train_labels.txt, or rt-polarity.pos with rt-polarity.neg"
)


def read_folder(folder: Path, options: DataOptions) -> Source:
    """The parts of a dataset from the files of a folder, whose name it has.

    Raises:
        DataError: if the folder holds none of the known forms, several of them, or a file that can't be used.
    """
    options.refuse(("validation", "test"), f"{folder}: a folder names its parts itself")
    images = find_images(folder)
    if images is not None:
        options.refuse(COLUMNS, f"{folder}: images have no columns")
        return read_idx(images, kind=options.kind)
    is_of_pairs = find_file(folder / "train_text.txt") is not None
    if is_of_pairs or any(find_file(folder / f"rt-polarity.{suffix}") for suffix in POLARITIES):
        options.refuse(COLUMNS, f"{folder}: files of lines have no columns")
        return _read_line_pairs(folder, options) if is_of_pairs else _read_polarity(folder, options)
    paths = _part_files(folder)
    read = read_tagged if plain_suffix(paths.train) in SUFFIXES else read_delimited
    return read(paths, options)


def _part_files(folder: Path) -> Parts[Path]:
    """train.SUFFIX and, of the same suffix, the files for validation and test."""
    found = [path for suffix in (*DELIMITERS, *SUFFIXES) for path in _named(folder, ("train",), suffix)]
    if not found:
        raise DataError(f"{folder}: expected in this folder the file {KNOWN_FORMS}; none of them is there")
    suffix = plain_suffix(found[0])
    return Parts(
        folder.name,
        _only(folder, found) or found[0],
        _only(folder, _named(folder, VALIDATION_NAMES, suffix)),
        _only(folder, _named(folder, ("test",), suffix)),
    )


def _named(folder: Path, names: tuple[str, ...], suffix: str) -> list[Path]:
    """The files whose name begins with one of the names and a point, and ends with the suffix, perhaps gzipped."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and plain_suffix(path) == suffix and path.name.split(".")[0].lower() in names
    )


def _only(folder: Path, paths: list[Path]) -> Path | None:
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise DataError(f"{folder}: expected one file for each part of the data; got {names}")
    return paths[0] if paths else None


def _read_line_pairs(folder: Path, options: DataOptions) -> Source:
    """Texts and labels line by line in two files per part, as TweetEval hands them out."""
    given = {name for name in (*VALIDATION_NAMES, "test") if find_file(folder / f"{name}_text.txt")}
    validation = next((name for name in VALIDATION_NAMES if name in given), None)
    parts = Parts(folder.name, "train", validation, "test" if "test" in given else None)
    names = _read_mapping(folder / "mapping.txt")
    return make_sentence_source(parts.map(lambda part: _line_pairs(folder, part)), options, names=names)


def _line_pairs(folder: Path, part: str) -> Sentences:
    text, label = (find_file(folder / f"{part}_{what}.txt") for what in ("text", "labels"))
    if text is None or label is None:
        raise DataError(f"{folder}: expected {part}_text.txt and {part}_labels.txt together; one of them isn't there")
    texts, labels = read_lines(text), [line.strip() for line in read_lines(label)]
    if len(texts) != len(labels):
        raise DataError(f"{label}: expected one label per line of {text.name}, {len(texts)}; got {len(labels)}")
    return Sentences(texts=texts, labels=labels, at=lambda sample: f"{text}:{sample + 1}")


def _read_mapping(path: Path) -> dict[str, str]:
    """Names of the labels, "NUMBER TAB NAME" per line; none where there is no such file."""
    found = find_file(path)
    names: dict[str, str] = {}
    for number, line in enumerate(() if found is None else read_lines(found), start=1):
        if not line.strip():
            continue
        label, _, name = map(str.strip, line.partition("\t"))
        if not name:
            raise DataError(f"{path}:{number}: expected a label, a tab and its name; got {line[:80]!r}")
        if name in names.values():
            raise DataError(f"{path}:{number}: expected a name that no other label has; got {name!r} again")
        names[label] = name
    return names


def _read_polarity(folder: Path, options: DataOptions) -> Source:
    """Sentences by polarity in two files, as Pang and Lee hand them out: in Latin-1, not in UTF-8."""
    texts: list[str] = []
    labels: list[str] = []
    places: list[str] = []
    for suffix, label in POLARITIES.items():
        path = find_file(folder / f"rt-polarity.{suffix}")
        if path is None:
            raise DataError(f"{folder}: expected rt-polarity.pos and rt-polarity.neg together; one of them isn't there")
        lines = read_lines(path, fallback="latin-1")
        texts += lines
        labels += [label] * len(lines)
        places += [f"{path}:{number}" for number in range(1, len(lines) + 1)]
    part = Sentences(texts=texts, labels=labels, at=places.__getitem__)
    return make_sentence_source(Parts(folder.name, part), options)
