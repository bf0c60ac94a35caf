"""The steady-state policy: each candidate knows every outcome that came before it, so that no worker ever waits."""

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

    What it proposes depends on the order of the outcomes: a resume takes them in the recorded order.
    Survivors are selected from the front and the newest outcomes: a function of what was completed, not of when was
    asked, so that a long history need not be selected from again step by step.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See `Evolver`."""
        super().__init__(*arguments, **options)
        self._changes = 0  # of the pool: outcomes with a fitness
        self._newest: dict[int, None] = {}  # numbers, in the order in which they were first completed
        self._members: set[int] = set()  # of the front
        self._pool = RankedPool()  # of both
        self._kept: Sequence[Individual] | None = None  # None: to be selected

    def _survivors(self) -> Sequence[Individual]:
        if self._kept is None:
            pool = self._pool if self._toolbox.ranks else self._listed()
            self._kept = tuple(self._toolbox.select(pool, self._size, step=self._changes))
        return self._kept

    def _listed(self) -> list[Individual]:
        """The pool: the front, then the newest outcomes in their order."""
        earlier = sorted(number for number in self._members if number not in self._newest)
        return [self._pool[number] for number in (*earlier, *self._newest)]

    def _take_note(self, scored: Scored) -> None:
        self._completed += 1
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
