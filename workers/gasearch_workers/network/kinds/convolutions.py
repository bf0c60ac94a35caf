"""Convolutional blocks on images: plain, depthwise separable, residual. Each may halve the image."""

from __future__ import annotations

from typing import Final

from gasearch_workers.messages import Layer
from gasearch_workers.network.compression import Compression, Effect, LayerShape
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import MatrixFields, PlanBuilder

_OPTIONS = ("kernel", "downsample")


# --- plain ------------------------------------------------------------------------------------------------------


def _add_conv(builder: PlanBuilder, name: str, layer: Layer) -> None:
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(name, layer, op="conv", width=layer.width, kept=kept, **_active(layer))
    _pool(builder, name, layer)


def _effect_of_conv(compression: Compression, layer: LayerShape) -> Effect:
    units, area = compression.units(layer.width), layer.kernel * layer.kernel
    matrix = compression.matrix(layer.weight_bits, layer.width, units, layer.full * area, layer.kept * area)
    return layer.width, units, matrix


CONV: Final = LayerKind(
    name="conv", add=_add_conv, dimensions=3, options=_OPTIONS, effect=_effect_of_conv, is_monotone=True
)


# --- depthwise separable ----------------------------------------------------------------------------------------


def _add_separable(builder: PlanBuilder, name: str, layer: Layer) -> None:
    channels, kept = builder.shape[0], builder.tensor.kept
    fields: MatrixFields = {"groups": channels, **_active(layer)}
    builder.add_matrix(f"{name}.depthwise", layer, op="conv", width=channels, kept=kept, **fields)
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(
        f"{name}.pointwise", layer, op="conv", width=layer.width, kept=kept, has_norm=True, has_relu=True
    )
    _pool(builder, name, layer)


def _effect_of_separable(compression: Compression, layer: LayerShape) -> Effect:
    units, bits = compression.units(layer.width), layer.weight_bits
    depthwise = compression.left(bits, layer.kept * layer.kernel * layer.kernel)
    return layer.width, units, depthwise, compression.matrix(bits, layer.width, units, layer.full, layer.kept)


SEPARABLE: Final = LayerKind(
    name="separable", add=_add_separable, dimensions=3, options=_OPTIONS, effect=_effect_of_separable, is_monotone=True
)


# --- residual ---------------------------------------------------------------------------------------------------


def _add_residual(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Two convolutions, a skip (1 x 1 convolution where the shape changes), their sum, ReLU.

    Structured pruning removes channels between the two convolutions; what the sum gives keeps its width.
    """
    source, width, bits = builder.tensor, layer.width, builder.inner_bits(layer)
    kept = builder.kept(width, layer)
    builder.add_matrix(f"{name}.first", layer, op="conv", width=width, kept=kept, **_active(layer))
    builder.add_matrix(f"{name}.second", layer, op="conv", width=width, bits=bits, kernel=layer.kernel, has_norm=True)
    branch = builder.tensor
    skip = source
    # A pruned input and its skip would have other channels than the branch, even where their numbers agree.
    if not (source.shape[1:] == branch.shape[1:] and source.full == source.kept == width):
        builder.tensor = source
        builder.add_matrix(
            f"{name}.skip", layer, op="conv", width=width, bits=bits, stride=_stride(layer), has_norm=True
        )
        skip = builder.tensor
    builder.tensor = branch
    builder.add_sum(f"{name}.sum", skip, bits=layer.activation_bits, has_relu=True)
    _pool(builder, name, layer)


def _effect_of_residual(compression: Compression, layer: LayerShape) -> Effect:
    width, bits, area = layer.width, layer.weight_bits, layer.kernel * layer.kernel
    units = compression.units(width)
    first = compression.matrix(bits, width, units, layer.full * area, layer.kept * area)
    second = compression.matrix(bits, width, width, width * area, units * area)
    is_same = layer.has_sides and layer.full == layer.kept == width
    skip = () if is_same else compression.matrix(bits, width, width, layer.full, layer.kept)
    return width, width, first, second, skip


RESIDUAL: Final = LayerKind(
    name="residual",
    add=_add_residual,
    dimensions=3,
    options=_OPTIONS,
    effect=_effect_of_residual,
    has_skip=True,
    is_monotone=True,
)


# --- halving the image ------------------------------------------------------------------------------------------


def _is_pooled(layer: Layer) -> bool:
    """Whether the image is halved after the layer, by pooling, in place of a stride."""
    return layer.stride > 1 and layer.downsample == "max_pool"


def _stride(layer: Layer) -> int:
    return 1 if _is_pooled(layer) else layer.stride


def _active(layer: Layer) -> MatrixFields:
    return {"kernel": layer.kernel, "stride": _stride(layer), "has_norm": True, "has_relu": True}


def _pool(builder: PlanBuilder, name: str, layer: Layer) -> None:
    if _is_pooled(layer):
        builder.add(f"{name}.pool", "max_pool", kernel=2, stride=2)
