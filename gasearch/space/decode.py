"""What a genome means: the network that a worker builds, or the choices that a custom evaluator takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gasearch_workers.messages import LAYER_FIELDS, Blueprint, Choices, Layer, Network
from gasearch_workers.network.families import FAMILIES

from gasearch.space.decisions import Space
from gasearch.space.genome import Genome

_FIELDS = frozenset(LAYER_FIELDS)


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
    kind = FAMILIES.get(space.family).kind_of(chosen[""].get("encoder", ""))
    layers = [
        _layer({"kind": kind, "stride": stride, **chosen[f"layer{number}"]})
        for number, stride in enumerate(space.strides[:count])
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


def _layer(chosen: dict[str, Any]) -> Layer:
    """The layer of what is decided of it; what not every kind may have goes to its extras."""
    if _FIELDS.issuperset(chosen):
        return Layer(**chosen)
    extras = tuple((name, chosen.pop(name)) for name in sorted(chosen.keys() - _FIELDS))
    return Layer(**chosen, extras=extras)


def _by_layer(marked: Sequence[int], space: Space) -> dict[str, dict[str, Any]]:
    """The options that express, by layer ("" for the network's own) and by the name that they have there."""
    chosen: dict[str, dict[str, Any]] = {"": {}}
    for gene, decision, (layer, name) in zip(marked, space.decisions, space.name_parts, strict=True):
        if gene >= 0:
            chosen.setdefault(layer, {})[name] = decision.options[gene]
    return chosen
