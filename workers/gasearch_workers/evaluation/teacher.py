"""A teacher's outputs on the training split: those of a network trained here once, or of an ONNX file.

They are taken before the search begins and travel with the data, so no worker ever runs a teacher. Nothing is
unpickled: graphs are run by ONNX Runtime, and what is kept on disk are plain arrays.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.evaluation.evaluate import Evaluator, versions
from gasearch_workers.export.artifact import DESCRIPTION_NAME, ONNX_NAME, ArtifactError, read_artifact
from gasearch_workers.export.description import VOCABULARY_NAME
from gasearch_workers.export.onnx_session import open_session, run_onnx
from gasearch_workers.machine.files import replaced
from gasearch_workers.messages import (
    FULL_PRECISION,
    Blueprint,
    EvaluationRequest,
    Fidelity,
    Recipe,
    Task,
    network_to_json,
)

LARGEST: Final = "largest"  #: As a recipe's teacher: the largest network of the space at full precision.

#: ONNX's names of the types in which data come.
_TYPES: Final = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int32)": "int32"}


class TeacherError(ValueError):
    """A teacher that can't teach these data: the message says what was expected and what came."""


def with_teacher(data: Dataset, outputs: NDArray[np.float32]) -> Dataset:
    """The data, their training split with a teacher's outputs."""
    return dataclasses.replace(data, train=dataclasses.replace(data.train, teacher=outputs))


# --- a teacher from a file --------------------------------------------------------------------------------------


def run_teacher(path: Path | str, data: Dataset) -> NDArray[np.float32]:
    """Outputs of an exported network (a folder) or of any ONNX file on the training split.

    Raises:
        TeacherError: if there is none, or it takes or gives what doesn't fit the data; before it is run on all.
    """
    path = Path(path).expanduser()
    graph = _read_graph(path, data)
    _require_input(graph, path, data)
    expected = output_shape(data)
    found = _run(graph, path, data.train.x[:2]).shape[1:]
    if found != expected[1:]:
        raise TeacherError(f"the teacher {path} gives outputs of shape {found}; the task needs {expected[1:]}")
    outputs = _run(graph, path, data.train.x)
    if not np.isfinite(outputs).all():
        raise TeacherError(f"the teacher {path} gives outputs that are no finite numbers")
    return outputs.astype(np.float32, copy=False)


def output_shape(data: Dataset) -> tuple[int, ...]:
    """Shape of the raw outputs of a network on the training split."""
    return (*data.train.y.shape, data.outputs)


def _read_graph(path: Path, data: Dataset) -> bytes:
    """The bytes of the graph; of an artifact after its hashes and its vocabularies were checked."""
    try:
        if path.exists() and not path.is_dir() and not path.is_file():
            raise TeacherError(f"the teacher {path} is neither a file nor a folder")  # a device, which may never end
        if not path.is_dir():
            if any(data.offsets) or data.target_offset:
                raise TeacherError(
                    f"the teacher {path} takes and gives numbers as they are; those of the data are taken minus an "
                    "offset (see gasearch check): expected an exported network, which says which"
                )
            return path.read_bytes()
        content = read_artifact(path)
        graph = (path / ONNX_NAME).read_bytes()
    except ArtifactError as error:
        raise TeacherError(f"the teacher {path} is no exported network: {error}") from error
    except OSError as error:
        raise TeacherError(f"the teacher {path} can't be read: {error.strerror}") from error
    blueprint = content.get("blueprint")
    categories = tuple(blueprint.get("categories", ())) if isinstance(blueprint, dict) else ()
    if categories != data.categories:
        raise TeacherError(
            f"the teacher {path / DESCRIPTION_NAME} was trained on codes of the numbers {categories}; "
            f"the data have {data.categories}"
        )
    _require_same_names(content, path, data)
    _require_same_offsets(content, path, data)
    return graph


def _require_same_offsets(content: dict[str, Any], path: Path, data: Dataset) -> None:
    """Refuse an artifact whose numbers are taken minus other offsets than those of the data."""
    offsets, offset = content["input"].get("offsets") or (), content["output"].get("offset", 0.0)
    are_equal = tuple(offsets) == data.offsets or not (any(offsets) or any(data.offsets))
    if not are_equal or offset != data.target_offset:
        raise TeacherError(
            f"the teacher {path} takes its numbers minus the offsets {offsets} and gives them minus {offset}; "
            f"those of the data are {data.offsets} and {data.target_offset}"
        )


