"""An artifact's network as a torch module."""

from __future__ import annotations

import json
from pathlib import Path

from gasearch_workers.export.artifact import DESCRIPTION_NAME, WEIGHTS_NAME, ArtifactError, read_artifact
from gasearch_workers.messages import Blueprint, network_from_json
from gasearch_workers.modules.deployed import DeployedNetwork, StoredWeightsError, from_safetensors
from gasearch_workers.network.plan import PlanError, plan
from gasearch_workers.network.registry import UnknownName


def load_network(directory: Path | str) -> DeployedNetwork:
    """The network of an artifact, in evaluation mode; nothing is unpickled.

    It takes raw samples (B, *input_shape), and gives what the network gave in the search, bit for bit: logits (B,
    outputs), of a tagger (B, tokens, tags), or predictions (B, 1). In training mode its weights and biases learn on;
    its grids stay, and its normalization is part of the weights.

    Raises:
        ArtifactError: if the folder is no artifact, was altered, or holds no weights.
    """
    directory = Path(directory)
    content = read_artifact(directory)
    if WEIGHTS_NAME not in content["files"]:
        raise ArtifactError(f"{directory} holds no {WEIGHTS_NAME}: export it again with this version")
    try:
        network = network_from_json(json.dumps(content["blueprint"]))
        if not isinstance(network, Blueprint):
            raise ArtifactError(f"{directory} holds no network of layers")
        return from_safetensors((directory / WEIGHTS_NAME).read_bytes(), plan(network))
    except (StoredWeightsError, PlanError, UnknownName) as error:
        raise ArtifactError(f"{directory / WEIGHTS_NAME}: {error}") from error
    except (KeyError, TypeError, AttributeError, ArithmeticError, IndexError, MemoryError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"the blueprint in {directory / DESCRIPTION_NAME} is none of ours ({what})") from error
