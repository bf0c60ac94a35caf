"""Individuals as DEAP has them, lists of genes with a fitness; no class is made at run time: searches share nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deap import base


class ConstrainedFitness(base.Fitness):  # type: ignore[misc]
    """Values to be maximized, and by how much the limits are missed: what keeps them is better than what doesn't.

    The weights are 1.0 each: a search hands over values of which more is better. `base.ConstrainedFitness` takes all
    that miss a limit for equal.
    """

    violation = 0.0  #: Sum of the relative excesses over the limits; 0 when all are met.
    crowding_dist = 0.0  #: Where `tools.assignCrowdingDist` leaves it.

    def __init__(self, values: Iterable[float] = (), violation: float = 0.0) -> None:
        """A fitness with these values; without any it isn't `valid`."""
        self.wvalues: tuple[float, ...] = tuple(values)
        if violation:
            self.violation = violation

    @property
    def weights(self) -> tuple[float, ...]:
        """1.0 for each of the values."""
        return (1.0,) * len(self.wvalues)

    @property
    def values(self) -> tuple[float, ...]:
        """The values, which are the `wvalues` as well."""
        return self.wvalues

    @values.setter
    def values(self, values: Iterable[float]) -> None:
        self.wvalues = tuple(values)

    @values.deleter
    def values(self) -> None:
        self.wvalues, self.violation = (), 0.0

    @property
    def is_feasible(self) -> bool:
        """Whether every limit is met."""
        return self.violation <= 0.0

    def dominates(self, other: ConstrainedFitness, obj: slice = slice(None)) -> bool:
        """Whether this is feasible and the other isn't, or misses less, or both are feasible and this one dominates."""
        if self.violation > 0.0 or other.violation > 0.0:
            return self.violation < other.violation
        return bool(super().dominates(other, obj))

    def __lt__(self, other: ConstrainedFitness) -> bool:
        """Less violation is greater, then values count in their order; the other comparisons follow from it."""
        return self._key < other._key

    def __le__(self, other: ConstrainedFitness) -> bool:
        """See `__lt__`."""
        return self._key <= other._key

    def __eq__(self, other: object) -> bool:
        """Equal values and violations."""
        return isinstance(other, ConstrainedFitness) and self._key == other._key

    def __hash__(self) -> int:
        """DEAP groups individuals by it."""
        return hash(self._key)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConstrainedFitness:
        """All that it holds is immutable."""
        return ConstrainedFitness(self.wvalues, self.violation)

    @property
    def _key(self) -> tuple[float, tuple[float, ...]]:
        return -max(self.violation, 0.0), self.wvalues


class Individual(list[int]):
    """One option index per decision, a candidate's number, and its fitness.

    It has these attributes and no others: what an operator left elsewhere on it would be gone after a resume.
    """

    __slots__ = ("fitness", "number", "operator")

    def __init__(
        self,
        genes: Iterable[int] = (),
        *,
        fitness: ConstrainedFitness | None = None,
        number: int = -1,
        operator: str = "",
    ) -> None:
        """An individual.

        Args:
            genes: Canonical, save in the hands of an operator.
            fitness: One without values where None.
            number: Of the candidate; -1: it is none yet.
            operator: What made it, where that has a name of its own; "" for that of the function.
        """
        super().__init__(genes)
        self.fitness = ConstrainedFitness() if fitness is None else fitness
        self.number, self.operator = number, operator

    @property
    def genes(self) -> tuple[int, ...]:
        """The genes alone."""
        return tuple(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Individual:
        """See `clone`."""
        return clone(self)


def clone(individual: Individual) -> Individual:
    """A copy for an operator to change: the genes and the fitness are its own, it is no candidate, and has no name."""
    fitness = individual.fitness
    return Individual(individual, fitness=ConstrainedFitness(fitness.wvalues, fitness.violation))
