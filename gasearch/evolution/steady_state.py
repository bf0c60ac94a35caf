"""The steady-state policy: each candidate knows every outcome that was told before it, so that no worker ever waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gasearch.evolution.engine import Scored
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.individual import Individual
from gasearch.evolution.selection import RankedPool

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
        self._newest: dict[int, None] = {}  # numbers, in the order in which they were told first
        self._members: set[int] = set()  # of the front
        self._pool = RankedPool()  # of both
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
    def until_closing(self) -> int:
        """See `Engine.until_closing`."""
        return self._size - self._tells % self._size

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
            pool = self._pool if self._toolbox.ranks else self._listed()
            self._kept = tuple(self._toolbox.select(pool, self._size, step=self._changes))
        return self._kept

    def _listed(self) -> list[Individual]:
        """The pool: the front, then the newest outcomes in the order in which they were told."""
        earlier = sorted(number for number in self._members if number not in self._newest)
        return [self._pool[number] for number in (*earlier, *self._newest)]

    def _on_their_way(self) -> Sequence[int]:
        return sorted(self._pending)

    def _take_note(self, scored: Scored) -> None:
        self._tells += 1
        change = self._learn(scored)
        if change is None:
            return
        self._changes += 1
        self._kept = None
        touched = {scored.number, *change.entered, *change.left}
        self._members.update(change.entered)
        self._members.difference_update(change.left)
        if scored.number == next(reversed(self._fitnesses)):
            self._newest[scored.number] = None
            if len(self._newest) > RECENT * self._size:
                oldest = next(iter(self._newest))
                del self._newest[oldest]
                touched.add(oldest)
        for number in touched:
            if number not in self._newest and number not in self._members:
                self._pool.drop(number)
            elif number == scored.number or number not in self._pool:
                self._pool.put(self._individual(number))
