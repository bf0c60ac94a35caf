"""The generational policy: propose a whole generation, wait for all of it, keep the best of parents and children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gasearch.evolution.engine import Candidate, Scored
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.individual import Individual


class GenerationalEngine(Evolver):
    """An `Engine` in generations of `population` candidates: DEAP's `eaMuPlusLambda`, cut open at its evaluation.

    ::

        algorithms.eaMuPlusLambda, mu = lambda          here

        for gen in range(1, ngen + 1):                  while (candidate := engine.ask()) is not None:
            offspring = varOr(population, ...)              a child by `SeededToolbox.vary`, if new and admissible
            fitnesses = toolbox.map(                        workers evaluate it
                toolbox.evaluate, offspring)                engine.tell(scored)
            population[:] = toolbox.select(             after the last one of a generation:
                population + offspring, mu)                 kept = toolbox.select(kept + children, population)

    A candidate depends on the earlier generations and on the candidates before it in its own: neither the order of
    tells within a generation nor the moment of an ask changes it. So the same seed gives the same search with 1 or 16
    workers. A generation is shorter when nothing more that is new and admissible could be found; one without any
    candidate ends the search.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See `Evolver`."""
        super().__init__(*arguments, **options)
        self._generation = 0
        self._begun_at = 0  # number of this generation's first candidate
        self._is_short = False
        self._waiting: list[Scored] = []  # of this generation
        self._kept: Sequence[Individual] = ()

    def adopt(self, candidate: Candidate) -> None:
        """See `Engine.adopt`; the first one of the next generation says that the one before was short."""
        if candidate.generation > self._generation:
            self._is_short = True
            self._close_if_complete()
        super().adopt(candidate)

    @property
    def lookahead(self) -> int:
        """See `Engine.lookahead`: a whole generation, as none of it depends on the outcome of the rest."""
        return self._size

    @property
    def completed_generations(self) -> int:
        """See `Engine.completed_generations`."""
        return self._generation

    @property
    def until_closing(self) -> int:
        """See `Engine.until_closing`."""
        return max(1, len(self._pending))

    def _may_ask(self) -> bool:
        return not self._is_short and len(self._candidates) - self._begun_at < self._size

    def _find_nothing(self) -> None:
        self._is_short = True
        self._is_exhausted = len(self._candidates) == self._begun_at
        self._close_if_complete()

    def _generation_of(self, number: int) -> int:
        return self._generation

    def _survivors(self) -> Sequence[Individual]:
        return self._kept

    def _on_their_way(self) -> Sequence[int]:
        return range(self._begun_at, len(self._candidates))

    def _take_note(self, scored: Scored) -> None:
        self._waiting.append(scored)
        self._close_if_complete()

    def _close_if_complete(self) -> None:
        if self._pending or self._may_ask() or self._is_exhausted:
            return
        # By number, so that the order of arrival has no effect; of a candidate trained again, the newest counts.
        for scored in sorted(self._waiting, key=lambda scored: scored.number):
            self._learn(scored)
        changed = {scored.number for scored in self._waiting}
        parents = [kept for kept in self._kept if kept.number not in changed]
        children = [self._individual(number) for number in sorted(changed) if number in self._fitnesses]
        self._completed += len(self._waiting)
        self._kept = tuple(self._toolbox.select((*parents, *children), self._size, step=self._completed))
        self._waiting = []
        self._generation += 1
        self._begun_at = len(self._candidates)
        self._is_short = False
