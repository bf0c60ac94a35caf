"""Many networks of one shape trained as one: their weights in one set of tensors, one batch for all of them.

A network's gradient doesn't depend on the others, and the losses are added, so each learns as it would alone (on the
same batches, with Adam, whose steps don't mix weights). Float only: this is for measuring whether stacking pays.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from gasearch_workers.messages import FULL_PRECISION, Recipe
from gasearch_workers.modules.build import LEAST_FACTOR, Network
from gasearch_workers.modules.quantize import (
    START_BATCHES,
    LearnedScale,
    WeightQuantizer,
    largest_integer,
    round_to_grid,
)
from gasearch_workers.network.integer import InputTransform
from gasearch_workers.network.steps import INPUT
from gasearch_workers.training.optimizer import make_optimizer, set_rate
from gasearch_workers.training.resident import ResidentSplit
from torch import Tensor, nn


class Stack(nn.Module):
    """N networks: (B, C, H, W) uint8 -> logits (N, B, outputs)."""

    def __init__(self, networks: list[Network]) -> None:
        super().__init__()
        self.count = len(networks)
        self.input = networks[0].input
        weighted = [[layer for layer in network.layers if hasattr(layer, "weight")] for network in networks]
        layers = list(zip(*weighted, strict=True))  # per layer: N times the layer
        self.weights = nn.ParameterList(torch.stack([one.weight.detach() for one in layer]) for layer in layers)
        self.biases = nn.ParameterList(torch.stack([one.bias.detach() for one in layer]) for layer in layers)
        self.gammas = nn.ParameterList(torch.ones_like(bias) for bias in self.biases[:-1])
        self.means = [torch.zeros(bias.numel()) for bias in self.biases[:-1]]
        self.variances = [torch.ones(bias.numel()) for bias in self.biases[:-1]]
        self.batches = 0

    def normalize(self, x: Tensor, number: int) -> Tensor:
        """Batch normalization and ReLU of all networks' channels: (B, N x channels, ...), the same shape."""
        return self.normalized(x, number).relu()

    def normalized(self, x: Tensor, number: int) -> Tensor:
        """Batch normalization of all networks' channels: (B, N x channels, ...), the same shape."""
        rate = max(0.1, 1 / max(self.batches, 1))
        gamma, beta = self.gammas[number].flatten(), self.biases[number].flatten()
        return F.batch_norm(
            x, self.means[number], self.variances[number], gamma, beta, self.training, rate, 1e-5
        ).relu()

    def head(self, x: Tensor) -> Tensor:
        """(N, B, features) -> (N, B, outputs)."""
        return torch.baddbmm(self.biases[-1].unsqueeze(1), x, self.weights[-1].transpose(1, 2))


