"""A short training on one device, and what came out of it.

The data lie on the device as the file holds them; a batch is a gather by indices. All randomness comes from the seed,
so on a CPU (one thread) the same blueprint, recipe and seed give the same weights bit for bit, in any process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gasearch_workers.machine.memory_errors import memory_named
from gasearch_workers.messages import CurvePoint, Fidelity, Recipe, StoppingRule
from gasearch_workers.modules.build import Network
from gasearch_workers.modules.pruning import prune
from gasearch_workers.network.steps import Plan
from gasearch_workers.training.batches import make_batches, make_generator
from gasearch_workers.training.losses import make_loss
from gasearch_workers.training.optimizer import make_optimizer, set_rate
from gasearch_workers.training.resident import ResidentSplit, use_one_thread
from gasearch_workers.training.validation_schedule import ValidationSchedule

CHECK_EVERY = 50  #: Batches between two checks of the loss: on a GPU each waits for the device.

#: Share of the updates after which what pruning removes goes. Mean accuracy of 4 seeds at shares of 0.2, 0.3, 0.4, 0.5,
#: half the units removed: digits (CNN, 6 epochs) 0.741, 0.721, 0.734, 0.691; 20 epochs 0.918, 0.912, 0.907, 0.894;
#: MNIST (MLP, 8,000 images, 3 epochs) 0.932, 0.932, 0.931, 0.928; SST-2 (convolution, 3 epochs) 0.749, 0.742, 0.741,
#: 0.745; digits with three quarters of the weights removed 0.747, 0.703, 0.644, 0.627. Short trainings need what is
#: left of the schedule to mend the cut: that is worth more than knowing better what matters.
PRUNE_AFTER = 0.2


class Diverged(ArithmeticError):
    """The loss or the weights became NaN or infinite."""


class TimedOut(TimeoutError):
    """The training went past its time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """The outcome of a training."""

    network: nn.Module  #: The trained one: the given one, or what pruning made of it.
    train_seconds: float  #: Wall time of the training steps; the curve's scores are not in it.
    curve: tuple[CurvePoint, ...]  #: One point per epoch that was reached, and per rung within one.
    images_seen: int  #: Samples, counted each time they were shown.
    best_epoch: int  #: Whose weights the network has: the last one, or with patience the one of the best score.
    outputs: NDArray[Any] | None  #: Of the trained network on the validation split, where that was given.


