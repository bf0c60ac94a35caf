"""Layers on sequences: convolution over neighbours, recurrence."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder


def _add_conv1d(builder: PlanBuilder, name: str, layer: Layer) -> None:
    tokens, channels = builder.shape
    window = (tokens, layer.kernel * channels)
    units = (builder.tensor.full * layer.kernel, builder.tensor.kept * layer.kernel)
    builder.add(f"{name}.window", "window", window, kernel=layer.kernel, units=units)
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)


def _effect_of_conv1d(compression: Compression, layer: LayerShape) -> Effect:
    units, full, kept = compression.units(layer.width), layer.full * layer.kernel, layer.kept * layer.kernel
    return layer.width, units, compression.matrix(layer.weight_bits, layer.width, units, full, kept)


CONV1D: Final = LayerKind(
    name="conv1d", add=_add_conv1d, dimensions=2, options=("kernel",), effect=_effect_of_conv1d, is_monotone=True
)


def _add_gru(builder: PlanBuilder, name: str, layer: Layer) -> None:
    tokens, channels = builder.shape
    kept = builder.kept(layer.width, layer)
    hidden = builder.width(layer.width, kept)
    builder.add(
        name,
        "gru",
        (tokens, 2 * hidden),
        bits=layer.activation_bits,
        is_signed=True,
        units=(2 * layer.width, 2 * kept),
        weight_bits=layer.weight_bits,
        nonzeros=builder.nonzeros(6 * hidden * (channels + hidden), layer),
    )


def _effect_of_gru(compression: Compression, layer: LayerShape) -> Effect:
    units = compression.units(layer.width)
    return 2 * layer.width, 2 * units, compression.left(layer.weight_bits, 6 * units * (layer.kept + units))


GRU: Final = LayerKind(name="gru", add=_add_gru, dimensions=2, effect=_effect_of_gru, is_monotone=True)
