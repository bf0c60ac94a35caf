"""Scores on the validation split in the course of a training, and its end by them.

Scoring changes nothing in the training: whoever scores more often gets the same network.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Final

from numpy.typing import NDArray
from torch import nn

from gasearch_workers.messages import CurvePoint, Recipe, StoppingRule
from gasearch_workers.training.inference import outputs_of
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.stopping import Stopped, reason_to_stop

ROUNDING: Final = 1e-9  #: Of a rung's update: a third of an epoch of 21 updates is after 7, not after 8.


class ValidationSchedule:
    """Takes scores after epochs and at the rungs of a rule, and ends the training by patience or by that rule.

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
        if validation is None and recipe.patience:
            raise ValueError(f"a patience of {recipe.patience} epochs needs a validation split; got none")
        if validation is None and rule is not None:
            raise ValueError("a stopping rule needs a validation split; got none")
        self.epoch = 0  #: The one that counts: the best, without patience the newest.
        self.is_over = False
        self.outputs: NDArray[Any] | None = None  #: Of that epoch.
        self._patience, self._validation, self._rule = recipe.patience, validation, rule
        self._epoch_updates, self._pruned_at = epoch_updates, pruned_at
        updates = {math.ceil(rung.step * epoch_updates - ROUNDING): rung.step for rung in (rule.points if rule else ())}
        #: The step of each rung by the number of updates after which it stands.
        self._steps = {at: step for at, step in updates.items() if pruned_at < at < epochs * epoch_updates}
        self._score = math.nan
        self._state: dict[str, Any] | None = None

    def is_due(self, update: int) -> bool:
        """Tell whether a rung within an epoch stands after so many updates."""
        return update in self._steps and update % self._epoch_updates > 0

    def at_rung(self, network: nn.Module, update: int, *, loss: float) -> CurvePoint:
        """The point of the curve at a rung.

        Args:
            network: In training.
            update: Updates so far, of which a rung `is_due`.
            loss: Mean of the epoch so far.
        """
        assert self._validation is not None
        scores = self._scores(outputs_of(network, self._validation), self._validation)
        primary = scores.get(self._validation.target.primary)
        return _point(self._steps[update], loss, primary, scores)

    def after_epoch(self, network: nn.Module, epoch: int, update: int, *, loss: float) -> CurvePoint:
        """The point of the curve after an epoch: without a score before pruning, or without a validation split.

        Args:
            network: In training.
            epoch: From 1.
            update: Updates so far.
            loss: Mean of the epoch.
        """
        if self._validation is None or update <= self._pruned_at:
            return _point(epoch, loss, None, {})
        outputs, target = outputs_of(network, self._validation), self._validation.target
        score = target.primary_score(outputs, self._validation.truth)
        if not self._patience or math.isnan(self._score) or target.is_better(score, self._score):
            self.epoch, self.outputs, self._score = epoch, outputs, score
            self._state = copy.deepcopy(network.state_dict()) if self._patience else None
        self.is_over = bool(self._patience) and epoch - self.epoch >= self._patience
        return _point(epoch, loss, score, self._scores(outputs, self._validation) if update in self._steps else {})

    def judge(self, curve: list[CurvePoint]) -> None:
        """End a training that is hopeless at the rung where its curve ends.

        Raises:
            Stopped: if it is.
        """
        metrics = dict(curve[-1].metrics)
        if self._rule is not None and metrics and (reason := reason_to_stop(self._rule, curve[-1].epoch, metrics)):
            raise Stopped(reason, curve)

    def restore(self, network: nn.Module) -> None:
        """Give the network the best epoch's weights."""
        if self._state is not None:
            network.load_state_dict(self._state)

    def _scores(self, outputs: NDArray[Any], split: ResidentSplit) -> dict[str, float]:
        """The primary score, and where an objective may be another one all of them; those that are finite."""
        assert self._rule is not None
        names = zip(self._rule.objectives, self._rule.known, strict=True)
        if {metric for (metric, _), known in names if known is None} <= {split.target.primary}:
            found = {split.target.primary: split.target.primary_score(outputs, split.truth)}
        else:
            found = split.target.score(outputs, split.truth)
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _point(epoch: float, loss: float, score: float | None, scores: dict[str, float]) -> CurvePoint:
    return CurvePoint(epoch=epoch, train_loss=loss, accuracy=score, metrics=tuple(sorted(scores.items())))
