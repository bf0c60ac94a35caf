"""The networks and the data that several benchmarks train."""

from __future__ import annotations

import numpy as np
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.modules.build import Network, build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.resident import ResidentSplit
from torch import nn

MNIST_SHAPE = (1, 28, 28)


def cnn(bits: int, widths: tuple[int, ...] = (16, 32, 64)) -> tuple[Layer, ...]:
    """3 x 3 convolutions; all but the first one halve the side."""
    return tuple(
        Layer(
            kind="conv",
            width=width,
            kernel=3,
            stride=1 if number == 0 else 2,
            weight_bits=bits,
            activation_bits=max(bits, 2),
        )
        for number, width in enumerate(widths)
    )


def mlp(bits: int, widths: tuple[int, ...] = (64, 64)) -> tuple[Layer, ...]:
    """Dense layers."""
    return tuple(Layer(kind="linear", width=width, weight_bits=bits, activation_bits=max(bits, 2)) for width in widths)


def image_blueprint(
    layers: tuple[Layer, ...], shape: tuple[int, ...] = MNIST_SHAPE, outputs: int = 10, head_bits: int | None = None
) -> Blueprint:
    """Those layers and a head, by default of the precision of the first layer."""
    bits = layers[0].weight_bits if head_bits is None else head_bits
    head = Layer(kind="linear", width=outputs, weight_bits=bits)
    family = "mlp" if layers[0].kind == "linear" else "cnn"
    return Blueprint(family=family, input_shape=shape, layers=(*layers, head))


def make_network(layers: tuple[Layer, ...], data: ResidentSplit, *, seed: int = 0) -> Network:
    """A fresh network with those layers and ten outputs, for images."""
    steps = plan(image_blueprint(layers, tuple(data.x.shape[1:])))
    return build(steps, fit_input(data.x.numpy(), input_bits=steps.input_bits), seed=seed)


def torch_cnn(widths: tuple[int, ...] = (16, 32, 64), channels: int = 1) -> nn.Module:
    """The float CNN of `cnn(32)` as one writes it with torch.nn: (B, C, H, W) -> (B, 10)."""
    layers: list[nn.Module] = []
    for number, width in enumerate(widths):
        before = channels if number == 0 else widths[number - 1]
        conv = nn.Conv2d(before, width, 3, stride=1 if number == 0 else 2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))


def torch_mlp(features: int = 784, width: int = 64) -> nn.Module:
    """The float MLP of `mlp(32)` as one writes it with torch.nn: (B, C, H, W) -> (B, 10)."""
    first = (nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())
    second = (nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *first, *second, nn.Linear(width, 10))


def random_images(count: int, shape: tuple[int, ...] = MNIST_SHAPE) -> ResidentSplit:
    """Random bytes with random labels: speed doesn't depend on them."""
    rng = np.random.default_rng(0)
    return ResidentSplit(
        x=torch.from_numpy(rng.integers(0, 256, (count, *shape), dtype=np.uint8)),
        y=torch.from_numpy(rng.integers(0, 10, count)),
    )
