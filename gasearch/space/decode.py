"""The network that a genome means, or the choices that a custom evaluator takes; and whether a stored one agrees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gasearch_workers.messages import (
    LAYER_FIELDS,
    Blueprint,
    Choices,
    Layer,
    Network,
    network_from_json,
    network_to_json,
)
from gasearch_workers.network.families import FAMILIES

from gasearch.space.bit_widths import with_bits
from gasearch.space.decisions import Space
from gasearch.space.genome import Genome, make_genome

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
    if space.trained is not None:
        return with_bits(space.trained, chosen)
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


def disagreement(genes: Sequence[int], key: str, network_json: str, space: Space) -> str | None:
    """Say how a candidate's genes, read in the space of its search, differ from the network that is stored with them.

    They do where the candidate was proposed in another space: with the decisions in another order, or other choices.

    Args:
        genes: As they are stored.
        key: Of the stored network.
        network_json: The stored network.
        space: Of the search.

    Returns:
        The end of a sentence about the candidate; None where they agree.
    """
    sizes = space.sizes
    if len(genes) != len(sizes) or not all(0 <= gene < size for gene, size in zip(genes, sizes, strict=True)):
        return f"has genes {list(genes)}, which the space of its search doesn't have"
    genome = make_genome(genes, space)
    network = decode(genome, space)
    text = network_to_json(network)
    if text != network_json and not _is_that(network, network_json):
        return f"has genes {list(genes)}, which are the network {text}, and is stored as {network_json}"
    if genome.key != key:
        return f"has genes {list(genes)}, which are the network {genome.key}, and is stored as {key}"
    return None


def _is_that(network: Network, network_json: str) -> bool:
    """True if a text is that network, perhaps written by a version that knew fewer keys.

    Choices are compared as text, as 1, 1.0 and true make other networks.
    """
    try:
        stored = network_from_json(network_json)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    if isinstance(network, Choices) and isinstance(stored, Choices):
        return json.dumps(network.as_dict(), sort_keys=True) == json.dumps(stored.as_dict(), sort_keys=True)
    return network == stored
