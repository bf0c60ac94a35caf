"""The constraints that arithmetic decides, before any training."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.errors import SpecError
from gasearch.objectives.constraints import Limit
from gasearch.objectives.units import format_quantity
from gasearch.space.bounds import lower_bound, upper_bound
from gasearch.space.costs import NetworkCosts
from gasearch.space.decisions import Space
from gasearch.space.extremes import COST_METRICS, Extremes, cost_of
from gasearch.space.genome import Genome


class ArithmeticConstraints:
    """The limits on the `COST_METRICS`; the others, and a custom space's, are for training."""

    def __init__(self, limits: Sequence[Limit], space: Space, costs: NetworkCosts | None = None) -> None:
        """Constraints on a space.

        Args:
            limits: All of the spec's, in its order.
            space: What may be proposed.
            costs: Of the space's networks, where others ask for them too.
        """
        is_layered = space.data is not None
        self._limits = [
            (position, limit) for position, limit in enumerate(limits) if is_layered and limit.metric in COST_METRICS
        ]
        self._space = space
        self._costs = costs or NetworkCosts(space)

    def violation(self, genome: Genome) -> float:
        """0 when every limit that arithmetic decides is met, else the sum of the relative excesses."""
        if not self._limits:
            return 0.0
        found = self._costs.of(genome)
        return sum(limit.violation(found[limit.metric]) for _, limit in self._limits)

    def is_possible(self) -> bool:
        """False if some limit, taken alone, excludes every network of the space.

        Exact for upper limits where layers aren't compressed; else a limit is refused only where a bound excludes it.
        """
        return not self._impossible()

    def require_possible(self) -> None:
        """Refuse limits that no network can meet.

        Raises:
            SpecError: naming each such limit and the network that comes nearest to it.
        """
        problems = self._impossible()
        if problems:
            raise SpecError("\n".join(problems))

    def _impossible(self) -> list[str]:
        return [
            f'constraints[{position}]: no network of this space can meet "{limit}"; {reason}'
            for position, limit in self._limits
            if (reason := _why_impossible(limit, self._space))
        ]


def _why_impossible(limit: Limit, space: Space) -> str:
    """What the network that comes nearest to a limit has; "" where some network may meet it."""
    extremes = Extremes(space=space)
    network = extremes.smallest(limit.metric) if limit.is_upper else extremes.largest(limit.metric)
    found = cost_of(network.costs, limit.metric)
    if limit.is_met(found):
        return ""
    bound = lower_bound(space, limit.metric) if limit.is_upper else upper_bound(space, limit.metric)
    if limit.is_met(bound):
        return ""
    value = format_quantity(found, limit.metric, digits=6)
    return f"the {'smallest' if limit.is_upper else 'largest'} has {limit.metric} {value}"
