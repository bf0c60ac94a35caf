"""The recipe's optimizer and its learning rate over the training."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import SGD, Adafactor, Adam, AdamW, Optimizer, RMSprop

from gasearch_workers.messages import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer, fused where torch has it so; weights decay, but no bias, normalization or scale does.

    Adafactor's steps are relative to the size of what it moves (Shazeer and Stern, 2018): it wants rates some ten times
    those of Adam.
    """
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        is_matrix = name.split(".")[-1] == "weight" and parameter.dim() > 1
        (weights if is_matrix else others).append(parameter)
    groups: list[dict[str, object]] = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if recipe.weight_decay == 0:  # One group is one fused step.
        groups = [{"params": weights + others, "weight_decay": 0.0}]
    match recipe.optimizer:
        case "adam":
            return Adam(groups, lr=recipe.learning_rate, fused=True)
        case "adamw":
            return AdamW(groups, lr=recipe.learning_rate, fused=True)
        case "sgd":
            return SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, fused=True)
        case "rmsprop":
            return RMSprop(groups, lr=recipe.learning_rate, foreach=True)
        case "adafactor":
            return Adafactor(groups, lr=recipe.learning_rate, foreach=True)


def set_rate(optimizer: Optimizer, recipe: Recipe, *, update: int, updates: int) -> None:
    """Set the learning rate of an update.

    Args:
        optimizer: Gets it.
        recipe: As for `rate_of`.
        update: As for `rate_of`.
        updates: As for `rate_of`.
    """
    rate = rate_of(recipe, update=update, updates=updates)
    for group in optimizer.param_groups:
        group["lr"] = rate


def rate_of(recipe: Recipe, *, update: int, updates: int) -> float:
    """The learning rate of an update: from 0 to the recipe's over its `warmup`, then to 0 along half a cosine, or flat.

    Args:
        recipe: Says the rate and the schedule.
        update: From 0.
        updates: Of the whole training.
    """
    warm = recipe.warmup * updates
    if update < warm:
        return recipe.learning_rate * min(1.0, (update + 1) / warm)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (update - warm) / (updates - warm)))
