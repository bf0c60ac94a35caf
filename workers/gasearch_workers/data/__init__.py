"""Datasets: found by name or path, checked, split, fingerprinted."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path

from gasearch_workers.data.array_files import is_idx, read_embedded, read_idx, read_npz
from gasearch_workers.data.conll import is_conll, read_tagged
from gasearch_workers.data.dataset import DataError as DataError
from gasearch_workers.data.dataset import Dataset, Description
from gasearch_workers.data.delimited import read_delimited
from gasearch_workers.data.download import NotDownloaded as NotDownloaded
from gasearch_workers.data.download import Notice
from gasearch_workers.data.files import plain_stem
from gasearch_workers.data.fit import fit
from gasearch_workers.data.folders import read_folder
from gasearch_workers.data.hugging_face import is_hugging_face, read_hugging_face
from gasearch_workers.data.options import COLUMNS, DEFAULTS, FILES
from gasearch_workers.data.options import DataOptions as DataOptions
from gasearch_workers.data.rows import is_delimited
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.data.splits import split_source
from gasearch_workers.data.torchvision_sets import is_torchvision, read_torchvision
from gasearch_workers.messages import NUMERIC_KINDS

BUILT_IN = ("digits", "diabetes")
FORMATS = "a NumPy archive (.npz), a CSV, TSV or CoNLL file, IDX images (train-images-idx3-ubyte[.gz]), or a folder"


def load_dataset(
    source: str, options: DataOptions = DEFAULTS, *, seed: int = 0, download: Notice | None = None
) -> Dataset:
    """Load, check and split a dataset.

    Args:
        source: "digits" or "diabetes", the path of a `.npz`, `.csv`, `.tsv` or `.conll` file, of IDX training images,
            or of a folder with a file per part; "torchvision:NAME" or "hf:NAME" where that library is installed.
        options: How the source is to be read, where its content doesn't say it.
        seed: Of the splits that the source doesn't make itself: 20 % of all for the test, 20 % of the training samples
            (at most 10,000) for validation, stratified by label where there is one class per sample.
        download: None where nothing may be downloaded, and a named source must be here already; else takes what is.

    Raises:
        NotDownloaded: if a named source is not here and may not be downloaded.
        DataError: if the source is unknown or can't be used.
    """
    found = read_source(source, options, download)
    if found.kind != "tagging":
        options.refuse(("tags",), f"{found.name}: tags belong to the kind 'tagging'")
    fitted = fit(found, split_source(found, seed=seed))
    train, validation, test = fitted.splits
    mean, deviation = (0.0, 1.0)
    if found.kind in NUMERIC_KINDS:
        mean, deviation = float(train.y.mean(dtype="float64")), float(train.y.std(dtype="float64"))
        if deviation == 0:
            value = mean + found.target_offset
            raise DataError(f"{found.name}: expected a target that varies; got {value:g} for every training sample")
    return Dataset(
        **{field.name: getattr(found, field.name) for field in fields(Description)},
        train=train,
        validation=validation,
        test=test,
        categories=tuple(map(len, fitted.vocabularies)),
        vocabularies=fitted.vocabularies,
        missing_numbers=fitted.missing_numbers,
        target_mean=mean,
        target_deviation=deviation,
        fingerprint=found.fingerprint(),
    )


def is_named(source: str) -> bool:
    """Tell whether a source is the name of a public data set, which can be downloaded."""
    return is_torchvision(source) or is_hugging_face(source)


def read_source(source: str, options: DataOptions = DEFAULTS, download: Notice | None = None) -> Source:
    """Read and check a source, neither split nor fitted; see `load_dataset`.

    Args:
        source: As there.
        options: As there.
        download: As there.

    Raises:
        NotDownloaded: if a named source is not here and may not be downloaded.
        DataError: if the source is unknown or can't be used.
    """
    if source in BUILT_IN:
        options.refuse((*COLUMNS, *FILES, "channels"), f"{source} is read as it is")
        found = read_embedded(source)
        if options.kind not in (None, found.kind):
            raise DataError(f"{source} serves {found.kind}; got kind {options.kind!r}")
        return found
    if is_torchvision(source):
        return read_torchvision(source, options, download)
    if is_hugging_face(source):
        return read_hugging_face(source, options, download)
    path = Path(source).expanduser()
    if path.suffix == ".npz" or is_idx(path):
        options.refuse((*COLUMNS, *FILES), f"{path}: arrays have no named columns and bring their test part along")
    if path.suffix == ".npz":
        return read_npz(path, kind=options.kind, channels=options.channels)
    options.refuse(("channels",), f"{path}: only the images of an .npz may have their channels first or last")
    if path.is_dir():
        return read_folder(path, options)
    if is_idx(path):
        return read_idx(path, kind=options.kind)
    others = (None if part is None else Path(part).expanduser() for part in (options.validation, options.test))
    for is_such, read in ((is_delimited, read_delimited), (is_conll, read_tagged)):
        if is_such(path):
            return read(Parts(plain_stem(path), path, *others), options)
    if path.exists() or path.suffix or len(path.parts) > 1:
        came = "the file is named otherwise" if path.exists() else "there is no such file or folder"
        raise DataError(f"{source}: expected {FORMATS}; {came}")
    near = difflib.get_close_matches(source, BUILT_IN, n=1, cutoff=0.7)
    known = f"known are {', '.join(BUILT_IN)}, the path of a file or folder, torchvision:NAME and hf:NAME"
    raise DataError(f"unknown dataset {source!r}; {f'did you mean {near[0]!r}?' if near else known}")
