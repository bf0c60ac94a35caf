"""Datasets of Hugging Face by name, as images, tagged sentences, or the columns of a table.

The splits come from the local cache, a saved folder or, if asked for, the network. No code of a dataset is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gasearch_workers.data.arrays import Array, make_source
from gasearch_workers.data.conll import Tagged, make_tagging_source
from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.delimited import make_rows_source
from gasearch_workers.data.download import NotDownloaded, Notice, not_installed, tried
from gasearch_workers.data.folders import VALIDATION_NAMES
from gasearch_workers.data.options import COLUMNS, FILES, DataOptions
from gasearch_workers.data.rows import Rows
from gasearch_workers.data.source import Parts, Source

PREFIX = "hf:"
FIRST_WITHOUT_CODE = 4  #: Versions of the library before it can run a script that comes with a dataset.
HOME = "https://huggingface.co/datasets/"
_UNKNOWN = (FileNotFoundError, ValueError)  #: What the library raises for a name or a configuration that isn't there.


def is_hugging_face(source: str) -> bool:
    """Tell by its prefix whether a source is a name of Hugging Face's."""
    return source.startswith(PREFIX)


def read_hugging_face(source: str, options: DataOptions, download: Notice | None = None) -> Source:
    """The splits of a dataset, told apart by the types of its columns.

    A column of images with a column of classes; a column of words per sentence with a column of tags per sentence; or
    plain columns, which are read as those of a CSV file.

    Args:
        source: "hf:NAME[/CONFIG][@REVISION]", or "hf:FOLDER", which `DatasetDict.save_to_disk` wrote.
        options: As for a CSV file, where the columns are plain.
        download: None where nothing may be downloaded; else takes what is.

    Raises:
        NotDownloaded: if the library is missing, or the dataset is not here and may not be downloaded.
        DataError: if it can't be had, or a cell can't be used.
    """
    options.refuse((*FILES, "header", "channels"), f"{source} names its parts and columns itself")
    parts, notes = _parts(_load_splits(source, download), source)
    features = parts.train.table.features
    images = [key for key, feature in features.items() if _type(feature) == "Image"]
    sequences = [key for key, feature in features.items() if _type(feature) in ("Sequence", "List")]
    if images:
        options.refuse(tuple(set(COLUMNS) - {"target"}), f"{source}: images have no such columns")
        found = _image_source(source, parts, options, image=images[0])
    elif sequences:
        options.refuse(tuple(set(COLUMNS) - {"target", "text"}), f"{source}: tagged sentences have no such columns")
        found = _tagging_source(source, parts, options, sequences)
    else:
        found = make_rows_source(parts.map(_rows), options)
    return replace(found, notes=(*notes, *found.notes))


# --- from the library to splits ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Name:
    """The text behind the prefix: "NAME[/CONFIG][@REVISION]", where NAME may hold one slash itself, or a folder."""

    text: str
    revision: str | None = None

    @classmethod
    def of(cls, source: str) -> _Name:
        text = source.removeprefix(PREFIX)
        if Path(text).expanduser().is_dir():
            return cls(text)
        text, _, revision = text.partition("@")
        return cls(text.strip("/"), revision or None)

    def first(self, load: Any, *, unknown: tuple[type[Exception], ...]) -> Any:
        """The data by the first reading of the name that the library knows; the first one's error if there is none."""
        head, slash, tail = self.text.rpartition("/")
        readings: list[tuple[str, str | None]] = [(head, tail)] if slash else []  # "a/b" is a name or one with a part
        refusal: Exception | None = None
        for path, config in readings if "/" in head else [(self.text, None), *readings]:
            try:
                return load(path, config, revision=self.revision)
            except unknown as error:
                refusal = refusal or error
        assert refusal is not None, "a name has a reading"
        raise refusal


def _load_splits(source: str, download: Notice | None) -> dict[str, Any]:
    """The splits of a dataset by their names."""
    datasets = _library(source)
    name = _Name.of(source)
    try:
        with _offline():
            folder = Path(name.text).expanduser()
            if folder.is_dir():
                return _by_name(datasets.load_from_disk(str(folder)))
            return _by_name(name.first(datasets.load_dataset, unknown=(OSError, ValueError, RuntimeError)))
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        if download is None:
            raise NotDownloaded(
                f"{source}: expected a saved folder or a dataset in the cache of Hugging Face, loaded there "
                f"beforehand; it can't be read ({' '.join(str(error).split())[:300]})"
            ) from error
    # The library tries a connection that fails some six times by itself.
    return tried(lambda: _downloaded(name, datasets, download), source, download, pauses_s=())


