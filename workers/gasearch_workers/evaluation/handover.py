"""The files of a network that was just evaluated, for a command of the user's that measures it on a device."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gasearch_workers.data.dataset import Dataset
from gasearch_workers.evaluation.evaluate import Trained, versions
from gasearch_workers.evaluation.export import SAMPLES, decoding_of, encoding_of
from gasearch_workers.export.artifact import write_artifact
from gasearch_workers.messages import Blueprint, EvaluationRequest


def artifact_files(
    request: EvaluationRequest, trained: Trained, data: Dataset, formats: Sequence[str] = ()
) -> tuple[tuple[str, bytes], ...]:
    """Names and contents of the artifact, as `export` writes it; `model.json` has the network's key, no test scores.

    Args:
        request: The evaluation.
        trained: What came of it.
        data: That it was trained on.
        formats: Names of exporters beside those of every artifact.

    Raises:
        ArtifactError: if a form can't hold the network.
        UnknownName: if there is no such exporter.
        OSError: if the temporary folder has no room.
    """
    blueprint = request.network
    assert isinstance(blueprint, Blueprint)
    with tempfile.TemporaryDirectory(prefix="gasearch-") as name:
        folder = write_artifact(
            Path(name, "network"),
            trained.network,
            blueprint=blueprint,
            samples=data.validation.x[:SAMPLES],
            description={
                "key": request.key,
                "seed": request.seed,
                "recipe": asdict(request.recipe),
                "versions": versions(),
                "claimed": trained.measurement.metrics(),
            },
            labels=data.labels,
            columns=data.columns,
            vocabularies=data.vocabularies,
            encoding=encoding_of(data),
            decoding=decoding_of(data),
            formats=formats,
        )
        return tuple((path.name, path.read_bytes()) for path in sorted(folder.iterdir()))
