"""Datasets: found by name or path, checked, split, fingerprinted."""

from __future__ import annotations

import difflib
from pathlib import Path

from gasearch_workers.data.conll import is_conll, read_tagged
from gasearch_workers.data.dataset import DataError as DataError
from gasearch_workers.data.dataset import Dataset, Split, target_moments
from gasearch_workers.data.delimited import read_delimited
from gasearch_workers.data.download import NotDownloaded as NotDownloaded
from gasearch_workers.data.download import Notice
from gasearch_workers.data.embedded import read_diabetes, read_digits
from gasearch_workers.data.files import read_npz
from gasearch_workers.data.fit import fit
from gasearch_workers.data.folders import read_folder
from gasearch_workers.data.hugging_face import is_hugging_face, read_hugging_face
from gasearch_workers.data.idx import is_idx, read_idx
from gasearch_workers.data.labels import check_classes
from gasearch_workers.data.options import COLUMNS, DEFAULTS, FILES
from gasearch_workers.data.options import DataOptions as DataOptions
from gasearch_workers.data.parts import Parts
from gasearch_workers.data.rows import is_delimited
from gasearch_workers.data.source import Source, refuse
from gasearch_workers.data.splits import MOST_VALIDATION, TEST_SHARE, VALIDATION_SHARE, hold_out, hold_out_plain
from gasearch_workers.data.text_files import plain_stem
from gasearch_workers.data.torchvision_sets import is_torchvision, read_torchvision
from gasearch_workers.messages import NUMERIC_KINDS

BUILT_IN = {"digits": read_digits, "diabetes": read_diabetes}
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
        download: None where nothing may be downloaded, and a named source must be here already; else is told what is.

    Raises:
        NotDownloaded: if a named source is not here and may not be downloaded.
        DataError: if the source is unknown or can't be used.
    """
    found = _read(source, options, download)
    if found.kind != "tagging":
        refuse(options, ("tags",), f"{found.name}: tags belong to the kind 'tagging'")
    fitted = fit(found, _split(found, seed=seed))
    train, validation, test = fitted.splits
    mean, deviation = (0.0, 1.0)
    if found.kind in NUMERIC_KINDS:
        mean, deviation = target_moments(train.y)
        if deviation == 0:
            value = mean + found.target_offset
            raise DataError(f"{found.name}: expected a target that varies; got {value:g} for every training sample")
    return Dataset(
        name=found.name,
        kind=found.kind,
        input_kind=found.input_kind,
        train=train,
        validation=validation,
        test=test,
        outputs=found.outputs,
        categories=tuple(len(vocabulary) for vocabulary in fitted.vocabularies),
        labels=found.labels,
        tags=found.tags,
        columns=found.columns,
        vocabularies=fitted.vocabularies,
        missing_numbers=fitted.missing_numbers,
        offsets=found.offsets,
        target_offset=found.target_offset,
        formats=found.formats,
        missing=found.missing,
        is_boolean=found.is_boolean,
        is_lower=found.is_lower,
        target_mean=mean,
        target_deviation=deviation,
        notes=found.notes,
        fingerprint=found.fingerprint(),
    )


def is_named(source: str) -> bool:
    """Whether a source is the name of a public data set, which can be downloaded."""
    return is_torchvision(source) or is_hugging_face(source)


def _split(source: Source, *, seed: int) -> tuple[Split, Split, Split]:
    """Train, validation and test, the latter two as the source gives them or held out of the first."""
    cut = hold_out if source.kind == "classification" else hold_out_plain
    train, validation, test = source.parts.train, source.parts.validation, source.parts.test
    if test is None:
        train, test = cut(train, round(len(train) * TEST_SHARE), seed=seed, name=source.name)
    if validation is None:
        count = min(round(len(train) * VALIDATION_SHARE), MOST_VALIDATION)
        train, validation = cut(train, count, seed=seed + 1, name=source.name)
    if source.kind == "classification":
        for part, what in ((validation, "validation"), (test, "test")):
            where = f"{source.name}: the {what} part"
            check_classes(part, where, classes=source.outputs, labels=source.labels, train=source.parts.train)
    return train, validation, test


def _read(source: str, options: DataOptions, download: Notice | None) -> Source:
    if source in BUILT_IN:
        refuse(options, (*COLUMNS, *FILES, "channels"), f"{source} is read as it is")
        return _of_kind(BUILT_IN[source](), options)
    if is_torchvision(source):
        refuse(options, ("channels",), f"{source} is read as it is")
        return read_torchvision(source, options, download)
    if is_hugging_face(source):
        return read_hugging_face(source, options, download)
    path = Path(source).expanduser()
    if path.suffix != ".npz":
        refuse(options, ("channels",), f"{path}: only the images of an .npz may have their channels first or last")
    paths = Parts(
        path, *(None if part is None else Path(part).expanduser() for part in (options.validation, options.test))
    )
    if path.suffix == ".npz" or is_idx(path):
        refuse(options, (*COLUMNS, *FILES), f"{path}: arrays have no named columns and bring their test part along")
    if path.suffix == ".npz":
        return read_npz(path, kind=options.kind, channels=options.channels)
    if path.is_dir():
        return read_folder(path, options)
    if is_idx(path):
        return read_idx(path, kind=options.kind)
    if is_delimited(path):
        return read_delimited(plain_stem(path), paths, options)
    if is_conll(path):
        return read_tagged(plain_stem(path), paths, options)
    if path.exists() or path.suffix or len(path.parts) > 1:
        came = "the file is named otherwise" if path.exists() else "there is no such file or folder"
        raise DataError(f"{source}: expected {FORMATS}; {came}")
    raise DataError(f"unknown dataset {source!r}; {_suggestion(source)}")


def _of_kind(source: Source, options: DataOptions) -> Source:
    if options.kind not in (None, source.kind):
        raise DataError(f"{source.name} serves {source.kind}; got kind {options.kind!r}")
    return source


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, BUILT_IN, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(BUILT_IN)}, the path of a file or folder, torchvision:NAME and hf:NAME"
