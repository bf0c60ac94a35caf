"""What a genome means: the network that a worker builds, or the choices that a custom evaluator takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gasearch_workers.messages import Blueprint, Choices, Layer, LayerKind, Network

from gasearch.space.decisions import Space
from gasearch.space.genome import Genome
from gasearch.space.strides import strides

#: The kind of all layers where it is no decision of each.
KINDS: Final[dict[str, LayerKind]] = {"mlp": "linear", "recommender": "linear", "transformer": "transformer"}
#: What the options of the decision "encoder" make of all layers.
ENCODERS: Final[dict[str, LayerKind]] = {
    "pool": "linear",
    "conv": "conv1d",
    "gru": "gru",
    "transformer": "transformer",
}


def decode(genome: Genome, space: Space) -> Network:
    """The network of a genome; a custom space gives the choices of its decisions."""
    return network_of(space.marked(genome.genes), space)


def network_of(marked: Sequence[int], space: Space) -> Network:
    """The network of genes with -1 wherever a decision doesn't express."""
    if space.data is None:
        chosen_options = zip(marked, space.decisions, strict=True)
        return Choices(values=tuple((d.name, d.options[gene]) for gene, d in chosen_options if gene >= 0))
    chosen = _by_layer(marked, space)
    count = space.layer_count(marked)
    kind = ENCODERS.get(chosen[""].get("encoder", ""), KINDS.get(space.family, "linear"))
    layers = [
        Layer(**{"kind": kind, "stride": stride, **chosen[f"layer{number}"]})
        for number, stride in enumerate(strides(space.data.input_shape if space.family == "cnn" else (), count))
    ]
    if "embedding" in chosen:
        layers.insert(0, Layer(kind="embedding", rows=chosen[""].get("vocabulary", 0), **chosen["embedding"]))
    layers.append(Layer(kind="linear", width=space.data.outputs, **chosen["head"]))
    return Blueprint(
        family=space.family,
        input_shape=space.data.input_shape,
        layers=tuple(layers),
        categories=space.data.categories,
        is_regression=space.data.is_regression,
    )


def _by_layer(marked: Sequence[int], space: Space) -> dict[str, dict[str, Any]]:
    """The options that express, by layer ("" for the network's own) and by the name that they have there."""
    chosen: dict[str, dict[str, Any]] = {"": {}}
    for gene, decision, (layer, name) in zip(marked, space.decisions, space.name_parts, strict=True):
        if gene >= 0:
            chosen.setdefault(layer, {})[name] = decision.options[gene]
    return chosen