def _downloaded(name: _Name, datasets: Any, notice: Notice) -> dict[str, Any]:
    """The splits from the network, kept in the library's cache, which takes no half of a file for a whole one."""
    info = name.first(datasets.load_dataset_builder, unknown=_UNKNOWN).info
    size = f"{info.download_size / 1e6:,.1f} MB" if info.download_size else "of a size that isn't stated"
    terms = info.license or "not stated in its files"
    cache = datasets.config.HF_DATASETS_CACHE
    notice(f"downloading {name.text} from Hugging Face, {size}, into {cache}; licence: {terms}; see {HOME}{name.text}")
    splits = _by_name(name.first(datasets.load_dataset, unknown=_UNKNOWN))
    notice(f"{name.text}: " + ", ".join(f"{split} {len(rows):,} rows" for split, rows in splits.items()))
    return splits


def _by_name(found: Any) -> dict[str, Any]:
    return dict(found) if isinstance(found, dict) else {"train": found}


def _library(source: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise not_installed(source, "datasets", error) from error
    if int(datasets.__version__.split(".")[0]) < FIRST_WITHOUT_CODE:
        raise DataError(
            f"{source}: expected datasets {FIRST_WITHOUT_CODE} or later, which runs no code of a dataset; "
            f"got {datasets.__version__}"
        )
    return datasets


@contextmanager
def _offline() -> Iterator[None]:
    """Keep both libraries from asking the network, which they do even for what they have."""
    import datasets.config
    import huggingface_hub.constants

    modules, names = (datasets.config, huggingface_hub.constants), ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    before = [(module, name, getattr(module, name)) for module in modules for name in names if hasattr(module, name)]
    try:
        for module, name, _ in before:
            setattr(module, name, True)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


# --- from splits to a source ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    where: str  #: For errors.
    table: Any  #: datasets.Dataset.


def _parts(splits: dict[str, Any], source: str) -> tuple[Parts[_Part], tuple[str, ...]]:
    """The splits by their part, without those whose labels are all hidden, and a note on each of these."""
    train = splits.get("train")
    if train is None or not len(train):
        raise DataError(f"{source}: expected a split 'train' with samples; got {', '.join(splits) or 'none'}")
    given, notes = {"train": train}, []
    for part, names in (("validation", VALIDATION_NAMES), ("test", ("test",))):
        table = next((splits[name] for name in names if name in splits), None)
        if table is not None and (not len(table) or _is_hidden(table)):
            notes.append(f"the {part} split of the source is left out: it has no labels")
        elif table is not None:
            given[part] = table
    found = {part: _Part(f"{source}[{part}]", table) for part, table in given.items()}
    name = source.removeprefix(PREFIX).partition("@")[0].rstrip("/").split("/")[-1]
    return Parts(name, found["train"], found.get("validation"), found.get("test")), tuple(notes)


def _is_hidden(part: Any) -> bool:
    """Tell whether every label of a column of classes is -1, as competitions hide them."""
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


def _tagging_source(source: str, parts: Parts[_Part], options: DataOptions, sequences: list[str]) -> Source:
    """One column of words, one of tags: the named ones, else the tags are the first column of classes."""
    inner = {key: parts.train.table.features[key].feature for key in sequences}
    classes = [key for key, feature in inner.items() if _type(feature) == "ClassLabel"]
    target = options.target or next(iter(classes), None)
    texts = [key for key, feature in inner.items() if getattr(feature, "dtype", "") == "string" and key != target]
    text = options.text or next(iter(texts), None)
    if target not in sequences or text not in sequences or text == target:
        raise DataError(
            f"{source}: expected a column of words and one of tags, in task.text and task.target; "
            f"the columns with a list per sample are {', '.join(sequences)}"
        )
    return make_tagging_source(parts.map(lambda part: _tagged(part, text, target)), options)


def _tagged(part: _Part, text: str, target: str) -> Tagged:
    names = getattr(part.table.features[target].feature, "names", None)
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


def _image_source(source: str, parts: Parts[_Part], options: DataOptions, *, image: str) -> Source:
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

    return make_source(source, parts.map(arrays), kind=options.kind, channels="last", labels=labels)


def _stack(images: Any, where: str) -> Array:
    """Decoded images of one size -> (count, height, width[, channels]) uint8."""
    found: list[Array] = []
    for sample, image in enumerate(images, start=1):
        found.append(np.asarray(image))
        if found[-1].shape != found[0].shape:
            raise DataError(
                f"{where}:{sample}: expected an image of the shape {found[0].shape} like the first; "
                f"got {found[-1].shape}"
            )
    return np.stack(found)
