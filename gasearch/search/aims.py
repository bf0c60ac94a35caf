"""The aims of a search: all of its spec that its state depends on."""

from __future__ import annotations

from dataclasses import dataclass

from gasearch_workers.messages import Failure, FailureKind, Outcome

from gasearch.evolution.engine import Candidate
from gasearch.objectives.constraints import Limit
from gasearch.objectives.fitness import Fitness, MissingMetric, Objective, fitness_of
from gasearch.search.early_stopping import EarlyStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """Objectives and limits, and how trainings are stopped and repeated."""

    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    seed: int = 0
    replicates: float = 0.0  #: Share of the evaluations kept for training members of the front again.
    noisy: tuple[str, ...] = ()  #: The objectives that another seed changes.
    early_stop: EarlyStop | None = None  #: None: every training goes on to its end.

    def judge(self, outcome: Outcome) -> tuple[Outcome, Fitness | None]:
        """The fitness; an outcome that lacks a metric that the search is about becomes a failure."""
        try:
            return outcome, fitness_of(outcome, self.objectives, self.limits)
        except MissingMetric as missing:
            return Failure(kind=FailureKind.USER_ERROR, message=str(missing.args[0])), None

    def known_wvalues(self, candidate: Candidate) -> tuple[float | None, ...]:
        """Per objective the wvalue that needs no training of a candidate; here none."""
        return (None,) * len(self.objectives)

    @property
    def reported_steps(self) -> tuple[float, ...]:
        """The early stopping steps at which an evaluator of the user's must report; here none."""
        return ()
