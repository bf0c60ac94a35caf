"""What arithmetic knows of a genome's network, before any training."""

from __future__ import annotations

from collections.abc import Mapping

from gasearch_workers.messages import Blueprint
from gasearch_workers.network.costs import costs
from gasearch_workers.network.plan import plan

from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.extremes import COST_METRICS, cost_of
from gasearch.space.genome import Genome

MOST_KNOWN = 4096  #: Genomes remembered: limits, surrogate and early stopping ask of the same one in turn.


class NetworkCosts:
    """The `COST_METRICS` of the networks of a space; those of a custom space's points nobody knows."""

    def __init__(self, space: Space) -> None:
        """Costs that nobody has asked for yet."""
        self._space = space
        self._known: dict[str, Mapping[str, int]] = {}

    def of(self, genome: Genome) -> Mapping[str, int]:
        """Each of the `COST_METRICS` of a genome's network; empty for a point of a custom space."""
        if self._space.data is None:
            return {}
        known = self._known.get(genome.key)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[genome.key] = self._count(genome)
        return known

    def _count(self, genome: Genome) -> Mapping[str, int]:
        network = decode(genome, self._space)
        assert isinstance(network, Blueprint), "a space with data has networks made of layers"
        found = costs(plan(network))
        return {metric: cost_of(found, metric) for metric in COST_METRICS}
