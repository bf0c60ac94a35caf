"""From a plan to a torch module that trains with fake quantization and evaluates as it will be deployed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.integer import Grid, InputTransform
from workers.layers import AddLayer, InputLayer, Norm, PoolLayer, WeightLayer
from workers.messages import Blueprint
from workers.plan import plan
from workers.quantize import LearnedScale
from workers.steps import Plan, Step

LEAST_FACTOR = 1e-3  #: Lower bound of gammas and of learned scales (relative to their start).


def build(network: Plan | Blueprint, transform: InputTransform, *, seed: int) -> Network:
    """A module in training mode, on the CPU; its weights depend on the plan and the seed alone.

    Raises:
        PlanError: if the blueprint's layers don't fit each other or the input.
    """
    steps = plan(network) if isinstance(network, Blueprint) else network
    module = Network(steps, transform, torch.Generator().manual_seed(seed))
    if len(steps.input_shape) == 3:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


class Network(nn.Module):
    """A plan's steps in order: raw samples (B, *input_shape) -> logits (B, outputs)."""

    def __init__(self, steps: Plan, transform: InputTransform, generator: torch.Generator) -> None:
        super().__init__()
        self.plan = steps
        self.input = InputLayer(transform)
        self.layers = nn.ModuleList()
        made: dict[str, nn.Module] = {"input": self.input}
        for step in steps.steps:
            made[step.name] = _make_layer(step, made[step.inputs[0]], generator)
            self.layers.append(made[step.name])
        self._factors: list[Tensor] = [
            module.gamma if isinstance(module, Norm) else module.factor
            for module in self.modules()
            if isinstance(module, Norm | LearnedScale)
        ]

    def forward(self, raw: Tensor) -> Tensor:
        """(B, *input_shape), uint8 or float32 as the data holds it -> (B, outputs)."""
        self.project()
        x: Tensor = self.input(raw)
        tensors = {"input": x}
        for step, layer in zip(self.plan.steps, self.layers, strict=True):
            x = layer(*(tensors[name] for name in step.inputs))
            tensors[step.name] = x
        return x

    @torch.no_grad()
    def project(self) -> None:
        """Keep every gamma and learned scale positive, whatever the optimizer did."""
        if self._factors:
            torch._foreach_clamp_min_(self._factors, LEAST_FACTOR)

    def grids(self) -> dict[str, Grid | None]:
        """The grid of each tensor by name, "input" included; None where it is float."""
        grids: dict[str, Grid | None] = {"input": self.input.grid()}
        for step, layer in zip(self.plan.steps, self.layers, strict=True):
            grids[step.name] = grids[step.inputs[0]] if step.op == "flatten" else layer.grid()  # type: ignore[operator]
        return grids


def _make_layer(step: Step, source: nn.Module, generator: torch.Generator) -> nn.Module:
    match step.op:
        case "conv" | "linear":
            return WeightLayer(step, generator)
        case "add":
            return AddLayer(step)
        case "global_pool":
            return PoolLayer(step, source.quantizer)  # type: ignore[arg-type]
        case "flatten":
            return nn.Flatten()
