"""The packed file and the stored weights, computed by torch: the network as it was trained, fake-quantized."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gasearch_workers.export.artifact import read_packed

Run = Callable[[NDArray[Any]], NDArray[Any]]  #: Outputs of raw samples (B, *input_shape).


def version() -> str:
    """Of torch."""
    return metadata.version("torch")


def packed_version() -> str:
    """Of what reads the packed file, which torch then computes."""
    return f"with torch {version()}"


def open_packed(directory: Path) -> Run:
    """What runs the network of `model.gap`.

    Raises:
        ArtifactError: if it can't be read.
    """
    from gasearch_workers.modules.deployed import DeployedNetwork  # torch: only whoever runs it waits for it

    return DeployedNetwork.of(read_packed(directory)).run


def open_weights(directory: Path) -> Run:
    """What runs the network of `model.safetensors`.

    Raises:
        ArtifactError: if it can't be read.
    """
    from gasearch_workers.export.torch_module import load_network

    return load_network(directory).run
