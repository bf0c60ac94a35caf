"""From a trained module to the integer network: what is packed, exported and counted."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gasearch_workers.modules.build import Network
from gasearch_workers.modules.layers import Deployed
from gasearch_workers.network.integer import Grid, IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import Step


def lower(network: Network) -> IntegerNetwork:
    """Read the deployment form off a network: integer weights, folded scales and biases, and the grid of each tensor.

    The module computes with the same numbers in evaluation mode, so nothing is rounded or fitted here.
    """
    network.project()
    grids = network.grids()
    steps = tuple(
        _lower_weights(step, layer.deployed(), grids[step.name])  # type: ignore[operator]
        if step.has_weights
        else IntegerStep(step=step, output_grid=grids[step.name])
        for step, layer in zip(network.plan.steps, network.layers, strict=True)
    )
    return IntegerNetwork(plan=network.plan, input=network.input.transform, steps=steps)


def _lower_weights(step: Step, deployed: Deployed, grid: Grid | None) -> IntegerStep:
    weight = _as_array(deployed.weight)
    return IntegerStep(
        step=step,
        weight=weight if deployed.scale is None else weight.astype(np.int8),
        weight_scale=None if deployed.scale is None else _as_array(deployed.scale),
        bias=None if deployed.bias is None else _as_array(deployed.bias),
        output_grid=grid,
    )


def _as_array(tensor: Tensor) -> NDArray[np.float32]:
    """A copy in C order that shares nothing with the module."""
    return cast("NDArray[np.float32]", np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C"))
