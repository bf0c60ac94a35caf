"""Values of a front made comparable over its metrics: where the middle lies between the least and the greatest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from gasearch.objectives.fitness import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A metric's scale over a front: by factors where all values are above 0, save shares of which more is better.

    Between networks of 400 B and 40 KB, one of 4 KB lies in the middle; between accuracies of 0.9 and 0.98, 0.94 does.
    """

    is_by_factors: bool
    extent: (
        float  #: From the least to the greatest value, of the logarithms where it is by factors; 1 where they agree.
    )

    @classmethod
    def of(cls, values: Sequence[float], *, is_maximized: bool | None) -> Scale:
        """The scale that these values span."""
        low, high = min(values, default=0.0), max(values, default=0.0)
        is_by_factors = low > 0 and not (is_maximized and high <= 1)
        extent = log(high / low) if is_by_factors else high - low
        return cls(is_by_factors=is_by_factors, extent=extent or 1.0)

    def difference(self, first: float, second: float) -> float:
        """By how much the first value is the greater one, in extents of the front; below 0 where it is the lesser."""
        if self.is_by_factors and first > 0 and second > 0:
            return log(first / second) / self.extent
        return (first - second) / self.extent


def is_share(objective: Objective, values: Sequence[float]) -> bool:
    """Says that more is better, up to 1."""
    return objective.is_maximized and min(values, default=0.0) >= 0 and max(values, default=0.0) <= 1


def weighed(objective: Objective, values: Sequence[float]) -> list[float]:
    """A front's values on their scale, as wvalues."""
    scale = Scale.of(values, is_maximized=objective.is_maximized)
    return [objective.wvalue(log(value) if scale.is_by_factors else value) for value in values]
