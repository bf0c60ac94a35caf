"""Datasets of Hugging Face as images, tagged sentences, or the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.conll import Tagged, make_tagging_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.delimited import make_rows_source
from gasearch_workers.data.download import Notice
from gasearch_workers.data.hub import PREFIX, load_splits
from gasearch_workers.data.options import COLUMNS, FILES, DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.rows import Rows
from gasearch_workers.data.source import Source, refuse

PART_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}


def is_hugging_face(source: str) -> bool:
    """Whether a source has the prefix of Hugging Face's names."""
    return source.startswith(PREFIX)


def read_hugging_face(source: str, options: DataOptions, download: Notice | None = None) -> Source:
    """The splits of a dataset, told apart by the types of its columns.

    A column of images with a column of classes; a column of words per sentence with a column of tags per sentence; or
    plain columns, which are read as those of a CSV file.

    Args:
        source: As `hub.load_splits` takes it.
        options: As for a CSV file, where the columns are plain.
        download: None where nothing may be downloaded; else is told what is.

    Raises:
        NotDownloaded: as `hub.load_splits`.
        DataError: if a cell can't be used.
    """
    refuse(options, (*FILES, "header", "channels"), f"{source} names its parts and columns itself")
    splits = load_splits(source, download)
    parts, notes = _parts(splits, source)
    features = parts.train.table.features
    name = source.removeprefix(PREFIX).partition("@")[0].rstrip("/").split("/")[-1]
    images = [key for key, feature in features.items() if _type(feature) == "Image"]
    sequences = [key for key, feature in features.items() if _type(feature) in ("Sequence", "List")]
    if images:
        refuse(options, tuple(set(COLUMNS) - {"target"}), f"{source}: images have no such columns")
        found = _image_source(name, source, parts, options, image=images[0])
    elif sequences:
        refuse(options, tuple(set(COLUMNS) - {"target", "text"}), f"{source}: tagged sentences have no such columns")
        found = _tagging_source(name, source, parts, options, sequences)
    else:
        found = make_rows_source(name, parts.map(_rows), options)
    return replace(found, notes=(*notes, *found.notes))


@dataclass(frozen=True, slots=True)
class _Part:
    where: str  #: For errors.
    table: Any  #: datasets.Dataset.


def _parts(splits: dict[str, Any], source: str) -> tuple[Parts[_Part], tuple[str, ...]]:
    """The splits by their part, without those whose labels are all hidden, and a note on each of these."""
    found: dict[str, Any] = {
        part: next((splits[name] for name in names if name in splits), None) for part, names in PART_NAMES.items()
    }
    train = found["train"]
    if train is None or not len(train):
        raise DataError(f"{source}: expected a split 'train' with samples; got {', '.join(splits) or 'none'}")
    notes = []
    for part in ("validation", "test"):
        if found[part] is not None and (not len(found[part]) or _is_hidden(found[part])):
            notes.append(f"the {part} split of the source is left out: it has no labels")
            found[part] = None
    given = {part: _Part(f"{source}[{part}]", table) for part, table in found.items() if table is not None}
    return Parts(given["train"], given.get("validation"), given.get("test")), tuple(notes)


def _is_hidden(part: Any) -> bool:
    """Whether every label of a column of classes is -1, as competitions hide them."""
    columns = [key for key, feature in part.features.items() if _type(feature) == "ClassLabel"]
    return any(all(label == -1 for label in part[key]) for key in columns)


def _type(feature: Any) -> str:
    return type(feature).__name__


def _rows(part: _Part) -> Rows:
    """Plain columns as cells of text."""
    columns = []
    for key, feature in part.table.features.items():
        if _type(feature) not in ("Value", "ClassLabel"):
            raise DataError(f"{part.where}: expected plain columns; got {_type(feature)} in the column {key!r}")
        names = feature.names if _type(feature) == "ClassLabel" else None
        columns.append(tuple(_cell(value, names) for value in part.table[key]))
    header = tuple(str(key) for key in part.table.features)
    return Rows(file=part.where, header=header, columns=tuple(columns), lines=range(1, len(part.table) + 1))


def _cell(value: Any, names: list[str] | None) -> str:
    if value is None:
        return ""
    return str(names[value]) if names is not None and 0 <= value < len(names) else str(value).strip()


def _tagging_source(name: str, source: str, parts: Parts[_Part], options: DataOptions, sequences: list[str]) -> Source:
    """One column of words, one of tags: the named ones, else the tags are the first column of classes."""
    features = parts.train.table.features
    classes = [key for key in sequences if _type(_inner(features[key])) == "ClassLabel"]
    texts = [key for key in sequences if getattr(_inner(features[key]), "dtype", "") == "string"]
    target = options.target or next(iter(classes), None)
    text = options.text or next((key for key in texts if key != target), None)
    if target not in sequences or text not in sequences or text == target:
        raise DataError(
            f"{source}: expected a column of words and one of tags, in task.text and task.target; "
            f"the columns with a list per sample are {', '.join(sequences)}"
        )
    return make_tagging_source(name, parts.map(lambda part: _tagged(part, text, target)), options)


def _inner(feature: Any) -> Any:
    return feature.feature


def _tagged(part: _Part, text: str, target: str) -> Tagged:
    names = getattr(_inner(part.table.features[target]), "names", None)
    tokens, tags, places = [], [], []
    for sample, (words, values) in enumerate(zip(part.table[text], part.table[target], strict=True), start=1):
        where = f"{part.where}:{sample}"
        if len(words) != len(values):
            raise DataError(f"{where}: expected one tag per token, {len(words)}; got {len(values)}")
        if words:
            tokens.append(tuple(words))
            tags.append(tuple(_cell(value, names) for value in values))
            places.append((where,) * len(words))
    return Tagged(tokens=tuple(tokens), tags=tuple(tags), places=tuple(places))


def _image_source(name: str, source: str, parts: Parts[_Part], options: DataOptions, *, image: str) -> Source:
    features = parts.train.table.features
    classes = [key for key, feature in features.items() if _type(feature) == "ClassLabel"]
    target = options.target or (classes[0] if len(classes) == 1 else None)
    if target not in features:
        raise DataError(
            f"{source}: expected the column of classes in task.target; the columns are {', '.join(features)}"
        )
    labels = tuple(getattr(features[target], "names", ()))

    def arrays(part: _Part) -> tuple[Array, Array]:
        return _stack(part.table[image], part.where), np.asarray(part.table[target])

    return make_source(name, source, parts.map(arrays), kind=options.kind, channels="last", labels=labels)


def _stack(images: Any, where: str) -> Array:
    """Decoded images of one size -> (count, height, width[, channels]) uint8."""
    found: list[Array] = []
    for sample, image in enumerate(images):
        pixels = np.asarray(image)
        if found and pixels.shape != found[0].shape:
            raise DataError(
                f"{where}:{sample + 1}: expected an image of the shape {found[0].shape} like the first; "
                f"got {pixels.shape}"
            )
        found.append(pixels)
    return np.stack(found)
