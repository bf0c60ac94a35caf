"""What is better: a measurement as fitness, under objectives and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gasearch_workers.messages import Failure, Measurement, Outcome

from gasearch.objectives.constraints import Limit, total_violation
from gasearch.objectives.metrics import spread_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A metric to maximize or minimize."""

    metric: str
    is_maximized: bool

    def wvalue(self, value: float) -> float:
        """The value as something of which more is better."""
        return value if self.is_maximized else -value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """One value per objective, greater is better, finite; and by how much the limits are missed."""

    values: tuple[float, ...]
    violation: float = 0.0  #: Sum of the relative excesses over the limits; 0 when all are met.
    spreads: tuple[float, ...] = ()  #: Half the width of each value's interval, 0 where it is exact; (): all exact.

    @property
    def is_feasible(self) -> bool:
        """Whether every limit is met."""
        return self.violation <= 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontChange:
    """How one outcome changed the Pareto front (candidate numbers)."""

    entered: tuple[int, ...] = ()
    left: tuple[int, ...] = ()


class MissingMetric(KeyError):
    """An objective or a limit names a metric that the measurement doesn't have."""


def fitness_of(outcome: Outcome, objectives: Sequence[Objective], limits: Sequence[Limit]) -> Fitness | None:
    """The fitness of an outcome; None for a failure, which has none. Limits on times are judged with their spread.

    Args:
        outcome: Of a training.
        objectives: Decide the values, in their order.
        limits: Decide the violation.

    Raises:
        MissingMetric: if a measurement lacks a metric of an objective or limit.
    """
    match outcome:
        case Failure():
            return None
        case Measurement():
            metrics = outcome.metrics()
            needed = [objective.metric for objective in objectives] + [limit.metric for limit in limits]
            for name in needed:
                if name not in metrics:
                    raise MissingMetric(f"{name} was not measured; there are {', '.join(sorted(metrics))}")
            return Fitness(
                values=tuple(objective.wvalue(metrics[objective.metric]) for objective in objectives),
                violation=total_violation(limits, metrics),
                spreads=spreads_of(objectives, metrics),
            )


def spreads_of(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Half the width of each value's interval; () where all are exact."""
    spreads = tuple([max(0.0, metrics.get(spread_of(objective.metric), 0.0)) for objective in objectives])
    return spreads if any(spreads) else ()
