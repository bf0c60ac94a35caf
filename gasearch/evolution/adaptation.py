"""Rates of the operators, adapted to what has paid so far: probability matching with a floor.

Thierens, "An adaptive pursuit strategy for allocating operator probabilities", 2005, compares such rules. Rewards fade,
so that the rates follow the phases of a search: what finds the front isn't what fills it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FLOOR = 0.25  #: Share of its prior that no rate goes below.
MEMORY = 200  #: Rewards after which one counts 1/e.
CAUTION = 8.0  #: Rewards that an operator needs before they say more than the mean of all.

LEAST = 1e-9  #: Rewards that have faded below it say nothing.


class OperatorRates:
    """How often to draw each operator, by name, in groups that share a budget: one draw is made from each group.

    Deterministic: a function of the rewards noted, in their order.
    """

    def __init__(self, *groups: Mapping[str, float]) -> None:
        """Rates that are the priors, as nothing was noted yet.

        Args:
            groups: Each with the names of alternatives and their prior shares; a name stands in one group only.

        Raises:
            ValueError: for a name in two groups, a share below 0, or a group without any above.
        """
        self._groups = [dict(group) for group in groups]
        names = [name for group in self._groups for name in group]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"an operator belongs to one group; {', '.join(twice)} came in several")
        for group in self._groups:
            if min(group.values(), default=0.0) < 0 or sum(group.values()) <= 0:
                raise ValueError(f"prior shares must be at least 0, and one above; got {group}")
        self._places = {name: place for place, name in enumerate(names)}
        self._sums = np.zeros((2, len(names)))  # faded sums of rewards, and of counts
        self._known_names: dict[str, list[int]] = {}  # places by an operator's text
        self._rates: dict[str, float] | None = None

    def note(self, operator: str, reward: float) -> None:
        """Credit an operator for what its child came to; names that aren't known earn nothing.

        Args:
            operator: As in `Candidate.operator`; the parts of a compound one, such as "crossover_genes+change_bits",
                share credit and count.
            reward: At least 0; e.g. 1 for a child that entered the front.
        """
        places = self._known_names.get(operator)
        if places is None:
            names = operator.split("+")
            places = self._known_names[operator] = [self._places[name] for name in names if name in self._places]
        if not places:
            return
        self._sums *= 1.0 - 1.0 / MEMORY
        for place in places:
            self._sums[0, place] += reward / len(places)
            self._sums[1, place] += 1.0 / len(places)
        self._rates = None

    def rates(self) -> dict[str, float]:
        """The rate of each operator; those of a group sum to what its priors sum to."""
        if self._rates is None:
            self._rates = {name: rate for group in self._groups for name, rate in self._matched(group).items()}
        return self._rates

    def _matched(self, group: Mapping[str, float]) -> dict[str, float]:
        """Priors weighted by mean reward, each at least `FLOOR` of its prior."""
        rewards, counts = (dict(zip(self._places, row, strict=True)) for row in self._sums.tolist())
        count = sum(counts[name] for name in group)
        reward = sum(rewards[name] for name in group)
        if reward < LEAST:
            return dict(group)
        mean = reward / count
        quality = {
            name: prior * (rewards[name] + CAUTION * mean) / (counts[name] + CAUTION) for name, prior in group.items()
        }
        share = (1.0 - FLOOR) * sum(group.values()) / sum(quality.values())
        return {name: FLOOR * prior + share * quality[name] for name, prior in group.items()}
