"""Dense layers on vectors, and the table of vectors that a network on codes begins with."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder, PlanError


def _add_linear(builder: PlanBuilder, name: str, layer: Layer) -> None:
    builder.pool_tokens()
    builder.flatten()
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(name, layer, op="linear", width=layer.width, kept=kept, has_norm=True, has_relu=True)


def _effect_of_linear(compression: Compression, layer: LayerShape) -> Effect:
    units = compression.units(layer.width)
    return layer.width, units, compression.matrix(layer.weight_bits, layer.width, units, layer.full, layer.kept)


LINEAR: Final = LayerKind(name="linear", add=_add_linear, effect=_effect_of_linear, is_monotone=True)


def _add_embedding(_builder: PlanBuilder, name: str, _layer: Layer) -> None:
    """Refuse it: a family's `begin` makes the table's steps."""
    raise PlanError(f"{name}: an embedding is the first layer of a network whose data has codes")


EMBEDDING: Final = LayerKind(name="embedding", add=_add_embedding)
