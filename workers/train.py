"""A short training on one device, and the accuracy of what came out of it.

The data lie on the device as the file holds them; a batch is a gather by indices. All randomness comes from the seed,
so on a CPU (one thread) the same blueprint, recipe and seed give the same weights bit for bit, in any process.
"""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from workers.data.dataset import Dataset, Split
from workers.messages import CurvePoint, Fidelity, Recipe

CHECK_EVERY = 50  #: Steps between two looks at the loss: on a GPU each look waits for the device.
EVALUATION_BATCH = 256  #: Samples; larger batches fall out of a CPU's cache (measured).


class Diverged(ArithmeticError):
    """The loss or the weights became NaN or infinite."""


class TimedOut(TimeoutError):
    """The training went past its time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentSplit:
    """A split on a device."""

    x: Tensor  #: (count, channels, height, width) uint8, or (count, features) float32.
    y: Tensor  #: (count,) int64.

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentData:
    """A dataset on a device."""

    train: ResidentSplit
    validation: ResidentSplit
    test: ResidentSplit


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a training did."""

    train_seconds: float  #: Wall time of the training steps; the curve's accuracies are not in it.
    curve: tuple[CurvePoint, ...]  #: One point per epoch.
    images_seen: int  #: Samples, counted each time they were shown.


def make_resident(dataset: Dataset, device: str | torch.device = "cpu") -> ResidentData:
    """Put a dataset on a device, once for many trainings. On a CPU it shares the arrays' memory."""
    splits = (dataset.train, dataset.validation, dataset.test)
    train, validation, test = (_resident_split(split, device) for split in splits)
    return ResidentData(train=train, validation=validation, test=test)


