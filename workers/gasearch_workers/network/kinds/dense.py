"""Dense layers."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder


def _add(builder: PlanBuilder, name: str, layer: Layer) -> None:
    builder.pool_tokens()
    builder.flatten()
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)


def _effect(compression: Compression, layer: LayerShape) -> Effect:
    units = compression.units(layer.width)
    return layer.width, units, compression.matrix(layer.weight_bits, layer.width, units, layer.full, layer.kept)


LINEAR: Final = LayerKind(name="linear", add=_add, effect=_effect, is_monotone=True)
