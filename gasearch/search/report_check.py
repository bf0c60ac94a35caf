"""Finds out that a custom evaluator doesn't report what early stopping judges by, so that no training can end early."""

from __future__ import annotations

from collections.abc import Sequence

from gasearch_workers.messages import Measurement, Outcome
from gasearch_workers.training.stopping import rung_at

from gasearch.objectives.fitness import Objective

FIRST = 3  #: Finished evaluations after which it is known.


class ReportCheck:
    """Collects what evaluations report at the steps; a single one that reported all of it is enough."""

    def __init__(self, objectives: Sequence[Objective], steps: Sequence[float]) -> None:
        """Nothing is reported yet.

        Args:
            objectives: Of the search, each of which must be reported for a training to be judged.
            steps: Of early stopping, ascending; without any, there is nothing to find out.
        """
        self._wanted = [objective.metric for objective in objectives]
        self._steps = tuple(steps)
        self._finished = 0
        self._last_step: float | None = None  #: The greatest that was reported.
        self._reported: set[str] = set()  #: At a step.
        self._is_settled = not steps  #: All was reported, or it is known that it won't be.

    def note(self, outcome: Outcome) -> None:
        """Take note of an outcome."""
        if self._is_settled or self._finished >= FIRST or not isinstance(outcome, Measurement):
            return
        self._finished += 1
        for point in outcome.curve:
            self._last_step = max(point.epoch, self._last_step or 0.0)
            if rung_at(self._steps, point.epoch) is not None:
                names = {name for name, _ in point.metrics}
                self._reported |= names
                self._is_settled = self._is_settled or names.issuperset(self._wanted)

    def lack(self) -> str | None:
        """A sentence on what is missing, and what to do; None where nothing is, or it isn't known yet."""
        if self._is_settled or self._finished < FIRST:
            return None
        return (
            f"early_stop ends no training: {self._what()} in the first {self._finished} evaluations; call "
            f"report(step, {{{', '.join(f'{name!r}: ...' for name in self._wanted)}}}) at the rungs, or set "
            "early_stop.rungs: off"
        )

    def _what(self) -> str:
        steps = ", ".join(f"{step:g}" for step in self._steps)
        if self._last_step is None:
            return "the evaluator reported nothing"
        if self._last_step < self._steps[0]:
            return f"the evaluator's reports ended at step {self._last_step:g}, before the first rung ({steps}),"
        missing = [name for name in self._wanted if name not in self._reported]
        if not missing:
            return f"the evaluator never reported {' and '.join(self._wanted)} together at a rung ({steps})"
        return f"the evaluator did not report {' and '.join(missing)} at its rungs ({steps})"
