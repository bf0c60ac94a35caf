"""An artifact: a folder with a network as ONNX Runtime takes it, at its packed size, and the story of both.

`model.onnx` is what runs, `model.gap` the packed file whose bytes are the search's `model_bytes`, and `model.json`
describes them. All are written under temporary names, then renamed, `model.json` last: it holds the hashes of the other
two, so an interrupted or altered artifact is known by them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from workers.integer import IntegerNetwork
from workers.messages import Blueprint
from workers.onnx_builder import output_name
from workers.onnx_graph import float_steps, to_onnx
from workers.packed import pack
from workers.steps import INPUT

FORMAT: Final = "gasearch artifact"
FORMAT_VERSION: Final = 1
ONNX_NAME, PACKED_NAME, DESCRIPTION_NAME = "model.onnx", "model.gap", "model.json"
_TEMPORARY = ".writing"  #: Suffix of a file that isn't complete.


class ArtifactError(ValueError):
    """A folder that is no artifact, or not the one that was written; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Where the parts of an artifact are."""

    directory: Path

    @property
    def onnx(self) -> Path:
        """The graph that ONNX Runtime runs."""
        return self.directory / ONNX_NAME

    @property
    def packed(self) -> Path:
        """The bit-packed network."""
        return self.directory / PACKED_NAME

    @property
    def description(self) -> Path:
        """What the other two are."""
        return self.directory / DESCRIPTION_NAME


def write_artifact(
    directory: Path | str, network: IntegerNetwork, *, blueprint: Blueprint, description: Mapping[str, Any]
) -> Artifact:
    """Write a network to a folder, which is made; an artifact that is there already is replaced.

    Args:
        directory: A new or empty folder, or that of an artifact.
        network: What to write.
        blueprint: What it was built from.
        description: JSON values that go into `model.json` under "description": metrics, recipe, data, versions.

    Raises:
        ArtifactError: if the folder holds anything else, or the description is no JSON.
        OSError: if the folder can't be written.
    """
    artifact = Artifact(directory=Path(directory))
    files = {ONNX_NAME: to_onnx(network).SerializeToString(deterministic=True), PACKED_NAME: pack(network)}
    described = _to_json(_describe(network, blueprint, description, files))
    require_free(directory)
    artifact.directory.mkdir(parents=True, exist_ok=True)
    # The description's temporary file is there from first to last: it marks an interrupted folder as ours.
    for name, content in {DESCRIPTION_NAME: described, **files}.items():
        _write_durably(artifact.directory / (name + _TEMPORARY), content)
    for name in (*files, DESCRIPTION_NAME):
        (artifact.directory / (name + _TEMPORARY)).replace(artifact.directory / name)
    return artifact


def require_free(directory: Path | str) -> None:
    """Refuse a folder that holds what we would not have written.

    Raises:
        ArtifactError: naming the folder.
        OSError: if it can't be read.
    """
    artifact = Artifact(directory=Path(directory))
    directory = artifact.directory
    if directory.exists() and not directory.is_dir():
        raise ArtifactError(f"{directory} is a file; an artifact needs a folder")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if (directory / (DESCRIPTION_NAME + _TEMPORARY)).exists():
        return
    try:
        _read_description(artifact)
    except ArtifactError as error:
        raise ArtifactError(
            f"{directory} is not empty and holds no artifact that could be replaced ({error}); choose a new folder"
        ) from error


def read_artifact(directory: Path | str) -> dict[str, Any]:
    """The content of `model.json`, after each file's size and hash were checked against it.

    Raises:
        ArtifactError: if a file is missing or another than was written, or the format is unknown.
    """
    artifact = Artifact(directory=Path(directory))
    content = _read_description(artifact)
    files = content.get("files")
    if not isinstance(files, dict) or sorted(files) != sorted((ONNX_NAME, PACKED_NAME)):
        listed = ", ".join(files) if isinstance(files, dict) else files
        raise ArtifactError(f"{artifact.description} must list the files {ONNX_NAME} and {PACKED_NAME}; got {listed}")
    for name, expected in files.items():
        _require_same(artifact.directory / name, expected)
    return content


def _describe(
    network: IntegerNetwork, blueprint: Blueprint, description: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    in_float = set(float_steps(network))
    last = network.plan.steps[-1]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "blueprint": asdict(blueprint),
        "input": {"name": INPUT, "shape": ["batch", *network.plan.input_shape], "dtype": network.input.dtype},
        "output": {"name": output_name(network.plan), "shape": ["batch", *last.output_shape], "dtype": "float32"},
        "steps": [
            {
                "name": step.name,
                "op": step.op,
                "input_bits": step.input_bits,
                "weight_bits": step.weight_bits if step.has_weights else None,
                "output_bits": step.output_bits,
                "computes_in": "float" if step.name in in_float else "integers",
            }
            for step in network.plan.steps
        ],
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
        "description": dict(description),
    }


def _to_json(content: Mapping[str, Any]) -> bytes:
    try:
        return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"the description can't be written as JSON: {error}") from error


def _read_description(artifact: Artifact) -> dict[str, Any]:
    path = artifact.description
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ArtifactError(f'{path} is no description of an artifact: it lacks "format": "{FORMAT}"')
    if content.get("format_version") != FORMAT_VERSION:
        found = content.get("format_version")
        raise ArtifactError(f"{path} has format version {found}; this program reads version {FORMAT_VERSION}")
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
