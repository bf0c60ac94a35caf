"""Inverted bottlenecks (Sandler et al., 2018) as a kind of layer, a family of them, and a C header as an exporter.

A worker imports this module: it needs `gasearch_workers` alone, and no torch.
"""

from __future__ import annotations

from gasearch_workers.export.exporters import of_one_file
from gasearch_workers.messages import Layer
from gasearch_workers.network.families import Family
from gasearch_workers.network.inputs import begin_with_numbers
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.layer_kinds import LayerKind
from gasearch_workers.network.plan_builder import PlanBuilder


def add_bottleneck(builder: PlanBuilder, name: str, layer: Layer) -> None:
    """Append a 1 x 1 convolution that widens, a depthwise one, and a 1 x 1 convolution that narrows."""
    times = int(layer.option("expansion"))
    wide, left = times * builder.tensor.full, times * builder.tensor.kept  # before and after structured pruning
    builder.add_matrix(f"{name}.widen", layer, op="conv", width=wide, kept=left, has_norm=True, has_relu=True)
    channels = builder.shape[0]
    builder.add_matrix(
        f"{name}.depthwise",
        layer,
        op="conv",
        width=channels,
        kept=builder.tensor.kept,
        kernel=layer.kernel,
        stride=layer.stride,
        groups=channels,
        has_norm=True,
        has_relu=True,
    )
    kept = builder.kept(layer.width, layer)
    builder.add_matrix(f"{name}.narrow", layer, op="conv", width=layer.width, kept=kept, has_norm=True, has_relu=True)


BOTTLENECK = LayerKind(
    name="bottleneck", add=add_bottleneck, dimensions=3, options=("kernel", "expansion", "downsample")
)

FAMILY = Family(
    name="bottlenecks",
    tasks=("classification", "regression"),
    inputs=("image",),
    begin=begin_with_numbers,
    kinds=("bottleneck",),
    space="gasearch_bottleneck_space:BottleneckSpace",
)


def write_header(network: IntegerNetwork) -> bytes:
    """Write how many outputs the network has, and its integer weights, as C."""
    lines = [f"#define OUTPUTS {network.plan.outputs}"]
    for item in network.steps:
        if item.weight is not None:
            numbers = ", ".join(map(str, item.weight.ravel().tolist()))
            kind = "signed char" if item.weight_scale is not None else "float"
            lines.append(f"static const {kind} {item.step.name.replace('.', '_')}[] = {{{numbers}}};")
    return ("\n".join(lines) + "\n").encode()


C_HEADER = of_one_file("c-header", "model.h", write_header)
