"""What a network answers in evaluation mode, which is what the deployed integer network answers, and how good it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gasearch_workers.training.resident import ResidentSplit, use_one_thread
from gasearch_workers.training.score import primary_score

EVALUATION_BATCH = 256  #: Samples; larger batches fall out of a CPU's cache (measured).


def evaluate(network: nn.Module, split: ResidentSplit) -> float:
    """The split's primary score: accuracy, entity F1 or root of the mean squared error."""
    return primary_score(outputs_of(network, split), truth_of(split), split.target)


def outputs_of(network: nn.Module, split: ResidentSplit) -> NDArray[Any]:
    """The raw outputs of each sample, float32: logits (count, classes) or (count, length, tags), or (count, 1)."""
    return run(network, split.x).cpu().numpy()


def truth_of(split: ResidentSplit) -> NDArray[Any]:
    """What the outputs are to be compared with: of tags those behind the cut too, see `score`."""
    y = split.y.cpu().numpy()
    return y if split.cut is None else np.concatenate([y, split.cut.numpy()], axis=1)


def predict(network: nn.Module, split: ResidentSplit) -> Tensor:
    """The most likely class of each sample (count,), or of each token (count, length)."""
    return run(network, split.x).argmax(dim=-1)


@torch.no_grad()
def run(network: nn.Module, x: Tensor) -> Tensor:
    """Outputs of raw samples (count, *input_shape) in evaluation mode, on their device; the mode is then as it was."""
    if x.device.type == "cpu":
        use_one_thread()
    was_training = network.training
    network.to(x.device).eval()
    try:
        # GPUs would round a convolution's inputs to 10 bits (TF32), which the deployed network doesn't.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return torch.cat([network(batch) for batch in torch.split(x, EVALUATION_BATCH)])
    finally:
        network.train(was_training)
