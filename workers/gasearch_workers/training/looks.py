"""Looks at a training while it goes on: scores on the validation split, and when they end it.

A look changes nothing in the training: whoever looks more often gets the same network.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Final

from numpy.typing import NDArray
from torch import nn

from gasearch_workers.messages import CurvePoint, Recipe, StoppingRule
from gasearch_workers.training.inference import outputs_of, truth_of
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import primary_score, score
from gasearch_workers.training.stopping import Stopped, explain_stop, is_hopeless

Outputs = NDArray[Any]

ROUNDING: Final = 1e-9  #: Of a rung's update: a third of an epoch of 21 updates is after 7, not after 8.


class Looks:
    """Takes scores after epochs and at the rungs of a rule, and says by patience and by that rule when to end.

    A rung before the network is pruned is passed over: the score of what is to be cut says little about what is left,
    and right after the cut a training stands lower than those that the rule was learned from. A rung at the end of the
    training, or behind it, is none.
    """

    def __init__(
        self,
        recipe: Recipe,
        validation: ResidentSplit | None,
        rule: StoppingRule | None,
        *,
        epoch_updates: int,
        epochs: int,
        pruned_at: int,
    ) -> None:
        """Place the rungs.

        Args:
            recipe: Says the patience.
            validation: What scores are taken on; None: no scores.
            rule: None: no rungs.
            epoch_updates: Updates in an epoch.
            epochs: Of the training.
            pruned_at: The update before which the network is pruned, counted from 0; below 0 where it isn't.

        Raises:
            ValueError: for patience or a rule without a validation split.
        """
        if recipe.patience and validation is None:
            raise ValueError(f"a patience of {recipe.patience} epochs needs a validation split; got none")
        if rule is not None and validation is None:
            raise ValueError("a stopping rule needs a validation split; got none")
        self.epoch = 0  #: The one that counts: the best, without patience the newest.
        self.is_over = False
        self.outputs: Outputs | None = None  #: Of that epoch.
        self._patience, self._validation, self._rule = recipe.patience, validation, rule
        self._epoch_updates, self._pruned_at = epoch_updates, pruned_at
        self._steps: dict[int, float] = {}  #: Of each rung by the number of updates after which it stands.
        for rung in () if rule is None else rule.rungs:
            update = math.ceil(rung.step * epoch_updates - ROUNDING)
            if pruned_at < update < epochs * epoch_updates:
                self._steps[update] = rung.step
        self._score = math.nan
        self._state: dict[str, Any] | None = None

    def is_due(self, update: int) -> bool:
        """Whether a rung within an epoch stands after so many updates."""
        return update in self._steps and update % self._epoch_updates > 0

    def at_rung(self, network: nn.Module, update: int, *, loss: float) -> CurvePoint:
        """The point of the curve at a rung; `loss` is the mean of the epoch so far."""
        assert self._validation is not None
        scores = self._scores(outputs_of(network, self._validation))
        primary = scores.get(self._validation.target.primary)
        return CurvePoint(epoch=self._steps[update], train_loss=loss, accuracy=primary, metrics=_sorted(scores))

    def after_epoch(self, network: nn.Module, epoch: int, update: int, *, loss: float) -> CurvePoint:
        """The point of the curve after an epoch: without a score before pruning, or without a validation split."""
        if self._validation is None or update <= self._pruned_at:
            return CurvePoint(epoch=epoch, train_loss=loss, accuracy=None)
        outputs, target = outputs_of(network, self._validation), self._validation.target
        score = primary_score(outputs, truth_of(self._validation), target)
        if not self._patience or math.isnan(self._score) or target.is_better(score, self._score):
            self.epoch, self.outputs, self._score = epoch, outputs, score
            self._state = copy.deepcopy(network.state_dict()) if self._patience else None
        self.is_over = bool(self._patience) and epoch - self.epoch >= self._patience
        scores = self._scores(outputs) if update in self._steps else {}
        return CurvePoint(epoch=epoch, train_loss=loss, accuracy=score, metrics=_sorted(scores))

    def judge(self, curve: list[CurvePoint]) -> None:
        """End a training that is hopeless at the rung where its curve ends.

        Raises:
            Stopped: if it is.
        """
        point, rule = curve[-1], self._rule
        if rule is not None and point.metrics and is_hopeless(rule, point.epoch, dict(point.metrics)):
            raise Stopped(explain_stop(rule, point.epoch, dict(point.metrics)), curve)

    def restore(self, network: nn.Module) -> None:
        """Give the network the best epoch's weights."""
        if self._state is not None:
            network.load_state_dict(self._state)

    def _scores(self, outputs: Outputs) -> dict[str, float]:
        """The primary score, and where an objective may be another one all of them; those that are finite."""
        assert self._validation is not None
        assert self._rule is not None
        truth, target = truth_of(self._validation), self._validation.target
        names = zip(self._rule.objectives, self._rule.known, strict=True)
        if {metric for (metric, _), known in names if known is None} <= {target.primary}:
            found = {target.primary: primary_score(outputs, truth, target)}
        else:
            found = score(outputs, truth, target)
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _sorted(scores: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(scores.items()))
