"""Ties among the members of a plain front, kept up as they come and go.

The rule stands in `gasearch.objectives.dominance`. A change touches what it dismisses, what that had dismissed, and so
on: mostly next to nothing, so that nothing is compared twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

import numpy as np

from gasearch.objectives.dominance import Array, Flags, dominated_within, standing
from gasearch.objectives.fitness import Fitness, FrontChange


class Ties:
    """Which members of a plain front stay where values are intervals; each member has a slot."""

    def __init__(self, members: Mapping[int, Fitness]) -> None:
        """Judge a whole plain front, by number."""
        size = len(members)
        objectives = max((len(fitness.values) for fitness in members.values()), default=1)
        self._slots = {number: slot for slot, number in enumerate(members)}
        self._free: list[int] = []
        self._numbers = np.array([*members], dtype=np.int64)
        self._values: Array = np.empty((objectives, size))  # infinite where a slot is free: nothing dominates that
        self._spreads: Array = np.zeros((objectives, size))
        for slot, fitness in enumerate(members.values()):
            self._write(slot, fitness)
        found = standing(self._values, self._spreads, self._numbers)
        self._dominators = np.stack([found.forward, found.backward])  # (passes, slots): how many dominate it there
        self._stays: Flags = np.stack([found.stays, found.is_member])  # (passes, slots): whether it stays then

    def __len__(self) -> int:
        """Number of members of the front."""
        return int(np.count_nonzero(self._stays[1]))

    def is_member(self, number: int) -> bool:
        """Whether a member of the plain front belongs to the front."""
        return bool(self._stays[1, self._slots[number]])

    def update(self, left: Iterable[int], entered: Mapping[int, Fitness]) -> FrontChange:
        """Let members of the plain front go, and others come; one with other values does both.

        Returns:
            Who entered and who left the front thereby, ascending.
        """
        before: dict[int, bool] = {}  # by number, whether it was a member, of all that may have changed
        doubtful: tuple[set[int], set[int]] = (set(), set())  # (passes): slots whose standing must be looked at
        gone = [self._slots.pop(number) for number in left]
        for slot in gone:
            before[int(self._numbers[slot])] = bool(self._stays[1, slot])
            for place in range(2):
                if self._stays[place, slot]:
                    doubtful[place].update(self._count(place, slot, -1))
        for slot in gone:
            self._stays[:, slot], self._values[:, slot] = False, np.inf
        self._free += gone
        for number, fitness in entered.items():
            slot = self._take_slot(number, fitness)
            before.setdefault(number, False)
            for place in range(2):
                self._dominators[place, slot] = self._count_dominators(place, slot)
                doubtful[place].add(slot)
        changed = self._settle(0, doubtful[0] - set(gone) | {self._slots[number] for number in entered})
        for slot in self._settle(1, (doubtful[1] | changed) - set(self._free)):
            before.setdefault(int(self._numbers[slot]), not self._stays[1, slot])
        return self._change_since(before)

    def _settle(self, place: int, doubtful: set[int]) -> set[int]:
        """Find out who stays in a pass, from the first in its order to the last; returns the slots that changed."""
        waiting = [(self._rank(place, slot), slot) for slot in doubtful]
        heapq.heapify(waiting)
        changed = set()
        while waiting:
            _, slot = heapq.heappop(waiting)
            stays = not self._dominators[place, slot] and (place == 0 or bool(self._stays[0, slot]))
            if stays != self._stays[place, slot]:
                self._stays[place, slot] = stays
                changed.add(slot)
                for other in self._count(place, slot, 1 if stays else -1):
                    heapq.heappush(waiting, (self._rank(place, other), other))
        return changed

    def _count(self, place: int, slot: int, by: int) -> list[int]:
        """Count a slot's dominance for those that it dismisses in a pass; returns these."""
        dominated = dominated_within(self._values[:, slot], self._spreads[:, slot], self._values, self._spreads)
        if not dominated.any():
            return []
        after = self._is_after(slot) if place == 0 else ~self._is_after(slot)
        dismissed = np.flatnonzero(dominated & after)
        self._dominators[place, dismissed] += by
        found: list[int] = dismissed.tolist()
        return found

    def _count_dominators(self, place: int, slot: int) -> int:
        """How many of those that stay in a pass, and come before a slot there, dominate it."""
        values, spreads = self._values[:, slot, None], self._spreads[:, slot, None]
        ahead = self._values - values  # (objectives, slots)
        width = self._spreads + spreads
        dominates = (ahead >= -width).all(axis=0) & (ahead > width).any(axis=0) & self._stays[place]
        if not dominates.any():
            return 0
        before = ~self._is_after(slot) if place == 0 else self._is_after(slot)
        return int(np.count_nonzero(dominates & before))

    def _is_after(self, slot: int) -> Flags:
        """(slots,) who stands after it in the order of the first objective, best first; not itself."""
        first, own = self._values[0], self._values[0, slot]
        after: Flags = (first < own) | ((first == own) & (self._numbers > self._numbers[slot]))
        return after

    def _rank(self, place: int, slot: int) -> tuple[float, int]:
        """What a pass goes by, ascending."""
        value, number = float(self._values[0, slot]), int(self._numbers[slot])
        return (-value, number) if place == 0 else (value, -number)

    def _take_slot(self, number: int, fitness: Fitness) -> int:
        if not self._free:
            self._grow(len(fitness.values))
        slot = self._slots[number] = self._free.pop()
        self._numbers[slot] = number
        self._stays[:, slot] = False
        self._write(slot, fitness)
        return slot

    def _grow(self, objectives: int) -> None:
        size = len(self._numbers)
        more = max(8, size)
        self._free = list(range(size + more - 1, size - 1, -1))
        self._numbers = np.concatenate([self._numbers, np.full(more, -1, dtype=np.int64)])
        self._values = np.concatenate([self._values.reshape(objectives, size), np.full((objectives, more), np.inf)], 1)
        self._spreads = np.concatenate([self._spreads.reshape(objectives, size), np.zeros((objectives, more))], 1)
        self._dominators = np.concatenate([self._dominators, np.zeros((2, more), dtype=np.int64)], 1)
        self._stays = np.concatenate([self._stays, np.zeros((2, more), dtype=np.bool_)], 1)

    def _write(self, slot: int, fitness: Fitness) -> None:
        self._values[:, slot] = fitness.values
        self._spreads[:, slot] = fitness.spreads or 0.0

    def _change_since(self, before: Mapping[int, bool]) -> FrontChange:
        now = {number: number in self._slots and self.is_member(number) for number in before}
        return FrontChange(
            entered=tuple(sorted(number for number, is_member in now.items() if is_member and not before[number])),
            left=tuple(sorted(number for number, is_member in now.items() if not is_member and before[number])),
        )