class StackedMlp(Stack):
    """Dense layers: one product for all networks in the first layer, which sees the same input; torch.bmm after it."""

    def forward(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (N, B, outputs)."""
        self.batches += self.training
        x = self.input(raw)[INPUT].flatten(1)  # (B, features)
        x = self.normalize(F.linear(x, self.weights[0].flatten(0, 1)), 0)  # (B, N x width)
        for number in range(1, len(self.weights) - 1):
            x = torch.bmm(self.split(x), self.weights[number].transpose(1, 2))  # (N, B, width)
            x = self.normalize(x.transpose(0, 1).flatten(1), number)  # (B, N x width)
        return self.head(self.split(x))

    def split(self, x: Tensor) -> Tensor:
        """(B, N x width) -> (N, B, width)."""
        return x.view(len(x), self.count, -1).transpose(0, 1)


class QuantizedMlp(StackedMlp):
    """The same under fake quantization with learned scales: of weights one per unit, of activations one per network."""

    def __init__(self, networks: list[Network]) -> None:
        super().__init__(networks)
        self.bits = networks[0].plan.steps[-1].weight_bits
        self.high = largest_integer(self.bits)
        self.quantizers = nn.ModuleList(
            WeightQuantizer(self.bits, weight.detach().flatten(0, 1)) for weight in self.weights
        )
        starts = torch.ones(self.count, 1, 1)
        self.scales = nn.ModuleList(LearnedScale(starts.clone()) for _ in self.weights[:-1])
        self.factors = [
            *self.gammas,
            *(one.learned.factor for one in self.quantizers),
            *(one.factor for one in self.scales),
        ]

    def forward(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (N, B, outputs)."""
        self.batches += self.training
        with torch.no_grad():
            torch._foreach_clamp_min_(self.factors, LEAST_FACTOR)
        weights = [
            quantizer(weight.flatten(0, 1)) for quantizer, weight in zip(self.quantizers, self.weights, strict=True)
        ]
        x = F.linear(self.input(raw)[INPUT].flatten(1), weights[0])  # (B, N x width)
        x = self.round(self.split(self.normalized(x, 0)), 0)  # (N, B, width)
        for number in range(1, len(weights) - 1):
            x = torch.bmm(x, weights[number].view_as(self.weights[number]).transpose(1, 2))
            x = self.round(self.split(self.normalized(x.transpose(0, 1).flatten(1), number)), number)
        head = weights[-1].view_as(self.weights[-1])
        return torch.baddbmm(self.biases[-1].unsqueeze(1), x, head.transpose(1, 2))

    def round(self, x: Tensor, number: int) -> Tensor:
        """ReLU and rounding, (N, B, width): each network on its grid, started from the range of its first batches."""
        scale = self.scales[number]
        if self.training and self.batches <= START_BATCHES:
            scale.start.lerp_(x.detach().amax(dim=(1, 2), keepdim=True) / self.high, 1 / self.batches)
        factor = (x.shape[2] * self.high) ** -0.5
        return round_to_grid(x, scale(), 0, self.high, window=(0.0, self.high + 0.5), factor=factor)


class StackedCnn(Stack):
    """3 x 3 convolutions: one for all networks in the first layer, in N groups after it; the first stride is 1."""

    def forward(self, raw: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (N, B, outputs)."""
        self.batches += self.training
        x = self.input(raw)[INPUT]
        for number in range(len(self.weights) - 1):
            groups, stride = (1, 1) if number == 0 else (self.count, 2)
            x = F.conv2d(x, self.weights[number].flatten(0, 1), None, stride=stride, padding=1, groups=groups)
            x = self.normalize(x, number)  # (B, N x channels, H, W)
        x = x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)  # (B, N x channels)
        return self.head(x.view(len(x), self.count, -1).transpose(0, 1))


def stack_networks(networks: list[Network]) -> Stack:
    """Networks of one shape as one, with their weights; quantized CNNs are not made here.

    Raises:
        ValueError: for those.
    """
    is_cnn = any(step.op == "conv" for step in networks[0].plan.steps)
    is_float = networks[0].plan.steps[-1].weight_bits == FULL_PRECISION
    if is_cnn and not is_float:
        raise ValueError("only float CNNs are stacked; got quantized ones")
    if is_cnn:
        return StackedCnn(networks)
    return StackedMlp(networks) if is_float else QuantizedMlp(networks)


def train_stacked(stack: Stack, data: ResidentSplit, recipe: Recipe, *, epochs: int, networks: int) -> None:
    """Train all networks on the same batches, each by its own loss."""
    optimizer = torch.optim.Adam(stack.parameters(), lr=recipe.learning_rate, fused=True)
    order = torch.Generator().manual_seed(0)
    updates, update = epochs * -(-len(data) // recipe.batch_size), 0
    stack.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(data), generator=order).split(recipe.batch_size):
            set_rate(optimizer, recipe, update=update, updates=updates)
            logits = stack(data.x.index_select(0, batch))  # (N, B, outputs)
            truth = data.y.index_select(0, batch).repeat(networks)
            loss = F.cross_entropy(logits.flatten(0, 1), truth) * networks
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            update += 1


@torch.no_grad()
def stacked_accuracies(stack: Stack, split: ResidentSplit) -> list[float]:
    """Share of the samples that each network gets right."""
    stack.eval()
    found = torch.cat([stack(x).argmax(dim=2) for x in split.x.split(256)], dim=1)  # (N, count)
    return (found == split.y).double().mean(dim=1).tolist()


class SharedBatches:
    """Networks that take turns on each batch, which is gathered and normalized once."""

    def __init__(self, networks: list[Network], recipe: Recipe) -> None:
        self.networks, self.recipe = networks, recipe
        self.optimizers = [make_optimizer(network, recipe) for network in networks]

    def train(self, data: ResidentSplit, *, epochs: int) -> None:
        """Train all networks."""
        take_in = self.networks[0].input
        order = torch.Generator().manual_seed(0)
        updates, update = epochs * -(-len(data) // self.recipe.batch_size), 0
        for network in self.networks:
            network.train().input = Prepared(take_in.transform)
        for _ in range(epochs):
            for batch in torch.randperm(len(data), generator=order).split(self.recipe.batch_size):
                tensors, truth = take_in(data.x.index_select(0, batch)), data.y.index_select(0, batch)
                for network, optimizer in zip(self.networks, self.optimizers, strict=True):
                    set_rate(optimizer, self.recipe, update=update, updates=updates)
                    F.cross_entropy(network(tensors), truth).backward()
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                update += 1
        for network in self.networks:
            network.input = take_in


class Prepared(nn.Module):
    """In the place of an input layer: passes on what it has given before."""

    def __init__(self, transform: InputTransform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same tensors."""
        return tensors