def train(
    network: nn.Module,
    data: ResidentSplit,
    recipe: Recipe,
    *,
    fidelity: Fidelity,
    seed: int,
    deployed: Plan | None = None,
    validation: ResidentSplit | None = None,
    stopping: StoppingRule | None = None,
    time_limit_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingReport:
    """Train a network in place, on the device where the data lie.

    Args:
        network: Gives raw outputs for a batch of raw samples; moved to the data's device.
        data: What to train on, at least 2 samples.
        recipe: How; `fidelity.epochs` stands in for its number of epochs.
        fidelity: How long, and on what share of the data; smaller shares are subsets of larger ones.
        seed: Of the subset, the order of the samples, and everything else that is drawn.
        deployed: The plan without what pruning removes, where that is another than the network's: after `PRUNE_AFTER`
            of the updates the pruned network takes over, with a fresh optimizer on the same schedule.
        validation: Where given, the curve holds the primary score on it after each epoch (not before pruning).
        stopping: At its rungs the score is taken too, and the training ends where it can't come to anything; before
            pruning there are none. A training that isn't stopped gives the same network with a rule and without.
        time_limit_s: Wall seconds, looked at after each batch.
        clock: Seconds from any origin; on a GPU it is read ahead of the work by up to `CHECK_EVERY` batches.

    Raises:
        Diverged: if the loss or the weights are no longer finite.
        TimedOut: if the time limit is passed.
        Stopped: at a rung, by the rule.
        ValueError: if the recipe doesn't fit the data, or patience or a rule comes without a validation split.
        OutOfMemory: if the device's memory is too small.
    """
    batches = make_batches(data, recipe, fidelity, seed=seed, reach=_reach(network))
    loss_of = make_loss(data, recipe)
    device = data.x.device
    if device.type == "cpu":
        use_one_thread()
    dropped = make_generator("dropout", seed, device)
    optimizer = _begin(network, recipe, device, dropped)
    update, updates = 0, fidelity.epochs * batches.updates
    pruned_at = -1 if deployed is None else min(updates - 1, max(1, int(PRUNE_AFTER * updates)))
    schedule = ValidationSchedule(
        recipe, validation, stopping, epoch_updates=batches.updates, epochs=fidelity.epochs, pruned_at=pruned_at
    )
    images_seen, train_seconds = 0, 0.0
    curve: list[CurvePoint] = []
    started = clock()
    for epoch in range(1, fidelity.epochs + 1):
        epoch_started = clock()
        loss_sum, shown, step = torch.zeros((), device=device), 0, 0
        with memory_named(f"in epoch {epoch} of {fidelity.epochs}"):
            for group in batches.epoch():
                if update == pruned_at and deployed is not None:
                    assert isinstance(network, Network), "only a network with a plan can be pruned"
                    network = prune(network, deployed)
                    optimizer = _begin(network, recipe, device, dropped)
                set_rate(optimizer, recipe, update=update, updates=updates)
                for batch in group:
                    samples = batch.samples
                    with _precision(recipe, device):
                        outputs = network(batches.show(batch))  # (B, *input) -> (B, ..., outputs)
                    loss = loss_of(outputs, samples)
                    (loss if len(group) == 1 else loss / len(group)).backward()  # type: ignore[no-untyped-call]
                    loss_sum += loss.detach() * len(samples)
                    step, shown = step + 1, shown + len(samples)
                    if step % CHECK_EVERY == 0:
                        _check_finite(loss_sum, "loss", epoch, recipe)
                    if time_limit_s is not None and clock() - started > time_limit_s:
                        limit = f"{time_limit_s:g} s in epoch {epoch} of {fidelity.epochs}"
                        raise TimedOut(f"training passed its limit of {limit}")
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                update += 1
                if schedule.is_due(update):
                    _check_finite(loss_sum, "loss", epoch, recipe)
                    paused = clock()
                    curve.append(schedule.at_rung(network, update, loss=float(loss_sum) / shown))
                    schedule.judge(curve)
                    train_seconds -= clock() - paused
        _check_finite(loss_sum, "loss", epoch, recipe)
        train_seconds += clock() - epoch_started
        images_seen += shown
        curve.append(schedule.after_epoch(network, epoch, update, loss=float(loss_sum) / shown))
        if schedule.is_over:
            break
        schedule.judge(curve)
    _check_finite(_sum_of_weights(network), "sum of weights", epoch, recipe)
    schedule.restore(network)
    return TrainingReport(
        network=network,
        train_seconds=train_seconds,
        curve=tuple(curve),
        images_seen=images_seen,
        best_epoch=schedule.epoch or epoch,
        outputs=schedule.outputs,
    )


def _reach(network: nn.Module) -> int | None:
    """The tokens behind the end of a sentence that its windows see; None for a network that takes no sentences."""
    if not isinstance(network, Network) or network.plan.input_kind != "tokens":
        return None
    return sum(step.kernel // 2 for step in network.plan.steps if step.op == "window")


def _begin(network: nn.Module, recipe: Recipe, device: torch.device, dropped: torch.Generator) -> torch.optim.Optimizer:
    """Make a network ready for its first update."""
    network.to(device).train()
    if recipe.dropout > 0:
        assert isinstance(network, Network), "only a network with a plan can drop outputs"
        network.set_dropout(recipe.dropout, dropped)
    return make_optimizer(network, recipe)


def _precision(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """Where the forward pass computes; rounding to grids and the loss stay in float32."""
    if recipe.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


# --- divergence -------------------------------------------------------------------------------------------------


def _check_finite(value: Tensor, what: str, epoch: int, recipe: Recipe) -> None:
    number = float(value)
    if not math.isfinite(number):
        raise Diverged(f"the {what} became {number} in epoch {epoch} at learning rate {recipe.learning_rate:g}")


@torch.no_grad()
def _sum_of_weights(network: nn.Module) -> Tensor:
    """One number that is finite only if every parameter and running statistic is."""
    tensors = [tensor for tensor in [*network.parameters(), *network.buffers()] if tensor.is_floating_point()]
    return torch.stack([tensor.abs().mean() for tensor in tensors if tensor.numel()]).sum()
