"""From a plan to a torch module that trains with fake quantization and evaluates as it will be deployed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gasearch_workers.messages import Blueprint
from gasearch_workers.modules.layers import ElementLayer, InputLayer, MaxPoolLayer, Norm, PoolLayer, WeightLayer
from gasearch_workers.modules.quantize import ActivationQuantizer, LearnedScale
from gasearch_workers.modules.sequence_layers import (
    AttentionLayer,
    EmbeddingLayer,
    GruLayer,
    LayerNormLayer,
    MaxTokensLayer,
    MeanTokensLayer,
    PositionLayer,
    WindowLayer,
)
from gasearch_workers.network.integer import Grid, InputTransform
from gasearch_workers.network.plan import plan
from gasearch_workers.network.steps import INPUT, Op, Plan, Step

#: Layers that draw no weights.
_WITHOUT_WEIGHTS: dict[Op, Callable[[Step], nn.Module]] = {
    "add": ElementLayer,
    "product": ElementLayer,
    "concat": ElementLayer,
    "flatten": lambda _: nn.Flatten(),
    "max_pool": lambda _: MaxPoolLayer(),
    "window": WindowLayer,
    "attention": AttentionLayer,
    "layer_norm": LayerNormLayer,
    "mean_tokens": MeanTokensLayer,
    "max_tokens": lambda _: MaxTokensLayer(),
}
LEAST_FACTOR = 1e-3  #: Lower bound of gammas and of learned scales (relative to their start).


def build(
    network: Plan | Blueprint,
    transform: InputTransform,
    *,
    seed: int,
    target: tuple[float, float] = (0.0, 1.0),
    is_full_range: bool = False,
) -> Network:
    """A module in training mode, on the CPU; its weights depend on the plan and the seed alone.

    Args:
        network: What to build; of a blueprint the network that is deployed.
        transform: From `gasearch_workers.data.normalize.fit_input`.
        seed: Of the weights.
        target: Of a regression: mean and deviation of the targets, in whose unit the network then answers.
        is_full_range: Whether 8-bit weights may be larger than `steps.largest_weight`.

    Raises:
        PlanError: if the blueprint's layers don't fit each other or the input.
    """
    steps = plan(network) if isinstance(network, Blueprint) else network
    module = Network(steps, transform, torch.Generator().manual_seed(seed), target, is_full_range)
    if len(steps.input_shape) == 3:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


class Network(nn.Module):
    """A plan's steps in order: raw samples (B, *input_shape) -> what the last step gives, e.g. logits (B, outputs).

    `layers` holds one module per step, in order. In the names of parameters a step is called by its name and operation,
    such as `steps.layer0:conv.weight`: that is how a child finds the weights of a parent.
    """

    def __init__(
        self,
        steps: Plan,
        transform: InputTransform,
        generator: torch.Generator,
        target: tuple[float, float],
        is_full_range: bool,
    ) -> None:
        super().__init__()
        self.plan, self.target, self.is_full_range = steps, target, is_full_range
        self.input = InputLayer(steps, transform)
        self.steps = nn.ModuleDict()
        quantizers: dict[str, ActivationQuantizer | None] = {}  # Of each tensor.
        for step in steps.steps:
            source = quantizers.get(step.inputs[0])
            layer = self._make_layer(step, source, generator)
            self.steps[layer_key(step)] = layer
            quantizers[step.name] = source if step.passes_grid else getattr(layer, "quantizer", None)
        self.layers: tuple[nn.Module, ...] = tuple(self.steps.values())
        self._factors: list[Tensor] = [
            module.gamma if isinstance(module, Norm) else module.factor
            for module in self.modules()
            if isinstance(module, Norm | LearnedScale)
        ]
        self.dropout = 0.0  #: Share of each hidden layer's outputs dropped while training.
        self.dropout_generator: torch.Generator | None = None
        self.dropped = _layer_outputs(steps)  #: Names of the tensors of which dropout drops.

    def forward(self, raw: Tensor) -> Tensor:
        """(B, *input_shape) as the data holds it -> (B, outputs); of a tagger (B, T, outputs)."""
        self.project()
        tensors: dict[str, Tensor] = self.input(raw)
        is_dropping = self.training and self.dropout > 0
        for step, layer in zip(self.plan.steps, self.layers, strict=True):
            x: Tensor = layer(*(tensors[name] for name in step.inputs))
            if is_dropping and step.name in self.dropped:
                x = self._drop(x)
            tensors[step.name] = x
        return x

    def set_dropout(self, share: float, generator: torch.Generator | None) -> None:
        """Drop that share of each hidden layer's outputs from now on while training; the others grow to make up for it.

        The outputs are dropped after they were rounded, so the grids don't learn of it.

        Args:
            share: 0 (none) to below 1.
            generator: Draws what is dropped; on the network's device.

        Raises:
            ValueError: if the share is out of its range.
        """
        if not 0 <= share < 1:
            raise ValueError(f"dropout must be at least 0 and below 1; got {share!r}")
        self.dropout, self.dropout_generator = share, generator

    def _drop(self, x: Tensor) -> Tensor:
        keep = 1 - self.dropout
        return x * torch.empty_like(x).bernoulli_(keep, generator=self.dropout_generator).div_(keep)

    def _make_layer(self, step: Step, source: ActivationQuantizer | None, generator: torch.Generator) -> nn.Module:
        match step.op:
            case "conv" | "linear":
                target = self.target if step is self.plan.steps[-1] else (0.0, 1.0)
                return WeightLayer(step, generator, target=target, is_full_range=self.is_full_range)
            case "global_pool":
                return PoolLayer(step, source)
            case "embedding":
                has_unknown = step.rows < self.plan.categories[max(step.column, 0)]
                return EmbeddingLayer(step, generator, has_unknown=has_unknown)
            case "position":
                return PositionLayer(step, generator)
            case "gru":
                return GruLayer(step, generator)
            case op:
                return _WITHOUT_WEIGHTS[op](step)

    @torch.no_grad()
    def project(self) -> None:
        """Keep every gamma and learned scale positive, whatever the optimizer did."""
        if self._factors:
            torch._foreach_clamp_min_(self._factors, LEAST_FACTOR)

    def grids(self) -> dict[str, Grid | None]:
        """The grid of each tensor by name, "input" included; None where it is float."""
        grids: dict[str, Grid | None] = {INPUT: self.input.grid()}
        for step, layer in zip(self.plan.steps, self.layers, strict=True):
            grids[step.name] = grids[step.inputs[0]] if step.passes_grid else layer.grid()  # type: ignore[operator]
        return grids


def layer_key(step: Step) -> str:
    """What a step's layer is called in the names of parameters."""
    return f"{step.name.replace('.', '_')}:{step.op}"


def _layer_outputs(steps: Plan) -> frozenset[str]:
    """The last tensor of each hidden layer: of embeddings their sum or concatenation, else the last of `layer0.*`."""
    last: dict[str, str] = {}
    for step in steps.steps:
        layer, *_ = step.name.split(".")
        is_embedded = step.op == "embedding" or layer.startswith(("tokens", "interaction", "features", "positions"))
        if is_embedded or layer.startswith("layer"):
            last["embedding" if is_embedded else layer] = step.name
    return frozenset(last.values())
