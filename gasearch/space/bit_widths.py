"""The space of a trained network's bits: its decisions, the network that a choice of them means, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer, Scalar
from gasearch_workers.network.kinds.traced import has_own_precision, has_weights, name_of
from gasearch_workers.network.plan_builder import BRANCH_BITS

from gasearch.space.decisions import DataShape, Decision, Space
from gasearch.spec.spaces import BitsSpace

HEAD = "head"  #: The last layer, whose output is float.
TRAINED = "trained"  #: The decision with one option that tells the genomes of different trained networks apart.


def bits_space(asked: BitsSpace, data: DataShape) -> Space:
    """The decisions "conv1.weight_bits" of each layer with weights, and "conv1.activation_bits" of each precision.

    Args:
        asked: The section of the spec.
        data: With the trained network.

    Raises:
        ValueError: if it has none.
    """
    trained = data.trained
    if trained is None:
        raise ValueError("the space of family bits needs a trained network; got none")
    decisions = [Decision(name=TRAINED, options=(trained.trained,))]
    if asked.shared_activations:
        decisions.append(Decision(name="activation_bits", options=asked.activation_bits))
    for layer in trained.layers[:-1]:
        if has_weights(layer):
            decisions.append(Decision(name=f"{name_of(layer)}.weight_bits", options=asked.weight_bits))
        if has_own_precision(layer) and not asked.shared_activations:
            decisions.append(Decision(name=f"{name_of(layer)}.activation_bits", options=asked.activation_bits))
    decisions.append(Decision(name=f"{HEAD}.weight_bits", options=asked.weight_bits))
    return Space(family=asked.family, decisions=tuple(decisions), data=data)


def with_bits(trained: Blueprint, chosen: Mapping[str, Mapping[str, Any]]) -> Blueprint:
    """The trained network with chosen bits.

    What only additions read has the precision that summands have everywhere, unless their sum is float.

    Args:
        trained: At full precision.
        chosen: By layer ("" for what is decided once), the bits by their names.
    """
    shared = chosen[""].get("activation_bits")
    bits: dict[str, int] = {}

    def precision(layer: Layer) -> int:
        return int(chosen.get(name_of(layer), {}).get("activation_bits", shared or FULL_PRECISION))

    for layer in trained.layers[:-1]:
        if has_own_precision(layer):
            bits[name_of(layer)] = precision(layer)
        if layer.option("op") == "add":
            is_float = bits[name_of(layer)] == FULL_PRECISION
            for source in str(layer.option("inputs")).split(" "):
                bits.setdefault(source, FULL_PRECISION if is_float else BRANCH_BITS)
    layers = [
        replace(
            layer,
            weight_bits=chosen[name_of(layer)]["weight_bits"] if has_weights(layer) else FULL_PRECISION,
            activation_bits=bits[name_of(layer)] if layer.option("op") in ("conv", "linear", "add") else FULL_PRECISION,
        )
        for layer in trained.layers[:-1]
    ]
    head = replace(trained.layers[-1], weight_bits=chosen[HEAD]["weight_bits"])
    return replace(trained, layers=(*layers, head))


def bits_of(network: Blueprint) -> dict[str, Scalar]:
    """The names that the decisions of such a space have, with their values in this network."""
    *hidden, head = network.layers
    values: dict[str, Scalar] = {TRAINED: network.trained, f"{HEAD}.weight_bits": head.weight_bits}
    for layer in hidden:
        if layer.kind != "traced":
            continue
        values[f"{name_of(layer)}.weight_bits"] = layer.weight_bits
        values[f"{name_of(layer)}.activation_bits"] = layer.activation_bits
        if has_own_precision(layer):
            values["activation_bits"] = layer.activation_bits
    return values


def uniform_choices(space: Space) -> Iterator[tuple[int, ...]]:
    """Genes of the networks whose layers all have the same bits: from the most bits to the fewest."""
    most = max(space.sizes)
    for back in range(most):
        yield tuple(max(0, size - 1 - back) for size in space.sizes)


def digest_of(description: Mapping[str, Any]) -> str:
    """The digest of the trained network in data as `Dataset.describe` gives them; "" where there is none."""
    text = description.get("pretrained")
    return str(json.loads(text).get("trained", "")) if text else ""