def _require_same_names(content: dict[str, Any], path: Path, data: Dataset) -> None:
    """Refuse an artifact whose outputs, columns or codes stand for something else; their numbers are compared apart."""
    names = [
        ("output", content["output"].get("labels", ()), data.labels),
        ("column", content["input"].get("columns", ()), data.columns),
    ]
    if VOCABULARY_NAME in content["files"]:
        known = json.loads((path / VOCABULARY_NAME).read_bytes())
        names += [  # those of an artifact are cut to the words that it knows
            ("code", words, vocabulary[: len(words)])
            for words, vocabulary in zip(known, data.vocabularies, strict=True)
        ]
    for what, found, expected in names:
        if len(found) != len(expected):
            continue
        for number, (theirs, ours) in enumerate(zip(found, expected, strict=True)):
            if theirs != ours:
                raise TeacherError(
                    f"the teacher {path} was trained on other data: its {what} {number} stands for {theirs!r}, "
                    f"that of the data for {ours!r}"
                )


def _require_input(graph: bytes, path: Path, data: Dataset) -> None:
    try:
        session = open_session(graph)
    except Exception as error:  # ONNX Runtime raises types of its own for whatever is wrong with a file
        raise TeacherError(f"the teacher {path} is no graph that ONNX Runtime runs: {_first_line(error)}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise TeacherError(
            f"the teacher {path} must have one input and one output; it has {len(inputs)} and {len(outputs)}"
        )
    found, kind = tuple(inputs[0].shape[1:]), _TYPES.get(inputs[0].type, inputs[0].type)
    expected, expected_kind = data.input_shape, str(data.train.x.dtype)
    is_equal = len(found) == len(expected) and all(
        not isinstance(ours, int) or ours == theirs for ours, theirs in zip(found, expected, strict=True)
    )
    if not is_equal or kind != expected_kind:
        raise TeacherError(
            f"the teacher {path} takes samples of shape {found} in {kind}; "
            f"the data have shape {expected} in {expected_kind}"
        )


def _run(graph: bytes, path: Path, x: NDArray[Any]) -> NDArray[np.float32]:
    try:
        return run_onnx(graph, x)
    except Exception as error:  # see above
        raise TeacherError(f"the teacher {path} doesn't run on the data: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]


# --- a teacher of our own ---------------------------------------------------------------------------------------


def train_teacher(
    network: Blueprint,
    data: Dataset,
    recipe: Recipe,
    *,
    seed: int,
    device: str,
    folder: Path,
    notice: Callable[[str], None],
) -> NDArray[np.float32]:
    """Outputs on the training split of a network trained by the recipe, without a teacher of its own.

    They are kept in the folder: the same network, recipe, seed, data, versions and device are trained once.

    Args:
        network: The teacher.
        data: Of the search.
        recipe: Of the search.
        seed: Of the training.
        device: Where to train.
        folder: Where outputs are kept.
        notice: Takes what takes long.

    Raises:
        TeacherError: if the network can't be trained.
    """
    recipe = dataclasses.replace(recipe, teacher=None, is_inheriting=False)
    path = folder / f"{_fingerprint(network, data, recipe, seed, device)}.npy"
    known = _read_known(path, output_shape(data))
    if known is not None:
        return known
    notice("training the teacher: the largest network of the space, once")
    evaluator = Evaluator(data, device=device)
    request = EvaluationRequest(
        key="teacher",
        attempt=1,
        network=network,
        recipe=recipe,
        task=Task(kind=data.kind, dataset=data.name, data_fingerprint=data.fingerprint),
        seed=seed,
        fidelity=Fidelity(epochs=recipe.epochs),
    )
    try:
        outputs = evaluator.training_outputs(request)
    except (ArithmeticError, MemoryError) as error:
        raise TeacherError(f"the largest network of the space can't be trained as a teacher: {error}") from error
    try:
        with replaced(path) as file:
            np.save(file, outputs, allow_pickle=False)
    except OSError as error:
        notice(f"the teacher's outputs can't be kept in {folder}: {error.strerror}; it is trained again next time")
    return outputs


def at_full_precision(network: Blueprint) -> Blueprint:
    """The network without what makes it small: quantization, pruning and factoring."""
    full = FULL_PRECISION
    layers = (
        dataclasses.replace(layer, weight_bits=full, activation_bits=full, sparsity=0.0, rank=1.0)
        for layer in network.layers
    )
    return dataclasses.replace(network, layers=tuple(layers))


def _fingerprint(network: Blueprint, data: Dataset, recipe: Recipe, seed: int, device: str) -> str:
    """16 hexadecimal digits over all that the outputs depend on."""
    known = (network_to_json(network), dataclasses.asdict(recipe), seed, data.fingerprint, versions(), device)
    return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=8).hexdigest()


def _read_known(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The outputs that were kept; None where there are none, or something else."""
    try:
        with path.open("rb") as file:
            outputs = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_whole = isinstance(outputs, np.ndarray) and outputs.shape == shape and outputs.dtype == np.float32
    return cast("NDArray[np.float32]", outputs) if is_whole else None
