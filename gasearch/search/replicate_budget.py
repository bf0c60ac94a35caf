"""The part of the budget that further trainings of networks take, and which networks take it."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch.search.replication import Trainings
from gasearch.storage.records import ReplicateRecord


class Reserve:
    """Keeps a share of the evaluations for replicates, until nothing is in doubt any more; the rest is theirs too."""

    def __init__(self, share: float, evaluations: int, trainings: Trainings) -> None:
        """Nothing is decided yet.

        Args:
            share: Of the evaluations that is kept; 0: no network is trained again.
            evaluations: That the search may make.
            trainings: What is known of the networks.
        """
        self._share, self._evaluations, self._trainings = share, evaluations, trainings
        self._decided = 0
        self.is_free = False  #: Whether what was kept goes to new candidates.

    def recall(self, decided: int, candidates: int) -> None:
        """Go on where an earlier controller stood, which had decided on so many replicates and proposed so many."""
        self._decided = decided
        self.is_free = candidates > self.most_candidates

    @property
    def is_kept(self) -> bool:
        """Whether further trainings may come."""
        return self._share > 0 and not self.is_free

    @property
    def most_candidates(self) -> int:
        """How many candidates the budget has room for beside the replicates, decided or to come."""
        kept = 0 if self.is_free else int(self._share * self._evaluations)
        return self._evaluations - max(self._decided, kept)

    def next_round(self, front: Sequence[int], completed: int) -> list[ReplicateRecord]:
        """The members of the front to be trained once more, as their rank is in doubt; none: the reserve is free now.

        Args:
            front: The members' numbers.
            completed: How many outcomes were told.
        """
        numbers = self._trainings.doubtful(front)[: self._evaluations - completed]
        self.is_free = not numbers
        self._decided += len(numbers)
        return [
            ReplicateRecord(candidate=number, replicate=self._trainings.count(number), completed=completed)
            for number in numbers
        ]
