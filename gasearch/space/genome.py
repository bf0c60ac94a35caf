"""A genome: canonical genes with the key that names the network everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from gasearch.space.decisions import Genes, Space
from workers.messages import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """One point of the space. Equal networks have equal genes and equal keys, across spaces too."""

    genes: Genes  #: Canonical: 0 where a decision doesn't express.
    key: str  #: 12 hexadecimal digits.


def make_genome(genes: Sequence[int], space: Space) -> Genome:
    """The genome of any genes: canonical form and key."""
    canonical = space.canonical(genes)
    text = json.dumps([space.family, expressed_choices(canonical, space)], separators=(",", ":"))
    return Genome(genes=canonical, key=hashlib.blake2b(text.encode(), digest_size=6).hexdigest())


def expressed_choices(genes: Sequence[int], space: Space) -> dict[str, Scalar]:
    """Name and chosen option of each decision that expresses, in the space's order."""
    return {
        decision.name: decision.options[gene]
        for decision, gene, flag in zip(space.decisions, genes, space.expressed(genes), strict=True)
        if flag
    }
