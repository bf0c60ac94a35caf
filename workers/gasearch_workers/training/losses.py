"""Losses of a training: cross entropy of classes and tags, squared errors of numbers, and a teacher's part."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gasearch_workers.messages import Recipe
from gasearch_workers.training.resident import ResidentSplit
from gasearch_workers.training.score import IGNORED

Loss = Callable[[Tensor, Tensor], Tensor]  #: (raw outputs of a batch, indices of its samples (B,)) -> mean loss, 0-dim.


def make_loss(data: ResidentSplit, recipe: Recipe) -> Loss:
    """The loss of a recipe on a training split; computed in float32, whatever the outputs are in.

    With a teacher it is (1 - w) x loss against the truth + w x loss against the teacher's outputs (Hinton et al.,
    "Distilling the Knowledge in a Neural Network", 2015), w being the recipe's `distill_weight`.

    Raises:
        ValueError: if the recipe has a teacher and the data no outputs of one.
    """
    hard, soft = _of_numbers(data) if data.target.is_number else _of_classes(data, recipe)
    if recipe.teacher is None:
        return lambda outputs, samples: hard(outputs.float(), data.y.index_select(0, samples))
    if data.teacher is None:
        raise ValueError(f"the recipe has the teacher {recipe.teacher!r}, but the data hold no outputs of a teacher")
    weight, teacher = recipe.distill_weight, data.teacher

    def mixed(outputs: Tensor, samples: Tensor) -> Tensor:
        outputs, y = outputs.float(), data.y.index_select(0, samples)
        return (1 - weight) * hard(outputs, y) + weight * soft(outputs, teacher.index_select(0, samples), y)

    return mixed


_Hard = Callable[[Tensor, Tensor], Tensor]  #: (outputs, truth) -> loss
_Soft = Callable[[Tensor, Tensor, Tensor], Tensor]  #: (outputs, teacher's outputs, truth) -> loss


def _of_numbers(data: ResidentSplit) -> tuple[_Hard, _Soft]:
    """Squared errors in standard deviations of the target, so that one learning rate fits every unit."""
    deviation = float(data.y.double().std(correction=0)) or 1.0

    def hard(outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs.squeeze(1) - y) / deviation).square().mean()  # (B, 1), (B,) -> ()

    def soft(outputs: Tensor, teacher: Tensor, _: Tensor) -> Tensor:
        return ((outputs - teacher) / deviation).square().mean()

    return hard, soft


def _of_classes(data: ResidentSplit, recipe: Recipe) -> tuple[_Hard, _Soft]:
    """Cross entropy, smoothed and weighted; tags at padding count nowhere."""
    weights = _balanced(data) if recipe.class_weights == "balanced" else None
    smoothing, temperature = recipe.label_smoothing, recipe.temperature
    is_tagging = data.target.kind == "tagging"

    def hard(outputs: Tensor, y: Tensor) -> Tensor:
        if is_tagging:  # Outputs end with the longest sentence of the batch, the truth with that of the data.
            y = y[:, : outputs.shape[1]]
            outputs, y = outputs.flatten(0, 1), y.flatten()  # (B, T, tags), (B, T) -> (B x T, tags), (B x T,)
        return F.cross_entropy(outputs, y, weight=weights, ignore_index=IGNORED, label_smoothing=smoothing)

    def soft(outputs: Tensor, teacher: Tensor, y: Tensor) -> Tensor:
        if is_tagging:
            teacher, y = teacher[:, : outputs.shape[1]], y[:, : outputs.shape[1]]
        ours, theirs = (F.log_softmax(logits / temperature, dim=-1) for logits in (outputs, teacher))
        divergence = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=-1)  # (B,) or (B, T)
        # The gradients of soft targets shrink with the square of the temperature (Hinton et al., section 2).
        if not is_tagging:
            return divergence.mean() * temperature**2
        is_token = y != IGNORED
        return (divergence * is_token).sum() / is_token.sum() * temperature**2

    return hard, soft


def _balanced(data: ResidentSplit) -> Tensor:
    """For each class the mean number of samples of a class over its own: (classes,); 0 for a class without any."""
    y = data.y[data.y != IGNORED]
    counts = torch.bincount(y, minlength=data.target.outputs)
    return torch.where(counts > 0, len(y) / (len(counts) * counts.clamp(min=1)), 0.0).float()
