"""Layers on sequences: convolution over neighbours, recurrence, and self-attention."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import FULL_PRECISION, Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError


def _add_conv1d(builder: PlanBuilder, name: str, layer: Layer) -> None:
    units = (builder.tensor.full * layer.kernel, builder.tensor.kept * layer.kernel)
    builder.add(f"{name}.window", "window", kernel=layer.kernel, units=units)
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)


def _effect_of_conv1d(compression: Compression, layer: LayerShape) -> Effect:
    units, full, kept = compression.units(layer.width), layer.full * layer.kernel, layer.kept * layer.kernel
    return layer.width, units, compression.matrix(layer.weight_bits, layer.width, units, full, kept)


CONV1D: Final = LayerKind(
    name="conv1d", add=_add_conv1d, dimensions=2, options=("kernel",), effect=_effect_of_conv1d, is_monotone=True
)


def _add_gru(builder: PlanBuilder, name: str, layer: Layer) -> None:
    kept = builder.kept(layer.width, layer)
    hidden = builder.width(layer.width, kept)
    builder.add(
        name,
        "gru",
        width=hidden,
        bits=layer.activation_bits,
        is_signed=True,
        units=(2 * layer.width, 2 * kept),
        weight_bits=layer.weight_bits,
        nonzeros=builder.nonzeros(6 * hidden * (builder.shape[-1] + hidden), layer),
    )


def _effect_of_gru(compression: Compression, layer: LayerShape) -> Effect:
    units = compression.units(layer.width)
    return 2 * layer.width, 2 * units, compression.left(layer.weight_bits, 6 * units * (layer.kept + units))


GRU: Final = LayerKind(name="gru", add=_add_gru, dimensions=2, effect=_effect_of_gru, is_monotone=True)


def _add_transformer(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Attention, sum, normalization; two dense layers, sum, normalization (Vaswani et al., 2017; ReLU).

    Structured pruning removes whole heads, and units between the two dense layers.
    """
    if builder.tensor.full != builder.tensor.kept:
        raise PlanError(f"{name}: a transformer can't follow a layer whose channels are pruned")
    if not any(step.op == "position" for step in builder.steps):
        _add_positions(builder, layer)
    features = builder.shape[-1]
    inner = builder.inner_bits(layer)
    head_size = max(1, features // layer.heads)
    kept_heads = builder.kept(layer.heads, layer)
    heads = builder.width(layer.heads, kept_heads)
    stream = builder.tensor
    width, kept = 3 * layer.heads * head_size, 3 * kept_heads * head_size
    builder.add_matrix(f"{name}.queries", layer, op="linear", width=width, kept=kept, bits=inner)
    builder.add(
        f"{name}.attention",
        "attention",
        bits=layer.activation_bits,
        units=(layer.heads * head_size, kept_heads * head_size),
        heads=heads,
    )
    builder.add_matrix(f"{name}.projection", layer, op="linear", width=features, bits=inner)
    builder.add_sum(f"{name}.attended", stream, bits=inner)
    builder.add(f"{name}.norm0", "layer_norm", bits=layer.activation_bits)
    stream = builder.tensor
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(f"{name}.wide", layer, op="linear", width=layer.width, kept=kept, has_relu=True)
    builder.add_matrix(f"{name}.narrow", layer, op="linear", width=features, bits=inner)
    builder.add_sum(f"{name}.sum", stream, bits=inner)
    builder.add(f"{name}.norm1", "layer_norm", bits=layer.activation_bits)


def _add_positions(builder: PlanBuilder, layer: Layer) -> None:
    """A learned vector per place in the sequence, at the first transformer's precision."""
    builder.add(
        "positions",
        "position",
        bits=builder.free_bits,
        is_signed=True,
        weight_bits=layer.weight_bits if layer.weight_bits == FULL_PRECISION else max(layer.weight_bits, 2),
    )


def _effect_of_transformer(compression: Compression, layer: LayerShape) -> Effect:
    features, bits = layer.kept, layer.weight_bits
    size = max(1, features // layer.heads)
    units, heads = compression.units(layer.width), compression.units(layer.heads)
    wide, narrow = layer.heads * size, heads * size
    return (
        layer.full,
        layer.kept,
        heads,
        compression.matrix(bits, 3 * wide, 3 * narrow, features, features),
        compression.matrix(bits, features, features, wide, narrow),
        compression.matrix(bits, layer.width, units, features, features),
        compression.matrix(bits, features, features, layer.width, units),
    )


TRANSFORMER: Final = LayerKind(
    name="transformer",
    add=_add_transformer,
    dimensions=2,
    options=("heads",),
    effect=_effect_of_transformer,
    is_monotone=True,
)
