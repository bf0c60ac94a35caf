"""A limit on a metric, as specs (`constraints`) and questions (`--where`) write it: "model_bytes <= 64 KB".

A measured time comes with its spread, and a limit on it holds for the pessimistic end: a network keeps
"latency_ms <= 2" if latency_ms + latency_spread_ms is at most 2, and "latency_ms >= 2" if latency_ms -
latency_spread_ms is at least 2. Without a spread, the value alone is compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gasearch.errors import SpecError
from gasearch.objectives.units import format_quantity, parse_quantity

Operator = Literal["<=", ">=", "<", ">"]

#: Metrics that are measured with a spread, and the metric that says it, in the same unit.
SPREADS: Final = {"latency_ms": "latency_spread_ms"}
_PATTERN = re.compile(r"^\s*([A-Za-z_]\w*)\s*(<=|>=|<|>)\s*(.+?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """metric operator bound, the bound in the metric's native unit."""

    metric: str
    operator: Operator
    bound: float

    @property
    def is_upper(self) -> bool:
        """Whether the value may not exceed the bound; else it may not fall below it."""
        return self.operator in ("<=", "<")

    def value_in(self, metrics: Mapping[str, float]) -> float | None:
        """What a network puts against the bound: the metric's pessimistic end; None if it lacks the metric."""
        value = metrics.get(self.metric)
        spread = metrics.get(SPREADS.get(self.metric, ""), 0.0)
        if value is None or not spread:
            return value
        return value + spread if self.is_upper else value - spread

    def is_kept_by(self, metrics: Mapping[str, float]) -> bool:
        """Whether a network with these metrics keeps the limit; one that lacks the metric does not."""
        value = self.value_in(metrics)
        return value is not None and bool(self.is_met(value))

    def is_met(self, value: Any) -> Any:
        """Whether a value of the metric keeps the limit; of an array, or a column of SQL, whether each does."""
        match self.operator:
            case "<=":
                return value <= self.bound
            case "<":
                return value < self.bound
            case ">=":
                return value >= self.bound
            case ">":
                return value > self.bound

    def violation(self, value: float) -> float:
        """0 when met, else the excess relative to the bound (absolute where the bound is 0), always above 0."""
        if self.is_met(value):
            return 0.0
        excess = abs(value - self.bound) / (abs(self.bound) or 1.0)
        return max(excess, 1e-12)

    def __str__(self) -> str:
        """The limit as a user would write it; `parse_limit` reads exactly this limit from it."""
        for text in (format_quantity(self.bound, self.metric), format_quantity(self.bound, self.metric, digits=9)):
            if parse_quantity(text, metric=self.metric) == self.bound:
                return f"{self.metric} {self.operator} {text}"
        return f"{self.metric} {self.operator} {self.bound!r}"


def total_violation(limits: Iterable[Limit], metrics: Mapping[str, float]) -> float:
    """The sum of the violations of those limits whose metrics a network has, times judged with their spread."""
    judged = ((limit, limit.value_in(metrics)) for limit in limits)
    return sum(limit.violation(value) for limit, value in judged if value is not None)


def parse_limit(text: str) -> Limit:
    """Read "metric <= number unit".

    Raises:
        SpecError: if the text is no limit, saying what one looks like.
    """
    found = _PATTERN.match(text)
    if found is None:
        raise SpecError(f'a limit reads like "latency_ms <= 2" or "model_bytes <= 64 KB"; got {text!r}')
    metric, operator, quantity = found.groups()
    return Limit(metric=metric, operator=operator, bound=parse_quantity(quantity, metric=metric))  # type: ignore[arg-type]
