"""Quantization of a trained network without a training: grids that fit what it computes of training samples.

Step after step, the network with rounding is held against the one without:

- weights of few bits are clipped where that lessens the squared error of rounding them, for each output;
- each bias takes up the mean error that rounding made of the output before it (Nagel et al., "Data-Free Quantization
  through Weight Equalization and Bias Correction", ICCV 2019, with samples in the place of their statistics);
- each activation's grid has the scale of least squared error.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from gasearch_workers.modules.build import Network
from gasearch_workers.modules.layers import WeightLayer
from gasearch_workers.modules.quantize import ActivationQuantizer, best_scale
from gasearch_workers.network.steps import Step
from gasearch_workers.training.resident import ResidentSplit, use_one_thread

SAMPLES: Final = 256  #: Of the training split, taken evenly over it.
CANDIDATES: Final = 40  #: Scales that are tried for a grid, up to the one that just holds every value.
MOST_VALUES: Final = 2**18  #: Of a tensor that they are tried on.
CLIPPED: Final = range(4, 7)  #: Bits of weights that are clipped; fewer have scales of least error by themselves.


@torch.no_grad()
def calibrate(network: Network, data: ResidentSplit) -> None:
    """Fit a network's biases, grids and clipped weights to what it computes without rounding; in place.

    Args:
        network: Built, with trained weights and without normalization; moved to the data's device.
        data: The training split.
    """
    if data.x.device.type == "cpu":
        use_one_thread()
    network.to(data.x.device).eval()
    places = torch.arange(0, len(data), max(1, -(-len(data) // SAMPLES)))
    exact = dict(network.input(data.chosen(places).x))
    rounded = dict(exact)
    for step, layer in zip(network.plan.steps, network.layers, strict=True):
        exact[step.name] = _without_rounding(step, layer, [exact[name] for name in step.inputs])
        rounded[step.name] = _with_rounding(step, layer, [rounded[name] for name in step.inputs], exact[step.name])


def _without_rounding(step: Step, layer: nn.Module, sources: list[Tensor]) -> Tensor:
    match step.op:
        case "conv" | "linear":
            assert isinstance(layer, WeightLayer)
            y = layer.multiply(sources[0], layer.weight, layer.bias)
        case "add":
            y = sources[0] + sources[1]
        case "global_pool":
            y = sources[0].mean(dim=(2, 3))  # (B, C, H, W) -> (B, C)
        case _:
            y = layer(*sources)
    return y.relu() if step.has_relu and not isinstance(layer, WeightLayer) else y


def _with_rounding(step: Step, layer: nn.Module, sources: list[Tensor], exact: Tensor) -> Tensor:
    """The tensor as the deployed network has it; of weights, `exact` comes before the ReLU."""
    if isinstance(layer, WeightLayer):
        _clip(layer)
        y = layer.multiply(sources[0], layer.deployed().real_weight(), layer.bias)
        error = (exact - y).transpose(0, 1).flatten(1).mean(dim=1)  # (B, C, ...) -> (C,)
        layer.bias.add_(error)
        if step.has_relu:
            exact.relu_()
        quantizer = layer.quantizer
        y = y + error.view(-1, *(1 for _ in y.shape[2:]))
    else:
        quantizer = getattr(layer, "quantizer", None)
        if not isinstance(quantizer, ActivationQuantizer):
            return layer(*sources)  # type: ignore[no-any-return]
        y = sources[0] + sources[1]
    if quantizer is None:
        return y.relu() if step.has_relu else y
    quantizer.restart(_scale_of(y, quantizer))
    return quantizer(y)  # type: ignore[no-any-return]


def _clip(layer: WeightLayer) -> None:
    """Cut weights off at the ends of the grid of least error."""
    quantizer = layer.weight_quantizer
    if quantizer is not None and quantizer.bits in CLIPPED:
        limit = best_scale(layer.weight, quantizer.bits) * quantizer.high
        layer.weight.copy_(layer.weight.clamp(-limit, limit))


def _scale_of(y: Tensor, quantizer: ActivationQuantizer) -> Tensor:
    """The scale at which rounding has the least squared error; 0-dim."""
    values = y.flatten()
    values = values[:: max(1, -(-len(values) // MOST_VALUES))]
    wanted = values if quantizer.is_signed else values.relu()
    largest = (wanted.abs().amax() / quantizer.high).clamp(min=1e-8)
    best, least = largest, torch.full_like(largest, torch.inf)
    for number in range(1, CANDIDATES + 1):
        scale = largest * (number / CANDIDATES)
        error = ((values / scale).round().clamp(quantizer.low, quantizer.high) * scale - wanted).square().sum()
        best = torch.where(error < least, scale, best)
        least = torch.minimum(error, least)
    return best
