"""The networks that a search begins with, handed out one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gasearch.evolution.breeder import Breeder, Offspring
from gasearch.evolution.engine import Candidate
from gasearch.space.genome import Genome

KNOWN = "known"  #: What stands as the operator of such a candidate.


class KnownNetworks:
    """A queue that a resume finds as far emptied as it was."""

    def __init__(self, genomes: Sequence[Genome]) -> None:
        """Networks in the order in which they are to be proposed."""
        self._left = deque(genomes)

    def next(self, breeder: Breeder) -> Offspring | None:
        """The next one that is new and keeps the limits; None where none is left."""
        while self._left:
            genome = self._left.popleft()
            if breeder.is_admissible(genome):
                return Offspring(genome, (), KNOWN)
        return None

    def adopt(self, candidate: Candidate) -> None:
        """Take note of a candidate that was proposed before an interruption."""
        while candidate.operator == KNOWN and self._left:
            if self._left.popleft().key == candidate.genome.key:
                break
