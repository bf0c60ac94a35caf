"""From an evaluation to files: train once more, write the artifact, and measure what was written."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from gasearch_workers.data.dataset import PLAIN, Dataset, Split
from gasearch_workers.data.tags import read_tags
from gasearch_workers.data.tokens import TOKEN
from gasearch_workers.evaluation.deployed import footprint_of
from gasearch_workers.evaluation.evaluate import Evaluator, versions
from gasearch_workers.export.artifact import (
    ArtifactError,
    require_free,
    write_artifact,
)
from gasearch_workers.export.exporters import C99, TFLITE
from gasearch_workers.export.forms import chosen_forms, left_out_forms
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.export.packed_reader import PackedFormatError, unpack
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.measure.footprint import CPUS, Footprint
from gasearch_workers.measure.latency import calibrate, measure_latency, sample_input
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import NUMERIC_KINDS, Blueprint, EvaluationRequest
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.plan import plan
from gasearch_workers.runtimes.tflite_micro import arena_bytes
from gasearch_workers.training.reports import confusion, threshold_table
from gasearch_workers.training.resident import target_of

SAMPLES = 16  #: Of the validation split, that forms get which come with some.
LIBRARIES: Final = ("torch", "numpy", "onnx", "onnxruntime", "safetensors")  #: That made an artifact, and measured it.


def export(
    request: EvaluationRequest,
    directory: Path,
    *,
    evaluator: Evaluator,
    data: Dataset,
    claimed: Mapping[str, float],
    formats: Sequence[str] | None = None,
    is_symmetric: bool = False,
    provenance: Mapping[str, Any] | None = None,
    packed: bytes | None = None,
) -> Path:
    """Train the request's network as its evaluation did, from scratch, and write it to a folder.

    `model.json` holds what the search claims beside what the written graph gives: every score of the task on the
    validation and the test split, run by ONNX Runtime, and its latency here; for each class, or type of entity, of the
    test split precision, recall, F1 and support; the names of the classes; and how a raw sample is encoded, as
    `docs/deploy.md` shows; where all of it comes from. What each code of the input stands for is in `vocabulary.json`.

    Args:
        request: The evaluation.
        directory: A new or empty folder, or that of an artifact.
        evaluator: Trains the network.
        data: What it is trained on.
        claimed: The metrics that the search has of it.
        formats: Names of exporters beside those of every artifact; see `chosen_forms`.
        is_symmetric: See `chosen_forms`, too.
        provenance: JSON values of where the network comes from, which only the caller knows.
        packed: The network as a packed file, where it was trained by this request before; None: it is trained now.

    Raises:
        ArtifactError: if the folder holds something else, or a form can't hold the network; before the training.
        UnknownName: if there is no such exporter; before the training, too.
        OSError: if the folder can't be written.
        Diverged, MemoryError: if what the search could train can't be trained here.
    """
    require_free(directory)
    blueprint = request.network
    assert isinstance(blueprint, Blueprint)
    forms = chosen_forms(formats, plan(blueprint), is_symmetric=is_symmetric)
    request = replace(request, recipe=replace(request.recipe, is_inheriting=False))
    network = evaluator.train(request).network if packed is None else _unpacked(packed)
    graph = to_onnx(network).SerializeToString()
    steps = network.plan
    sample = sample_input(steps.input_shape, network.input.dtype, steps.categories)
    latency = measure_latency(graph, sample, calibration=calibrate())
    target = target_of(data)
    known, outputs = run_onnx(graph, data.validation.x), run_onnx(graph, data.test.x)
    description: dict[str, Any] = {
        "key": request.key,
        "seed": request.seed,
        "recipe": asdict(request.recipe),
        "data": data.describe(),
        "versions": versions(),
        "claimed": dict(claimed),
        "measured": {
            **_named("validation", target.score(known, data.validation.truth)),
            **_named("test", target.score(outputs, data.test.truth)),
            "latency_ms": latency.latency_ms,
            "latency_spread_ms": latency.spread_ms,
            "latency_device": latency.device,
            **_arena(network, forms),
        },
        **_firmware(network, forms),
        **({"left_out_forms": left_out} if (left_out := left_out_forms(formats, steps)) else {}),
        "test_classes": target.report_classes(outputs, data.test.truth),
        **_reports(known, outputs, data),
        "provenance": {
            **(provenance or {}),
            "seeds": {"training": request.seed, **(provenance or {}).get("seeds", {})},
            "versions": {**(provenance or {}).get("versions", {}), **library_versions()},
            "data_fingerprint": data.fingerprint,
            "test_digest": digest_of(data.test),
        },
    }
    write_artifact(
        directory,
        network,
        blueprint=blueprint,
        samples=data.validation.x[:SAMPLES],
        description=description,
        labels=data.labels,
        columns=data.columns,
        vocabularies=data.vocabularies,
        encoding=encoding_of(data),
        decoding=decoding_of(data),
        formats=forms,
    )
    return directory


def _unpacked(packed: bytes) -> IntegerNetwork:
    try:
        return unpack(packed)
    except PackedFormatError as error:
        raise ArtifactError(f"the network that was trained before can't be read by this version: {error}") from error


def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that an artifact's numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def digest_of(split: Split) -> str:
    """16 hexadecimal digits over a split's samples and what is to be told of them."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (split.x, split.truth):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _reports(known: NDArray[Any], outputs: NDArray[Any], data: Dataset) -> dict[str, Any]:
    """How a classifier errs: its confusion on the test split, and for two classes what thresholds change."""
    if data.kind != "classification":
        return {}
    found: dict[str, Any] = {"test_confusion": confusion(outputs, data.test.y)}
    if outputs.shape[1] == 2:
        found["thresholds"] = threshold_table((known, data.validation.y), (outputs, data.test.y))
    return found