def train(
    network: nn.Module,
    data: ResidentSplit,
    recipe: Recipe,
    *,
    fidelity: Fidelity,
    seed: int,
    validation: ResidentSplit | None = None,
    time_limit_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingReport:
    """Train a network in place, on the device where the data lie.

    Args:
        network: Gives logits for a batch of raw samples; moved to the data's device.
        data: What to train on, at least 2 samples.
        recipe: How; `fidelity.epochs` stands in for its number of epochs.
        fidelity: How long, and on what share of the data; smaller shares are subsets of larger ones.
        seed: Of the subset and the order of the samples.
        validation: Where given, the curve holds the accuracy on it after each epoch.
        time_limit_s: Wall seconds, looked at after each step.
        clock: Seconds from any origin; on a GPU it is read ahead of the work by up to `CHECK_EVERY` steps.

    Raises:
        Diverged: if the loss or the weights are no longer finite.
        TimedOut: if the time limit is passed.
        ValueError: if a batch would hold a single sample, for which normalization is not defined.
        torch.OutOfMemoryError, RuntimeError: as torch raises them where the device's memory is too small.
    """
    _check_batches(len(data), recipe)
    device = data.x.device
    if device.type == "cpu":
        use_one_thread()
    network.to(device).train()
    optimizer = _make_optimizer(network, recipe)
    samples = _subset(len(data), fidelity.data_share, seed)
    order = _generator("order", seed)
    steps = fidelity.epochs * _batch_count(len(samples), recipe.batch_size)
    step, images_seen, train_seconds = 0, 0, 0.0
    curve: list[CurvePoint] = []
    started = clock()
    for epoch in range(1, fidelity.epochs + 1):
        epoch_started = clock()
        loss_sum, shown = torch.zeros((), device=device), 0
        for batch in _batches(samples, recipe.batch_size, order, device):
            _set_rate(optimizer, recipe, progress=step / steps)
            logits = network(data.x.index_select(0, batch))  # (B, *input) -> (B, classes)
            loss = F.cross_entropy(logits, data.y.index_select(0, batch), label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss_sum += loss.detach() * len(batch)
            step, shown = step + 1, shown + len(batch)
            if step % CHECK_EVERY == 0:
                _check_finite(loss_sum, "loss", epoch, recipe)
            if time_limit_s is not None and clock() - started > time_limit_s:
                raise TimedOut(f"training passed its limit of {time_limit_s:g} s in epoch {epoch} of {fidelity.epochs}")
        _check_finite(loss_sum, "loss", epoch, recipe)
        train_seconds += clock() - epoch_started
        images_seen += shown
        accuracy = None if validation is None else evaluate(network, validation)
        curve.append(CurvePoint(epoch=epoch, train_loss=float(loss_sum) / shown, accuracy=accuracy))
    _check_finite(_sum_of_weights(network), "sum of weights", fidelity.epochs, recipe)
    return TrainingReport(train_seconds=train_seconds, curve=tuple(curve), images_seen=images_seen)


def evaluate(network: nn.Module, split: ResidentSplit) -> float:
    """Share of the samples, 0..1, that the network in evaluation mode (the deployed integer network) gets right."""
    return float((predict(network, split) == split.y).double().mean())


@torch.no_grad()
def predict(network: nn.Module, split: ResidentSplit) -> Tensor:
    """The most likely class of each sample, (count,) int64, in evaluation mode; the mode is then as it was."""
    if split.x.device.type == "cpu":
        use_one_thread()
    was_training = network.training
    network.to(split.x.device).eval()
    try:
        # GPUs would round a convolution's inputs to 10 bits (TF32), which the deployed network doesn't.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            # (B, *input) -> (B, classes) -> (B,)
            return torch.cat([network(batch).argmax(dim=1) for batch in torch.split(split.x, EVALUATION_BATCH)])
    finally:
        network.train(was_training)


def use_one_thread() -> None:
    """Let this process compute with one thread: faster beside other workers, and bit-reproducible."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


# --- data -------------------------------------------------------------------------------------------------------


def _resident_split(split: Split, device: str | torch.device) -> ResidentSplit:
    with warnings.catch_warnings():
        # Arrays from a shared-memory store are read-only; nothing here writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        x, y = torch.from_numpy(split.x), torch.from_numpy(split.y)
    return ResidentSplit(x=x.to(device), y=y.to(device))


def _generator(purpose: str, seed: int) -> torch.Generator:
    """A generator of its own for each purpose of one seed."""
    digest = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest))


def _subset(count: int, share: float, seed: int) -> Tensor:
    """Indices of a share of the samples, at least 2; a smaller share is part of a larger one."""
    if share >= 1:
        return torch.arange(count)
    chosen = max(2, round(count * share))
    return torch.randperm(count, generator=_generator("subset", seed))[:chosen]


def _batches(samples: Tensor, size: int, order: torch.Generator, device: torch.device) -> Sequence[Tensor]:
    """One epoch: the samples' indices in a new order, cut into batches; a last batch of one sample is left out."""
    shuffled = samples[torch.randperm(len(samples), generator=order)].to(device)
    return torch.split(shuffled, size)[: _batch_count(len(samples), size)]


def _batch_count(count: int, size: int) -> int:
    return count // size + (count % size > 1)


def _check_batches(count: int, recipe: Recipe) -> None:
    if recipe.batch_size < 2 or count < 2:
        raise ValueError(
            f"batches must hold at least 2 samples; got a batch size of {recipe.batch_size} and {count} samples"
        )


# --- optimizer --------------------------------------------------------------------------------------------------


def _make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer, fused; weights decay, but no bias, normalization or scale does."""
    weights = [parameter for name, parameter in network.named_parameters() if name.split(".")[-1] == "weight"]
    others = [parameter for name, parameter in network.named_parameters() if name.split(".")[-1] != "weight"]
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


def _set_rate(optimizer: Optimizer, recipe: Recipe, *, progress: float) -> None:
    """The learning rate after a share of all steps (0..1)."""
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate


# --- divergence -------------------------------------------------------------------------------------------------


def _check_finite(value: Tensor, what: str, epoch: int, recipe: Recipe) -> None:
    number = float(value)
    if not math.isfinite(number):
        raise Diverged(f"the {what} became {number} in epoch {epoch} at learning rate {recipe.learning_rate:g}")


@torch.no_grad()
def _sum_of_weights(network: nn.Module) -> Tensor:
    """One number that is finite only if every parameter and running statistic is."""
    tensors = [tensor for tensor in [*network.parameters(), *network.buffers()] if tensor.is_floating_point()]
    return torch.stack([tensor.abs().mean() for tensor in tensors]).sum()
