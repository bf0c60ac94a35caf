"""Measured networks as NumPy columns: what they are chosen by, without an object for each.

NumPy takes a tenth of a second to load, so that readers import this where they need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gasearch.objectives.constraints import SPREADS, Limit
from gasearch.objectives.fitness import Objective
from gasearch.storage.columns import OutcomeColumns

Column = npt.NDArray[np.float64]


def judged_by(limits: Iterable[Limit]) -> list[str]:
    """The metrics by which limits are judged: each one's own, and its spread where it has one."""
    return [name for limit in limits for name in (limit.metric, SPREADS.get(limit.metric)) if name is not None]


def kept(limits: Iterable[Limit], metrics: Mapping[str, Column]) -> npt.NDArray[np.bool_] | None:
    """Which rows of columns keep all limits, as `Limit.is_kept_by` judges: one that lacks a metric does not.

    Returns:
        None where there is no limit.
    """
    flags: npt.NDArray[np.bool_] | None = None
    for limit in limits:
        value, spread = metrics[limit.metric], metrics.get(SPREADS.get(limit.metric, ""))
        if spread is not None:
            width = np.nan_to_num(spread, nan=0.0)
            value = value + width if limit.is_upper else value - width
        flags = limit.is_met(value) if flags is None else flags & limit.is_met(value)
    return flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Some measured networks of a search, each by the newest of its trainings."""

    numbers: npt.NDArray[np.int64]  #: (networks,) of the candidates.
    metrics: dict[str, Column]  #: (networks,) each, in native units; NaN where it wasn't measured.

    @classmethod
    def of(cls, outcomes: OutcomeColumns) -> Measured:
        """All measured ones among a search's outcomes, in the order of arrival."""
        chosen = np.asarray(outcomes.is_newest, dtype=bool) & np.asarray(outcomes.is_measured, dtype=bool)
        return cls(
            numbers=np.asarray(outcomes.candidates, dtype=np.int64)[chosen],
            metrics={name: np.asarray(column)[chosen] for name, column in outcomes.metrics.items()},
        )

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.numbers)

    def within(self, limits: Iterable[Limit]) -> Measured:
        """Those that keep all limits."""
        flags = kept(limits, self.metrics)
        return self if flags is None else self._take(flags)

    def having(self, metrics: Iterable[str]) -> Measured:
        """Those of which all these metrics were measured."""
        known = np.ones(len(self), dtype=bool)
        for name in metrics:
            known &= ~np.isnan(self.metrics[name])
        return self._take(known)

    def wvalues(self, objectives: Sequence[Objective]) -> Column:
        """(networks, objectives), greater is better."""
        return np.stack([one.wvalue(1.0) * self.metrics[one.metric] for one in objectives], axis=1)

    def widths(self, spreads: Iterable[str]) -> Column:
        """(networks, spreads) what some spreads say; 0 where a value is exact."""
        widths = np.stack([self.metrics[name] for name in spreads], axis=1)
        return np.maximum(0.0, np.nan_to_num(widths, nan=0.0))

    def best(self, orders: Sequence[Objective], count: int) -> list[int]:
        """The numbers of the best by the first of these metrics, of equals by the next ones, then by number."""
        keys = [-one.wvalue(1.0) * self.metrics[one.metric] for one in orders]
        order = np.lexsort((self.numbers, *keys[::-1]))[:count]
        return [int(number) for number in self.numbers[order]]

    def _take(self, chosen: npt.NDArray[np.bool_]) -> Measured:
        return Measured(
            numbers=self.numbers[chosen], metrics={name: column[chosen] for name, column in self.metrics.items()}
        )
