"""A genome: canonical genes with the key that names the network everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from gasearch.space.decisions import Genes, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """One point of the space. Equal networks have equal genes and equal keys, across spaces too."""

    genes: Genes  #: Canonical: 0 where a decision doesn't express.
    key: str  #: 12 hexadecimal digits.


def make_genome(genes: Sequence[int], space: Space) -> Genome:
    """The genome of any genes: canonical form and key."""
    marked = space.marked(genes)
    members = [text[gene] for gene, text in zip(marked, space.option_texts, strict=True) if gene >= 0 and text[gene]]
    # The JSON of [family, {name: option of what expresses}] from prepared pieces: several times faster than json.dumps.
    text = f"[{json.dumps(space.family)},{{{','.join(members)}}}]"
    key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return Genome(genes=tuple([gene if gene >= 0 else 0 for gene in marked]), key=key)
