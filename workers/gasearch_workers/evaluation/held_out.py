"""The test split that an artifact is judged by: that of the data it was made of, or a file that somebody names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gasearch_workers.data import BUILT_IN, is_named, load_dataset
from gasearch_workers.data.dataset import DataError, Split
from gasearch_workers.data.encoded import Encoding, read_split
from gasearch_workers.data.options import FILES, DataOptions
from gasearch_workers.evaluation.export import digest_of
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.description import VOCABULARY_NAME

NAME_A_FILE = "name a file of test samples with --data"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Samples that no search has seen, encoded as an artifact takes them."""

    split: Split
    source: str  #: Where they come from.
    is_same: bool  #: Whether they are those that the artifact's claims are about.


def held_out(
    directory: Path, content: Mapping[str, Any], file: str | None = None, *, source: Mapping[str, Any] | None = None
) -> HeldOut:
    """The test split of the data that `model.json` names, or the samples of a file.

    Args:
        directory: Of the artifact.
        content: Of its `model.json`.
        file: Read as a test split, in the artifact's own encoding; None: the data's own one.
        source: Where the data lie here, and the options they are read with, by somebody who is trusted. None: only sets
            that have a public name are looked for, as a path in a stranger's file is none to follow.

    Raises:
        ArtifactError: if the description lacks what it takes to encode samples.
        DataError: if the data or the file can't be read, or are others than the artifact's.
    """
    story = content["description"]
    data, made = story.get("data", {}), story.get("provenance", {})
    expected = made.get("test_digest")
    if file is None:
        split = _own(data, made.get("source", {}), source)
        return HeldOut(split=split, source=str(data.get("name")), is_same=expected in (None, digest_of(split)))
    split = read_split(file, _encoding(directory, content), _options(made.get("source", {}), with_files=False))
    return HeldOut(split=split, source=file, is_same=expected == digest_of(split))


def _own(data: Mapping[str, Any], told: Mapping[str, Any], source: Mapping[str, Any] | None) -> Split:
    """The test split of the data that an artifact was made of, which must be the same still."""
    name = str((source or told).get("dataset") or data.get("name"))
    if source is None and not (name in BUILT_IN or is_named(name)):
        raise DataError(
            f"there is no test split: where the data {name} lie only the database of its search knows; {NAME_A_FILE}"
        )
    options = _options(told, with_files=False) if source is None else _options(source)
    try:
        found = load_dataset(name, options)
    except (DataError, OSError) as error:
        raise DataError(f"there is no test split: {error}; {NAME_A_FILE}") from error
    if found.fingerprint != data.get("fingerprint"):
        raise DataError(
            f"there is no test split: the artifact was made of data with the fingerprint {data.get('fingerprint')}, "
            f"{name} now has {found.fingerprint}; {NAME_A_FILE}"
        )
    return found.test


def _options(source: Mapping[str, Any], *, with_files: bool = True) -> DataOptions:
    """How the artifact's own data were read."""
    known = {field.name for field in fields(DataOptions)}.difference(() if with_files else FILES)
    given: dict[str, Any] = {name: value for name, value in source.get("options", {}).items() if name in known}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return DataOptions(**given)


def _encoding(directory: Path, content: Mapping[str, Any]) -> Encoding:
    given, output, data = content["input"], content["output"], content["description"].get("data", {})
    if "kind" not in data:
        raise ArtifactError(f"{directory / 'model.json'} doesn't say what the network is for (description.data.kind)")
    vocabulary = given.get("vocabulary")
    if vocabulary and (vocabulary != VOCABULARY_NAME or vocabulary not in content["files"]):
        raise ArtifactError(
            f"{directory / 'model.json'} must name {VOCABULARY_NAME}, one of its files, as its vocabulary; got "
            f"{vocabulary!r}"
        )
    words = json.loads((directory / vocabulary).read_bytes()) if vocabulary else []
    return Encoding(
        kind=data["kind"],
        input_kind=given["kind"],
        shape=tuple(given["shape"][1:]),
        outputs=output["shape"][-1],
        labels=tuple(output["labels"]),
        tags=data.get("tags"),
        columns=tuple(given["columns"]),
        vocabularies=tuple(map(tuple, words)),
        missing_numbers=tuple(given.get("missing_numbers", ())),
        offsets=tuple(given.get("offsets", ())),
        is_boolean=tuple(given.get("is_boolean", ())),
        target_offset=output.get("offset", 0.0),
    )
