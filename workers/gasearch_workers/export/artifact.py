"""An artifact: a folder with a network as ONNX Runtime takes it, at its packed size, and the story of both.

`model.onnx` is what runs, `model.gap` the packed file whose bytes are the search's `model_bytes`, and `model.json`
describes them: how raw values become what the graph takes, what its outputs mean, each step, and which options of ONNX
Runtime's the graph needs beside the default ones (`session_options`: none, save with `recipe.full_range`). Where the
input has codes, `vocabulary.json` says what each stands for: a list per column, in the order of the codes. All are
written under temporary names, then renamed, `model.json` last: it holds the hashes of the others, so an interrupted or
altered artifact is known by them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from gasearch_workers.export.exporters import EXPORTERS, GAP, ONNX, is_plain
from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.onnx_graph import float_steps
from gasearch_workers.messages import Blueprint, blueprint_content
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.packed_layout import step_bytes
from gasearch_workers.network.steps import INPUT, Plan, Step

FORMAT: Final = "gasearch artifact"
FORMAT_VERSION: Final = 2
READABLE: Final = (1, FORMAT_VERSION)  #: Version 1 knew no vocabularies.
ONNX_NAME, PACKED_NAME, DESCRIPTION_NAME = *ONNX.files, *GAP.files, "model.json"
VOCABULARY_NAME: Final = "vocabulary.json"  #: Only where the input has codes and their meaning is known.
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
        vocabularies: For each column of codes, what each code stands for; empty where that is not known.
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
    for form in dict.fromkeys((ONNX.name, GAP.name, *formats)):
        files |= EXPORTERS.get(form).write(network, samples)
    if vocabularies:
        files[VOCABULARY_NAME] = _to_json([list(vocabulary) for vocabulary in vocabularies], indent=None)
    content = _describe(network, files, columns, labels)
    content["input"] |= encoding or {}
    content["output"] |= decoding or {}
    options = onnx.load_from_string(files[ONNX_NAME]).metadata_props
    described = _to_json(
        {"format": FORMAT, "format_version": FORMAT_VERSION, "blueprint": blueprint_content(blueprint)}
        | content
        | {"description": dict(description), "session_options": {entry.key: entry.value for entry in options}}
    )
    require_free(directory)
    outdated = _listed_files(directory) - files.keys()
    directory.mkdir(parents=True, exist_ok=True)
    # The description's temporary file is there from first to last: it marks an interrupted folder as ours.
    for name, written in {DESCRIPTION_NAME: described, **files}.items():
        _write_durably(directory / (name + _TEMPORARY), written)
    for name in (*files, DESCRIPTION_NAME):
        (directory / (name + _TEMPORARY)).replace(directory / name)
    for name in outdated:
        (directory / name).unlink(missing_ok=True)
    return directory


def require_forms(formats: Sequence[str], plan: Plan) -> None:
    """Refuse a form that can't hold a network, before anything is trained.

    Args:
        formats: Names of exporters.
        plan: Of the network.

    Raises:
        ArtifactError: naming the form, what it can't hold, and the forms that can.
        UnknownName: if there is no such exporter.
    """
    for name in formats:
        if reason := EXPORTERS.get(name).refusal(plan):
            able = [other for other in EXPORTERS.names() if not EXPORTERS.get(other).refusal(plan)]
            raise ArtifactError(f"{name} can't hold {reason}; forms that can hold this network: {', '.join(able)}")


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


def _require_fitting(network: IntegerNetwork, labels: Sequence[str], vocabularies: Sequence[Sequence[str]]) -> None:
    plan = network.plan
    if labels and len(labels) != plan.outputs:
        raise ArtifactError(f"a network with {plan.outputs} outputs needs as many labels; got {len(labels)}")
    sizes = tuple(len(vocabulary) for vocabulary in vocabularies)
    if vocabularies and sizes != plan.categories:
        raise ArtifactError(f"the vocabularies must have {plan.categories} entries, one per code; got {sizes}")


def _listed_files(directory: Path) -> set[str]:
    """Which of our files the artifact that is there now lists."""
    try:
        files = _read_description(directory).get("files")
    except ArtifactError:
        return set()
    ours = {VOCABULARY_NAME, *(file for name in EXPORTERS.names() for file in EXPORTERS.get(name).files)}
    return set(files) & ours if isinstance(files, dict) else set()


def _describe(
    network: IntegerNetwork, files: Mapping[str, bytes], columns: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    plan = network.plan
    in_float = set(float_steps(network))
    return {
        "input": {
            "name": INPUT,
            "shape": ["batch", *plan.input_shape],
            "dtype": network.input.dtype,
            "kind": plan.input_kind,
            "columns": list(columns),
            "categories": list(plan.categories),
            "vocabulary": VOCABULARY_NAME if VOCABULARY_NAME in files else None,
        },
        "output": {
            "name": output_name(plan),
            "shape": ["batch", *plan.steps[-1].output_shape],
            "dtype": "float32",
            "labels": list(labels),
        },
        "steps": [_describe_step(step, is_float=step.name in in_float) for step in plan.steps],
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }


def _describe_step(step: Step, *, is_float: bool) -> dict[str, Any]:
    return {
        "name": step.name,
        "op": step.op,
        "input_bits": step.input_bits,
        "weight_bits": step.weight_bits if step.has_weights else None,
        "output_bits": step.output_bits,
        "output_shape": list(step.output_shape),
        "weights": step.weights,
        "kept_weights": step.nonzeros,
        "bytes": step_bytes(step),
        "computes_in": "float" if is_float else "integers",
    }


def _to_json(content: object, *, indent: int | None = 2) -> bytes:
    try:
        return (json.dumps(content, indent=indent, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the description can't be written as JSON: {error}") from error


def _read_description(directory: Path) -> dict[str, Any]:
    path = directory / DESCRIPTION_NAME
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ArtifactError(f'{path} is no description of an artifact: it lacks "format": "{FORMAT}"')
    if content.get("format_version") not in READABLE:
        found, readable = content.get("format_version"), " and ".join(map(str, READABLE))
        raise ArtifactError(f"{path} has format version {found}; this program reads versions {readable}")
    return content


def _require_same(path: Path, expected: object) -> None:
    if not isinstance(expected, dict) or not {"bytes", "sha256"} <= expected.keys():
        raise ArtifactError(f"{DESCRIPTION_NAME} must give bytes and sha256 of {path.name}; got {expected!r}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}") from error
    if len(content) != expected["bytes"]:
        raise ArtifactError(f"{path} must have {expected['bytes']} bytes; it has {len(content)}")
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise ArtifactError(f"{path} was changed: its SHA-256 is not the one in {DESCRIPTION_NAME}")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
