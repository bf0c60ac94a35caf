"""One small network of every family, with samples, and a few steps of training for it."""

import dataclasses

import numpy as np
import torch
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.modules.build import build
from gasearch_workers.network.plan import plan

SAMPLES = 24
TOKENS = 9


def _random_tokens(rng, *sizes):
    """Words with padding behind; the first sentence is empty, the second fills the length."""
    codes = np.stack([rng.integers(1, size, (SAMPLES, TOKENS)) for size in sizes], axis=-1)
    lengths = rng.integers(1, TOKENS, SAMPLES)
    lengths[:2] = 0, TOKENS
    codes *= (np.arange(TOKENS) < lengths[:, None])[:, :, None]
    return (codes[..., 0] if len(sizes) == 1 else codes).astype(np.int32)


_RNG = np.random.default_rng(0)
WORDS = _random_tokens(_RNG, 40)
WORDS_AND_SHAPES = _random_tokens(_RNG, 40, 7)
PAIRS = np.stack([_RNG.integers(0, 12, SAMPLES), _RNG.integers(0, 15, SAMPLES)], axis=1).astype(np.int32)
CODES = np.stack([_RNG.integers(0, 4, SAMPLES), _RNG.integers(0, 5, SAMPLES)], axis=1).astype(np.float32)
NUMBERS = _RNG.normal(3, 2, (SAMPLES, 5)).astype(np.float32)
IMAGES = _RNG.integers(0, 256, (SAMPLES, 3, 9, 7), dtype=np.uint8)


def _hidden(kind, **fields):
    return Layer(**({"kind": kind, "width": 8} | fields))


_EMBEDDING = Layer(kind="embedding", width=8, rows=20)

#: (family, hidden layers, categories, samples)
NETWORKS = {
    "bag of words": ("text", [_EMBEDDING, _hidden("linear")], (40,), WORDS),
    "convolutions": (
        "text",
        [_EMBEDDING, _hidden("conv1d", kernel=3), _hidden("conv1d", kernel=5), _hidden("linear")],
        (40,),
        WORDS,
    ),
    "gru": ("text", [_EMBEDDING, _hidden("gru", width=6), _hidden("gru", width=4)], (40,), WORDS),
    "transformer": (
        "transformer",
        [_EMBEDDING, *[_hidden("transformer", heads=4, width=16)] * 2],
        (40,),
        WORDS,
    ),
    "tagger": ("tagger", [_EMBEDDING, _hidden("gru"), _hidden("conv1d", kernel=3)], (40, 7), WORDS_AND_SHAPES),
    "recommender": ("recommender", [_EMBEDDING, _hidden("linear")], (12, 15), PAIRS),
    "matrix factorization": ("recommender", [_EMBEDDING], (12, 15), PAIRS),
    "mixed table": (
        "mlp",
        [_EMBEDDING, _hidden("linear"), _hidden("linear")],
        (4, 5),
        np.concatenate([NUMBERS, CODES], axis=1),
    ),
    "table of codes": ("mlp", [_EMBEDDING, _hidden("linear")], (4, 5), CODES),
    "table of numbers": ("mlp", [_hidden("linear"), _hidden("linear")], (), NUMBERS),
    "images": (
        "cnn",
        [
            _hidden("conv", kernel=3, stride=2, downsample="max_pool"),
            _hidden("separable", kernel=3),
            _hidden("residual", kernel=3),
        ],
        (),
        IMAGES,
    ),
    "images as vectors": ("mlp", [_hidden("linear")], (), IMAGES),
}


def blueprint(name, *, bits=32, activation_bits=None, outputs=3, is_regression=False, **compression):
    """The network of that name at one precision; activations have 4 bits where the weights are binary."""
    family, layers, categories, x = NETWORKS[name]
    activation_bits = activation_bits or (4 if bits == 1 else bits)
    precision = {"weight_bits": bits, "activation_bits": activation_bits}
    hidden = (
        dataclasses.replace(layer, **precision, **({} if layer.kind == "embedding" else compression))
        for layer in layers
    )
    return Blueprint(
        family=family,
        input_shape=x.shape[1:],
        layers=(*hidden, Layer(kind="linear", width=1 if is_regression else outputs, weight_bits=bits)),
        categories=categories,
        is_regression=is_regression,
    )


def samples(name):
    """Raw samples of a network: a tensor of its own."""
    return torch.from_numpy(NETWORKS[name][3].copy())


def make(network, x, *, seed=0, **options):
    """Build a plan or blueprint on raw samples."""
    steps = plan(network) if isinstance(network, Blueprint) else network
    transform = fit_input(
        x.numpy(), input_bits=steps.input_bits, input_kind=steps.input_kind, categories=len(steps.categories)
    )
    return build(steps, transform, seed=seed, **options)


def train_a_little(network, x, *, updates=4, rate=0.01):
    """Some steps towards outputs that are drawn once."""
    goal = torch.randn(network(x).shape, generator=torch.Generator().manual_seed(5))
    optimizer = torch.optim.Adam(network.parameters(), rate)
    for _ in range(updates):
        optimizer.zero_grad()
        (network(x) - goal).square().mean().backward()
        optimizer.step()
    return network
