"""The constraints that arithmetic decides, before any training."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.errors import SpecError
from gasearch.limits import Limit
from gasearch.space.decisions import Space
from gasearch.space.decode import decode
from gasearch.space.extremes import COST_METRICS, Extremes, cost_of
from gasearch.space.genome import Genome
from gasearch.units import format_quantity
from workers.measure.costs import costs
from workers.messages import Blueprint
from workers.plan import plan


class ArithmeticConstraints:
    """The limits on params, macs, flops, bops and model_bytes; the others, and a custom space's, are for training."""

    def __init__(
        self, limits: Sequence[Limit], space: Space, input_shape: tuple[int, ...] = (), outputs: int = 0
    ) -> None:
        """Constraints on a space.

        Args:
            limits: All of the spec's, in its order.
            space: What may be proposed.
            input_shape: Of one sample; unused by a custom space.
            outputs: Width of the head; unused by a custom space.
        """
        is_layered = space.depth is not None
        self._limits = [
            (position, limit) for position, limit in enumerate(limits) if is_layered and limit.metric in COST_METRICS
        ]
        self._space, self._input_shape, self._outputs = space, input_shape, outputs

    def violation(self, genome: Genome) -> float:
        """0 when every limit that arithmetic decides is met, else the sum of the relative excesses."""
        if not self._limits:
            return 0.0
        network = decode(genome, self._space, input_shape=self._input_shape, outputs=self._outputs)
        if not isinstance(network, Blueprint):
            return 0.0
        found = costs(plan(network))
        return sum(limit.violation(cost_of(found, limit.metric)) for _, limit in self._limits)

    def is_possible(self) -> bool:
        """False if some limit, taken alone, excludes every network of the space.

        Exact for upper limits; a lower limit is refused only where a bound on the dearest network excludes it.
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
        extremes = Extremes(space=self._space, input_shape=self._input_shape, outputs=self._outputs)
        return [
            f'constraints[{position}]: no network of this space can meet "{limit}"; {_nearest(limit, extremes)}'
            for position, limit in self._limits
            if not limit.is_met(_best_case(limit, extremes))
        ]


def _best_case(limit: Limit, extremes: Extremes) -> int:
    if limit.operator in ("<=", "<"):
        return cost_of(extremes.smallest(limit.metric).costs, limit.metric)
    return extremes.bound(limit.metric)


def _nearest(limit: Limit, extremes: Extremes) -> str:
    is_upper = limit.operator in ("<=", "<")
    network = extremes.smallest(limit.metric) if is_upper else extremes.largest(limit.metric)
    value = format_quantity(cost_of(network.costs, limit.metric), limit.metric, digits=6)
    return f"the {'smallest' if is_upper else 'largest'} has {limit.metric} {value}"
