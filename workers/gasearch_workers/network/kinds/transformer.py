"""Self-attention and two dense layers, each with a skip connection and layer normalization."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import FULL_PRECISION, Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError


def _add(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Attention, sum, normalization; two dense layers, sum, normalization (Vaswani et al., 2017; ReLU).

    Structured pruning removes whole heads, and units between the two dense layers.
    """
    if builder.tensor.full != builder.tensor.kept:
        raise PlanError(f"{name}: a transformer can't follow a layer whose channels are pruned")
    if not any(step.op == "position" for step in builder.steps):
        _add_positions(builder, layer)
    tokens, features = builder.shape
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
        (tokens, heads * head_size),
        bits=layer.activation_bits,
        units=(layer.heads * head_size, kept_heads * head_size),
        heads=heads,
    )
    builder.add_matrix(f"{name}.projection", layer, op="linear", width=features, bits=inner)
    builder.add_sum(f"{name}.attended", stream, bits=inner)
    builder.add(f"{name}.norm0", "layer_norm", builder.shape, bits=layer.activation_bits)
    stream = builder.tensor
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(f"{name}.wide", layer, op="linear", width=layer.width, kept=kept, has_relu=True)
    builder.add_matrix(f"{name}.narrow", layer, op="linear", width=features, bits=inner)
    builder.add_sum(f"{name}.sum", stream, bits=inner)
    builder.add(f"{name}.norm1", "layer_norm", builder.shape, bits=layer.activation_bits)


def _add_positions(builder: PlanBuilder, layer: Layer) -> None:
    """A learned vector per place in the sequence, at the first transformer's precision."""
    builder.add(
        "positions",
        "position",
        builder.shape,
        bits=builder.free_bits,
        is_signed=True,
        weight_bits=layer.weight_bits if layer.weight_bits == FULL_PRECISION else max(layer.weight_bits, 2),
    )


def _effect(compression: Compression, layer: LayerShape) -> Effect:
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
    name="transformer", add=_add, dimensions=2, options=("heads",), effect=_effect, is_monotone=True
)
