"""The part of the budget that further trainings of networks take, and which networks take it."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.search.replication import Trainings
from gasearch.storage.records import ReplicateRecord


class ReplicateBudget:
    """Keeps a share of the evaluations for replicates, until nothing is in doubt any more; the rest is theirs too."""

    def __init__(self, share: float, evaluations: int, trainings: Trainings) -> None:
        """Nothing is decided yet.

        Args:
            share: Of the evaluations that is kept; 0: no network is trained again.
            evaluations: That the search may make.
            trainings: What is known of the networks.
        """
        self._share, self._evaluations, self._trainings = share, evaluations, trainings
        self._decided = self._proposed = 0
        self._is_settled = False  # nothing was in doubt when that was asked

    def note_proposed(self) -> None:
        """Count a candidate."""
        self._proposed += 1

    def note_decided(self) -> None:
        """Count a further training."""
        self._decided += 1

    @property
    def is_free(self) -> bool:
        """True where what was kept goes to new candidates."""
        return self._is_settled or self._proposed > self._room(int(self._share * self._evaluations))

    @property
    def is_kept(self) -> bool:
        """True while further trainings may come."""
        return self._share > 0 and not self.is_free

    @property
    def most_candidates(self) -> int:
        """How many candidates the budget has room for beside the replicates, decided or to come."""
        return self._room(0 if self.is_free else int(self._share * self._evaluations))

    def _room(self, kept: int) -> int:
        return self._evaluations - max(self._decided, kept)

    def next_round(self, front: Sequence[int], completed: int) -> list[ReplicateRecord]:
        """The members of the front to be trained once more, as their rank is in doubt; none: the budget is free now.

        Args:
            front: The members' numbers.
            completed: How many outcomes there are.
        """
        numbers = self._trainings.doubtful(front)[: self._evaluations - completed]
        self._is_settled = not numbers
        return [
            ReplicateRecord(candidate=number, replicate=self._trainings.count(number), completed=completed)
            for number in numbers
        ]
