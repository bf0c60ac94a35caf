"""The ask/tell border of evolution: candidates, what becomes of them, and the contract of an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from gasearch.objectives.fitness import Fitness
from gasearch.space.genome import Genome


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What evolution expected of one objective before the evaluation, as a wvalue: greater is better."""

    mean: float
    deviation: float  #: Standard deviation; 0 where arithmetic knows the value.


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A network to evaluate, and where it came from."""

    number: int  #: 0 for the first of the search; never reused.
    genome: Genome
    generation: int  #: 0 for the initial sample.
    parents: tuple[int, ...]  #: Candidate numbers; empty for a sample.
    operator: str  #: What made it, e.g. "sample", "crossover+mutate_bits".
    completed: int  #: How many outcomes evolution knew when it proposed this.
    predicted: tuple[Prediction, ...] = ()  #: Per objective; () where evolution had no model of them.

    def unpredicted(self) -> Candidate:
        """The same without what was expected of it, which takes 40 MB of a hundred thousand candidates."""
        return replace(self, predicted=()) if self.predicted else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What became of a candidate; no fitness means that the evaluation failed or was stopped early.

    A candidate may be scored again, after a further training with a fresh seed: the newest fitness counts.
    """

    number: int
    fitness: Fitness | None
    expected: tuple[float, ...] | None = None  #: The wvalues that a training would have reached that was stopped.
    seconds: float | None = None  #: What the training took, as it is recorded; None: it failed, or wasn't made here.


class Engine(Protocol):
    """Evolution, seen from the search loop.

    Deterministic: the same sequence of asks and tells gives the same candidates; a generational engine gives the same
    candidates whatever the order of tells within one generation. One thread.
    """

    def ask(self) -> Candidate | None:
        """The next candidate; None while nothing can be proposed before more outcomes, or for good: `is_exhausted`."""

    def adopt(self, candidate: Candidate) -> None:
        """Take a stored candidate as the answer to this ask, without the work of proposing it again.

        After the stored asks are adopted and the stored outcomes taken note of, in their order, an engine stands where
        the one that proposed them stood.

        Raises:
            ValueError: if it isn't the next candidate: its number must be that of the next ask.
        """

    def tell(self, scored: Scored) -> None:
        """Take note of an outcome.

        Raises:
            ValueError: for a candidate that wasn't asked for.
        """

    @property
    def lookahead(self) -> int:
        """How many candidates may be asked for before a worker is free for them, without harm to the search."""

    @property
    def completed_generations(self) -> int:
        """How many generations are completed to the last candidate."""

    @property
    def until_closing(self) -> int:
        """How many outcomes must come, at least, until the next generation is complete; 1 or more."""

    @property
    def is_exhausted(self) -> bool:
        """Whether no further distinct feasible network could be found: no later ask will ever give one."""

    @property
    def population(self) -> tuple[int, ...]:
        """Candidate numbers of the current survivors."""