def encoding_of(data: Dataset) -> dict[str, Any]:
    """Everything, besides the vocabularies and columns, that it takes to encode a raw sample as the data were.

    Of all: what the axes are. Of sentences: the regular expression of a token, and whether words are in lower case. Of
    tables, for each numeric column: what stands for a missing number in the graph's input, and what every other number
    is taken minus of before it is float32. Of tables from text files: the cells that hold no number, how each numeric
    column writes its numbers, and which columns of categories are of true and false in any case.
    """
    match data.input_kind:
        case "tokens":
            axes = ["batch", "tokens", "codes"][: data.train.x.ndim]
            return {"axes": axes, "token_pattern": TOKEN.pattern, "is_lower": data.is_lower}
        case "table":
            return {
                "axes": ["batch", "columns"],
                "missing_numbers": list(data.missing_numbers),
                "offsets": list(data.offsets) or [0.0] * len(data.missing_numbers),
                "missing": list(data.missing),
                "formats": [
                    {"decimal": form.decimal, "removed": list(form.removed)}
                    for form in data.formats or [PLAIN] * len(data.missing_numbers)
                ],
                "is_boolean": list(data.is_boolean),
            }
        case "image":
            return {"axes": ["batch", "channels", "height", "width"]}
        case "ids":
            return {"axes": ["batch", "user and item"]}


def decoding_of(data: Dataset) -> dict[str, Any]:
    """Everything, besides the labels, that it takes to read the outputs.

    Of numbers: what is added to a prediction, in float64. Of tags: for each label the role of a token in its entity (B
    it begins, I goes on, E ends, S is that token alone, O there is none) and the entity's type, in whatever scheme they
    are spelt.
    """
    if data.kind == "tagging":
        return {"tags": [list(tag) for tag in read_tags(data.labels, data.tags)]}
    return {"offset": data.target_offset} if data.kind in NUMERIC_KINDS else {}


def _arena(network: IntegerNetwork, forms: Sequence[str]) -> dict[str, int]:
    """Memory that TFLite Micro takes beside the TFLite file, where that is written and TFLite Micro is here."""
    found = arena_bytes(to_tflite(network)) if TFLITE.name in forms else None
    return {} if found is None else {"arena_bytes": found}


def _firmware(network: IntegerNetwork, forms: Sequence[str]) -> dict[str, Any]:
    """What the C form takes on each CPU, where it is written and a cross compiler is here."""
    if C99.name not in forms or toolchain() is None:
        return {}
    return {"firmware": [_known(footprint_of(network, cpu)) for cpu in CPUS]}


def _known(found: Footprint) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if value not in (None, {})}


def _named(split: str, scores: Mapping[str, float]) -> dict[str, float]:
    return {f"{split}_{name}": value for name, value in scores.items()}
