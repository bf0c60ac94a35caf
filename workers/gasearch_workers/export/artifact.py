"""An artifact: a folder with a network in the forms that others run, and the story of it.

`model.onnx` is what runs, `model.gap` the packed file whose bytes are the search's `model_bytes`, `model.safetensors`
the weights of its torch module, and `model.json` describes them: how raw values become what the graph takes, what its
outputs mean, each step, and which options of ONNX Runtime's the graph needs beside the default ones
(`session_options`: none, save with `recipe.full_range`). Where the input has codes, `vocabulary.json` says what each
that the network knows stands for: a list per column, in the order of the codes. `README.md` is its model card,
`predict.py` a program that predicts. All are written under temporary names, then renamed, `model.json` last: it holds
the hashes of the others, so an interrupted or altered artifact is known by them. Of several programs that write into
one folder one is last, and its artifact is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from gasearch_workers.export.description import VOCABULARY_NAME, describe, describe_files, known_codes
from gasearch_workers.export.exporters import ALWAYS, EXPORTERS, GAP, ONNX, SAFETENSORS, is_plain
from gasearch_workers.export.model_card import model_card
from gasearch_workers.export.packed_reader import PackedFormatError, unpack
from gasearch_workers.export.predict_program import predict_program
from gasearch_workers.machine.files import alone_in
from gasearch_workers.messages import Blueprint, blueprint_content
from gasearch_workers.network.integer import IntegerNetwork

FORMAT: Final = "gasearch artifact"
FORMAT_VERSION: Final = 3
#: Version 1 knew no vocabularies, version 2 no model card and no weights, and its vocabularies had words of no vector.
READABLE: Final = (1, 2, FORMAT_VERSION)
ONNX_NAME, PACKED_NAME, WEIGHTS_NAME, DESCRIPTION_NAME = *ONNX.files, *GAP.files, *SAFETENSORS.files, "model.json"
CARD_NAME, PROGRAM_NAME = "README.md", "predict.py"
VERIFICATION_NAME: Final = "verification.json"  #: Written by whoever verifies; none of the artifact's own files.
MOST_DESCRIPTION_BYTES: Final = 2**26  #: Of a `model.json` that is read.
_TEMPORARY = ".writing"  #: Suffix of a file that isn't complete.


class ArtifactError(ValueError):
    """A folder that is no artifact, or not the one that was written; the message names the file and what is wrong."""


def write_artifact(
    directory: Path | str,
    network: IntegerNetwork,
    *,
    blueprint: Blueprint,
    samples: NDArray[Any],
    description: Mapping[str, Any],
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
    vocabularies: Sequence[Sequence[str]] = (),
    encoding: Mapping[str, Any] | None = None,
    decoding: Mapping[str, Any] | None = None,
    formats: Sequence[str] = (),
) -> Path:
    """Write a network to a folder, which is made; an artifact that is there already is replaced.

    Args:
        directory: A new or empty folder, or that of an artifact.
        network: What to write.
        blueprint: What it was built from.
        samples: A few raw samples of its data (B, *input_shape), for forms that come with some.
        description: JSON values that go into `model.json` under "description": metrics, recipe, data, versions.
        labels: Names of the outputs (classes, tags) in their order, where they have any.
        columns: Names of a table's features in their order, where they have any.
        vocabularies: For each column of codes, what each code stands for; empty where that is not known. Those that the
            network has no vector for are left out.
        encoding: JSON values that go into `model.json` under "input": what else is to be known to encode a raw sample.
        decoding: The same under "output": what else is to be known to read the outputs.
        formats: Names of further `exporters`, each of which writes a file of its own.

    Raises:
        ArtifactError: if the folder holds anything else, the description is no JSON, or the labels or vocabularies are
            not as many as the network's outputs or codes.
        UnknownName: if there is no such exporter.
        OSError: if the folder can't be written.
    """
    directory = Path(directory)
    _require_fitting(network, labels, vocabularies)
    files: dict[str, bytes] = {}
    notes: dict[str, Mapping[str, Any]] = {}
    for exporter in map(EXPORTERS.get, dict.fromkeys((*(form.name for form in ALWAYS), *formats))):
        files |= exporter.write(network, samples)
        notes |= dict.fromkeys(exporter.files, exporter.notes(network.plan))
    if vocabularies:
        known = zip(vocabularies, known_codes(network.plan), strict=True)
        files[VOCABULARY_NAME] = _to_json([list(words[:count]) for words, count in known], indent=None)
    described = describe(network, files, columns, labels)
    described["input"] |= encoding or {}
    described["output"] |= decoding or {}
    options = onnx.load_from_string(files[ONNX_NAME]).metadata_props
    content = (
        {"format": FORMAT, "format_version": FORMAT_VERSION, "blueprint": blueprint_content(blueprint)}
        | described
        | {"description": dict(description), "session_options": {entry.key: entry.value for entry in options}}
    )
    _to_json(content)  # What is no JSON is refused before a card is made of it.
    files[PROGRAM_NAME] = predict_program(content).encode()
    files[CARD_NAME] = model_card(content | {"files": describe_files(files, notes)}).encode()
    _write_files(directory, files, _to_json(content | {"files": describe_files(files, notes)}))
    return directory


def _write_files(directory: Path, files: Mapping[str, bytes], described: bytes) -> None:
    """Put all files in place of those of an earlier artifact, whole or not at all."""
    require_free(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with alone_in(directory) as sync:
        require_free(directory)  # again: others may have filled it meanwhile
        outdated = _listed_files(directory) - files.keys()
        # The description's temporary file is there from first to last: it marks an interrupted folder as ours.
        written = {DESCRIPTION_NAME: described, **files}
        try:
            for name, content in written.items():
                _write_durably(directory / (name + _TEMPORARY), content)
        except OSError:  # a full disk: what was there is whole, and gets its room back
            _remove(directory / (name + _TEMPORARY) for name in (*files, DESCRIPTION_NAME))
            raise
        for name in files:
            (directory / (name + _TEMPORARY)).replace(directory / name)
        sync()
        (directory / (DESCRIPTION_NAME + _TEMPORARY)).replace(directory / DESCRIPTION_NAME)
        _remove(directory / name for name in (*outdated, VERIFICATION_NAME))  # what was verified is another one
        _remove(directory / (name + _TEMPORARY) for name in _own_names())  # of one that was interrupted
        sync()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def require_free(directory: Path | str) -> None:
    """Refuse a folder that holds what we would not have written.

    Raises:
        ArtifactError: naming the folder.
        OSError: if it can't be read.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ArtifactError(f"{directory} is a file; an artifact needs a folder")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if (directory / (DESCRIPTION_NAME + _TEMPORARY)).exists():
        return
    try:
        _read_description(directory)
    except ArtifactError as error:
        raise ArtifactError(
            f"{directory} is not empty and holds no artifact that could be replaced ({error}); choose a new folder"
        ) from error


