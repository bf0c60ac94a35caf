"""The steady-state policy: each candidate knows every outcome that was told before it, so that no worker ever waits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from gasearch.evolution.engine import Scored
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.individual import Individual

RECENT = 3  #: The newest so many populations of outcomes compete with the front for survival.


class SteadyStateEngine(Evolver):
    """An `Engine` without a barrier: `eaMuPlusLambda` (see `GenerationalEngine`) with a generation of each outcome.

    What it proposes depends on the order in which outcomes are told: a resume adopts and tells in the recorded order.
    Survivors are selected from the front and the newest outcomes: a function of what was told, not of when was asked,
    so that a long history need not be selected from again step by step.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See `Evolver`."""
        super().__init__(*arguments, **options)
        self._tells = 0
        self._changes = 0  # of the pool: outcomes with a fitness
        self._kept: Sequence[Individual] | None = None  # None: to be selected

    @property
    def lookahead(self) -> int:
        """See `Engine.lookahead`."""
        return 0

    @property
    def completed_generations(self) -> int:
        """See `Engine.completed_generations`: a generation is as many outcomes as the population has members."""
        return self._tells // self._size

    @property
    def _completed(self) -> int:
        return self._tells

    def _may_ask(self) -> bool:
        return True

    def _find_nothing(self) -> None:
        self._is_exhausted = True

    def _generation_of(self, number: int) -> int:
        return number // self._size

    def _survivors(self) -> Sequence[Individual]:
        if self._kept is None:
            self._kept = tuple(self._toolbox.select(self._pool(), self._size, step=self._changes))
        return self._kept

    def _pool(self) -> list[Individual]:
        """The front, then the newest outcomes in the order in which they were told."""
        newest = list(islice(reversed(self._fitnesses), RECENT * self._size))[::-1]
        known = set(newest)
        elders = [number for number in self._front.numbers if number not in known]
        return [self._individual(number) for number in (*elders, *newest)]

    def _on_their_way(self) -> Sequence[int]:
        return sorted(self._pending)

    def _take_note(self, scored: Scored) -> None:
        self._tells += 1
        self._learn(scored)
        if scored.fitness is not None:
            self._changes += 1
            self._kept = None
