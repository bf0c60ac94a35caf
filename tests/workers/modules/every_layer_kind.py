"""Train one step of every kind of layer on few channels, and compare the gradients with another memory layout's.

Run in a process of its own: a kernel that writes outside memory ends it.
"""

import itertools

import numpy as np
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.modules.build import Network, build
from gasearch_workers.network.plan import plan

BATCH, TOKENS, WORDS = 6, 9, 20
SIDE = 12  #: A multiple of every stride: there the kernels of 1 x 1 convolutions go wrong.
CHANNELS = (1, 2, 3, 4, 7, 8)
STRIDES = (1, 2, 3)
SEQUENCE_LAYERS = {  # kind: (family, further fields)
    "conv1d": ("text", {"kernel": 3}),
    "gru": ("text", {}),
    "transformer": ("transformer", {"heads": 1}),
}


def image_layers():
    """Layers of images: plain, factored, pooled; on their own 1 x 1 convolutions are the critical ones."""
    for kind, kernel, stride in itertools.product(("conv", "separable", "residual"), (1, 3), STRIDES):
        yield Layer(kind=kind, width=16, kernel=kernel, stride=stride)
        yield Layer(kind=kind, width=16, kernel=kernel, stride=stride, rank=0.25)
    for kind in ("conv", "separable", "residual"):
        yield Layer(kind=kind, width=16, kernel=3, stride=2, downsample="max_pool")
    yield Layer(kind="linear", width=16)


def check_images(channels: int, layer: Layer) -> None:
    x = np.random.default_rng(0).integers(0, 256, (BATCH, channels, SIDE, SIDE), dtype=np.uint8)
    # The layer comes first, then once more behind one of as many channels, where its input takes a gradient, too.
    before = Layer(kind="conv", width=channels, kernel=3)
    for layers in ([layer], [] if layer.kind == "linear" else [before, layer]):
        if layers:
            _compare("cnn", layers, x)


def check_sequences(features: int, kind: str) -> None:
    family, fields = SEQUENCE_LAYERS[kind]
    x = np.random.default_rng(0).integers(0, WORDS, (BATCH, TOKENS), dtype=np.int32)
    embedding = Layer(kind="embedding", width=features, rows=WORDS)
    _compare(family, [embedding, Layer(kind=kind, width=16, **fields)], x, categories=(WORDS,))


def _compare(family, layers, x, categories=()):
    head = Layer(kind="linear", width=3)
    blueprint = Blueprint(family=family, input_shape=x.shape[1:], layers=(*layers, head), categories=categories)
    steps = plan(blueprint)
    transform = fit_input(x, input_bits=steps.input_bits, input_kind=steps.input_kind, categories=len(categories))
    trained, contiguous = (build(steps, transform, seed=0) for _ in range(2))
    _make_contiguous(contiguous)
    found, expected = (_gradients(network, torch.from_numpy(x)) for network in (trained, contiguous))
    # torch's normalization sums channels-last images one value after the other: up to 2 % off in float32.
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    for name, gradient in expected.items():
        difference = (found[name] - gradient).abs().max().item()
        assert difference <= 3e-2 * largest, f"{layers} on {x.shape}: {name} differs by {difference} of {largest}"


def _make_contiguous(network: Network) -> None:
    for parameter in network.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    network.input.register_forward_hook(
        lambda _, __, tensors: {
            name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
        }
    )


def _gradients(network: Network, x: torch.Tensor) -> dict[str, torch.Tensor]:
    y = torch.arange(len(x)) % 3
    for _ in range(2):  # a write outside memory isn't always found at once
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for channels in CHANNELS:
        for layer in image_layers():
            check_images(channels, layer)
        for kind in SEQUENCE_LAYERS:
            check_sequences(channels, kind)
    print("every gradient agrees")
