"""The networks that a search begins with, as genomes: `start.designs` of the spec, read and held against its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit
from gasearch.objectives.units import format_quantity
from gasearch.space.costs import NetworkCosts
from gasearch.space.decisions import Space
from gasearch.space.encode import encode
from gasearch.space.genome import Genome
from gasearch.spec.explain import path_text


def starting_genomes(designs: Sequence[Mapping[str, Any]], limits: Sequence[Limit], space: Space) -> tuple[Genome, ...]:
    """The genomes of the designs in their order, each network once.

    Raises:
        SpecError: with every problem on a line of its own: what a design has that the space hasn't, and limits that it
            misses by arithmetic.
    """
    found: dict[str, Genome] = {}
    costs = NetworkCosts(space)
    problems: list[str] = []
    for number, design in enumerate(designs):
        path = ("start", "designs", number)
        try:
            genome = encode(design, space, path)
        except SpecError as error:
            problems.append(str(error))
            continue
        found.setdefault(genome.key, genome)
        problems += [f"{path_text(path)}: {text}" for text in _missed_limits(genome, limits, costs)]
    if problems:
        raise SpecError("\n".join(problems))
    return tuple(found.values())


def _missed_limits(genome: Genome, limits: Sequence[Limit], costs: NetworkCosts) -> Iterator[str]:
    """A sentence for each limit that arithmetic says the network misses; a custom space's are for its evaluator."""
    known = costs.of(genome)
    for limit in limits:
        if limit.metric in known and not limit.is_met(known[limit.metric]):
            value = format_quantity(known[limit.metric], limit.metric, digits=6)
            yield f'the network has {limit.metric} {value}, which misses "{limit}": change it or the limit'