def read_artifact(directory: Path | str) -> dict[str, Any]:
    """The content of `model.json`, after each file's size and hash were checked against it.

    Raises:
        ArtifactError: if a file is missing or another than was written, or the format is unknown.
    """
    directory = Path(directory)
    _require_exported(directory)
    content = _read_description(directory)
    files = content.get("files")
    if not isinstance(files, dict) or not files.keys() >= {ONNX_NAME, PACKED_NAME} or not all(map(is_plain, files)):
        listed = ", ".join(files) if isinstance(files, dict) else files
        raise ArtifactError(
            f"{directory / DESCRIPTION_NAME} must list the files {ONNX_NAME} and {PACKED_NAME}; got {listed}"
        )
    for name, expected in files.items():
        _require_same(directory / name, expected)
    return content


def read_packed(directory: Path | str) -> IntegerNetwork:
    """The network in the artifact's packed file.

    Raises:
        ArtifactError: if it can't be read.
    """
    path = Path(directory) / PACKED_NAME
    try:
        return unpack(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}") from error
    except PackedFormatError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _require_exported(directory: Path) -> None:
    """Refuse a folder in which nothing was exported, saying what writes one."""
    path = directory / DESCRIPTION_NAME
    try:
        path.lstat()
    except NotADirectoryError:
        came = f"{directory} is a file, not a folder"
    except FileNotFoundError:
        came = f"no {path.name} in {directory}" if directory.exists() else f"there is no folder {directory}"
    except OSError:
        return  # whoever reads it says why it can't be read
    else:
        return
    raise ArtifactError(f"no exported folder: {came}; export makes one: gasearch export NAME KEY -o DIR")


