"""Whether a stored candidate is what it says: genes, network and key of one and the same point of the space."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gasearch_workers.messages import Choices, Network, network_from_json, network_to_json

from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.genome import make_genome


def disagreement(genes: Sequence[int], key: str, network_json: str, space: Space) -> str | None:
    """How a candidate's genes, read in the space of its search, differ from the network that is stored with them.

    They do where the candidate was proposed in another space: with the decisions in another order, or other choices.

    Returns:
        The end of a sentence about the candidate; None where they agree.
    """
    if len(genes) != len(space.sizes) or not all(
        0 <= gene < size for gene, size in zip(genes, space.sizes, strict=True)
    ):
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
    """Whether a text is that network, perhaps written by a version that knew fewer keys.

    Choices are compared as text, as 1, 1.0 and true make other networks.
    """
    try:
        stored = network_from_json(network_json)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    if isinstance(network, Choices) and isinstance(stored, Choices):
        one, other = (json.dumps(each.as_dict(), sort_keys=True) for each in (network, stored))
        return one == other
    return network == stored
