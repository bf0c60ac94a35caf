"""The outputs of a network in evaluation mode, which are those of the deployed integer network, and their score."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from gasearch_workers.training.resident import ResidentSplit, use_one_thread

EVALUATION_BATCH = 256  #: Samples; larger batches fall out of a CPU's cache (measured).


def evaluate(network: nn.Module, split: ResidentSplit) -> float:
    """The split's primary score: accuracy, entity F1 or root of the mean squared error."""
    return split.target.primary_score(outputs_of(network, split), split.truth)


@torch.no_grad()
def outputs_of(network: nn.Module, split: ResidentSplit) -> NDArray[Any]:
    """The raw outputs of each sample, float32: logits (count, classes) or (count, length, tags), or (count, 1).

    The network is moved to the split's device, and left in the mode in which it was.
    """
    if split.x.device.type == "cpu":
        use_one_thread()
    was_training = network.training
    network.to(split.x.device).eval()
    try:
        # GPUs would round a convolution's inputs to 10 bits (TF32), which the deployed network doesn't.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return torch.cat([network(batch) for batch in torch.split(split.x, EVALUATION_BATCH)]).cpu().numpy()
    finally:
        network.train(was_training)