def _require_fitting(network: IntegerNetwork, labels: Sequence[str], vocabularies: Sequence[Sequence[str]]) -> None:
    steps = network.plan
    if labels and len(labels) != steps.outputs:
        raise ArtifactError(f"a network with {steps.outputs} outputs needs as many labels; got {len(labels)}")
    sizes = tuple(len(vocabulary) for vocabulary in vocabularies)
    if vocabularies and sizes != steps.categories:
        raise ArtifactError(f"the vocabularies must have {steps.categories} entries, one per code; got {sizes}")


def _listed_files(directory: Path) -> set[str]:
    """Which of our files the artifact that is there now lists, or one whose writing was interrupted."""
    found: set[str] = set()
    for name in (DESCRIPTION_NAME, DESCRIPTION_NAME + _TEMPORARY):
        with contextlib.suppress(ArtifactError):
            files = _read_description(directory, name).get("files")
            found.update(files if isinstance(files, dict) else ())
    return found & _own_names()


def _own_names() -> set[str]:
    """Of all files that an artifact may have, save its description."""
    forms = (file for name in EXPORTERS.names() for file in EXPORTERS.get(name).files)
    return {VOCABULARY_NAME, CARD_NAME, PROGRAM_NAME, *forms}


def _to_json(content: object, *, indent: int | None = 2) -> bytes:
    try:
        return (json.dumps(content, indent=indent, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the description can't be written as JSON: {error}") from error


def _read_description(directory: Path, name: str = DESCRIPTION_NAME) -> dict[str, Any]:
    path = directory / name
    text = _read_own(path, MOST_DESCRIPTION_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ArtifactError(f'{path} is no description of an artifact: it lacks "format": "{FORMAT}"')
    if content.get("format_version") not in READABLE:
        found, newest = content.get("format_version"), READABLE[-1]
        is_newer = isinstance(found, int) and found > newest
        advice = "; a newer gasearch wrote it: pip install --upgrade gasearch" if is_newer else ""
        raise ArtifactError(f"{path} has format version {found}; this program reads versions 1 to {newest}{advice}")
    return content


def _require_same(path: Path, expected: object) -> None:
    if not isinstance(expected, dict) or not {"bytes", "sha256"} <= expected.keys():
        raise ArtifactError(f"{DESCRIPTION_NAME} must give bytes and sha256 of {path.name}; got {expected!r}")
    content = _read_own(path)
    if len(content) != expected["bytes"]:
        raise ArtifactError(f"{path} must have {expected['bytes']} bytes; it has {len(content)}")
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise ArtifactError(f"{path} was changed: its SHA-256 is not the one in {DESCRIPTION_NAME}")


def _read_own(path: Path, most: int | None = None) -> bytes:
    """A file of the folder itself: nothing that a link leads to, and nothing whose end may never come."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ArtifactError(f"{path} must be a file of the folder itself; it is a link, a folder or a device")
        if most is not None and found.st_size > most:
            raise ArtifactError(f"{path} has {found.st_size} bytes; one of ours has at most {most}")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}") from error


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
