"""A network that begins with the weights of a trained one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gasearch_workers.data.dataset import Pretrained
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.modules.build import Network
from gasearch_workers.modules.layers import WeightLayer
from gasearch_workers.network.integer import Grid, InputTransform
from gasearch_workers.network.plan_builder import PlanError
from gasearch_workers.network.steps import INPUT, OPERATIONS, Plan


def transform_of(pretrained: Pretrained, plan: Plan, x: NDArray[Any]) -> InputTransform:
    """What the trained network does with raw samples before its first layer.

    Bytes of images are integers of the input's grid already, whose zero point is the mean, rounded.

    Args:
        pretrained: The trained network.
        plan: Of a network that begins with its weights.
        x: Training samples: the grid of a table holds all of their values.
    """
    mean, deviation, is_image = pretrained.mean, pretrained.deviation, plan.input_kind == "image"
    transform = InputTransform(dtype="uint8" if is_image else "float32", mean=mean, deviation=deviation, grid=None)
    if plan.input_bits == FULL_PRECISION:
        return transform
    if is_image:
        zero_point = round(float(mean[0]))
        scale = float(np.float32(1.0 / deviation[0]))
        grid = Grid(scale=scale, zero_point=zero_point, bits=plan.input_bits)
        return replace(transform, mean=np.array([zero_point], dtype=np.float32), grid=grid)
    largest = float(np.abs((x - mean) / deviation).max()) or 1.0
    half = 2 ** (plan.input_bits - 1)
    return replace(transform, grid=Grid(scale=float(np.float32(largest / (half - 1))), zero_point=half, bits=8))


@torch.no_grad()
def begin_with(network: Network, pretrained: Pretrained) -> None:
    """Give a network, in place, the weights of a trained one of the same layers.

    Raises:
        PlanError: if it has other layers.
    """
    layers = [layer for layer in network.layers if isinstance(layer, WeightLayer)]
    expected = [layer.step.weight_shape for layer in layers]
    if [weight.shape for weight in pretrained.weights] != expected:
        raise PlanError("the trained network that was loaded has other layers than the one that is to be made of it")
    read = _reading_input(network.plan)
    shift = float((network.input.transform.mean - pretrained.mean)[0] / pretrained.deviation[0])
    for layer, weight, bias in zip(layers, pretrained.weights, pretrained.biases, strict=True):
        layer.weight.copy_(torch.from_numpy(weight.copy()))
        layer.bias.copy_(torch.from_numpy(bias.copy()))
        if layer.step.inputs[0] in read:  # a mean that was rounded
            layer.bias.add_(layer.weight.flatten(1).sum(dim=1), alpha=shift)
        if layer.weight_quantizer is not None:
            layer.weight_quantizer.restart(layer.weight)


def _reading_input(plan: Plan) -> set[str]:
    """The tensors that hold values of the input."""
    found = {INPUT}
    for step in plan.steps:
        if OPERATIONS[step.op].is_passing and step.inputs[0] in found:
            found.add(step.name)
    return found
