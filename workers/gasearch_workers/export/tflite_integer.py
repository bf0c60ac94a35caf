"""The steps that a TFLite file computes in integers: int8 activations and weights, int32 biases.

Few-bit weights are multiplied by an integer, so that sums are rounded as they should be (`tflite_rounding`). A dense
layer that gives floats, as the last one does, has no grid that its output could be put on, and 8 bits for logits lose
classes that lie close together. So its product is put on 16 bits, on a grid that no input can leave; what makes logits
of it, a scale and a bias for each output, is applied in float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from gasearch_workers.export.tflite_codes import embed, embed_on
from gasearch_workers.export.tflite_graph import OFFSET, TfliteGraph, channels_last, one_scale
from gasearch_workers.export.tflite_moves import (
    KEEP_TOKENS,
    arranged,
    channel_axis,
    convolve,
    global_pool,
    move,
    per_channel,
)
from gasearch_workers.export.tflite_rounding import limited, round_weights, sum_ranges
from gasearch_workers.network.integer import Grid, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, Op, Step

LARGEST_PRODUCT: Final = 2**15 - 1  #: Of a dense layer that gives floats.
PER_CHANNEL_DENSE: Final = 12  #: Version of FULLY_CONNECTED that has a scale for each output.
WIDE_DENSE: Final = 7  #: Version of FULLY_CONNECTED that takes int16 activations.
_INTEGER: Final[frozenset[Op]] = frozenset({"conv", "linear", "add", "product", "concat", "global_pool", "position"})


def is_integer(item: IntegerStep, grids: Mapping[str, Grid | None]) -> bool:
    """Whether the file computes the step in integers.

    Args:
        item: The step.
        grids: Of its inputs and of its output.
    """
    step = item.step
    if step.op == "embedding":
        return step.has_weight_grid
    are_inputs_integer = all(grids[name] is not None for name in step.inputs if name != CODES)
    if step.passes_grid:
        return are_inputs_integer
    are_weights_integer = item.weight_scale is not None or not step.has_weights
    gives_what_it_may = grids[step.name] is not None or step.op == "linear"
    return step.op in _INTEGER and are_inputs_integer and are_weights_integer and gives_what_it_may


def add_integer(graph: TfliteGraph, item: IntegerStep) -> None:
    """Append the operators of a step for which `is_integer` holds."""
    step = item.step
    shape = channels_last(step.output_shape)
    if step.passes_grid:
        graph.integers[step.name] = move(graph, step, graph.integers[step.inputs[0]], step.name, is_real=False)
    elif step.op == "embedding":
        graph.tables[step.name] = item
        readers = [reader.op for reader in graph.plan.steps if step.name in reader.inputs]
        if set(readers) != {"concat"}:
            graph.integers[step.name] = embed(graph, item, step.name)
    elif item.output_grid is None:
        graph.reals[step.name] = _wide_dense(graph, item)
    else:
        activation = graph.activation(step)
        output = _computed(graph, item, graph.int8(step.name, step.name, shape), activation)
        is_done = activation["fusedActivationFunction"] != graph.builder.activation("NONE")
        graph.clamp(step.name, output, shape, has_relu=step.has_relu, is_done=is_done)


def _computed(graph: TfliteGraph, item: IntegerStep, output: int, activation: dict[str, int]) -> int:
    """A step's integers before they are clamped, but for what the kernel clamps."""
    step, builder = item.step, graph.builder
    if step.op == "concat":
        parts = [_on_grid_of(graph, step, name) for name in step.inputs]
        return builder.operator("CONCATENATION", parts, output, ("Concatenation", {"axis": 1, **activation}))
    sources = [graph.integers[name] for name in step.inputs]
    match step.op:
        case "conv":
            operands = (sources[0], *_weights(graph, item))
            return convolve(graph, step, operands, output, activation, is_real=False)
        case "linear":
            options = ("FullyConnected", {**activation, **KEEP_TOKENS})
            inputs = [sources[0], *_weights(graph, item)]
            return builder.operator("FULLY_CONNECTED", inputs, output, options, version=PER_CHANNEL_DENSE)
        case "add":
            return builder.operator("ADD", sources, output, ("Add", activation))
        case "position":
            return builder.operator("ADD", [*sources, _table(graph, item)], output, ("Add", activation))
        case "product":
            return builder.operator("MUL", sources, output, ("Mul", activation))
        case _:
            return global_pool(graph, sources[0], output)


def _on_grid_of(graph: TfliteGraph, step: Step, name: str) -> int:
    """An input of a step on the grid of its output: a CONCATENATION takes no other."""
    if name in graph.tables:
        made = f"{step.name}.{name}"
        return embed_on(graph, graph.tables[name], graph.grid(step.name), graph.quantization(step.name), made)
    if graph.quantization(name) == graph.quantization(step.name):
        return graph.integers[name]
    shape = graph.shapes[name]
    moved = graph.int8(step.name, f"{step.name}.{name}", shape)
    return graph.builder.operator("QUANTIZE", [graph.integers[name]], moved, ("Quantize", {}))


def _table(graph: TfliteGraph, item: IntegerStep) -> int:
    """A table of vectors as a constant on the grid of its integers."""
    assert item.weight is not None and item.weight_scale is not None  # noqa: PT018
    grid = weight_grid(item.step, item.weight_scale)
    table = (item.weight.astype(np.int16) + grid.zero_point - OFFSET).astype(np.int8)
    declared = one_scale(grid.scale, grid.zero_point - OFFSET)
    return graph.builder.constant(f"{item.step.name}.table", table[None], declared)


def _weights(graph: TfliteGraph, item: IntegerStep) -> tuple[int, int]:
    """Weights with their scales, and whole biases in steps of input scale x weight scale."""
    step, grid, own = item.step, graph.grid(item.step.inputs[0]), graph.grid(item.step.name)
    assert item.weight is not None and item.weight_scale is not None and item.bias is not None  # noqa: PT018
    bias_steps = item.bias.astype(np.float64) / grid.scale
    weight, scale, bias = round_weights(item.weight, item.weight_scale.astype(np.float64), bias_steps, grid, own)
    source = graph.scales[step.inputs[0]]
    declared = scale * (graph.scales[step.name] / own.scale) * (grid.scale / source)
    quantization = per_channel(declared, channel_axis(step))
    return (
        graph.builder.constant(f"{step.name}.weight", arranged(step, weight), quantization),
        graph.builder.constant(f"{step.name}.bias", bias, per_channel(declared * source)),
    )


# --- a dense layer that gives floats ----------------------------------------------------------------------------


def _wide_dense(graph: TfliteGraph, item: IntegerStep) -> int:
    """Products of integers on 16 bits, made real by a scale for each output; then the bias, and the ReLU if any.

    One scale for all products, as some kernels for ARM know no other at 16 bits.
    """
    step, builder, source = item.step, graph.builder, item.step.inputs[0]
    shape = channels_last(step.output_shape)
    assert item.weight is not None and item.weight_scale is not None and item.bias is not None  # noqa: PT018
    grid, scale = graph.grid(source), graph.scales[source]
    weight = limited(item.weight)
    ratio = max(float(np.abs(sum_ranges(weight, grid)).max()) / LARGEST_PRODUCT, 1.0)
    wide = builder.tensor(f"{step.name}.wide", step.input_shape, np.int16, one_scale(scale))
    builder.operator("QUANTIZE", [graph.integers[source]], wide, ("Quantize", {}))
    product = builder.tensor(f"{step.name}.product", shape, np.int16, one_scale(scale * ratio))
    operands = [wide, builder.constant(f"{step.name}.weight", weight, one_scale(1.0)), -1]
    builder.operator("FULLY_CONNECTED", operands, product, ("FullyConnected", KEEP_TOKENS), version=WIDE_DENSE)
    real = builder.operator("DEQUANTIZE", [product], graph.float32(f"{step.name}.steps", shape), ("Dequantize", {}))
    scales = builder.constant(f"{step.name}.scale", (item.weight_scale * (grid.scale / scale)).astype(np.float32))
    scaled = builder.operator("MUL", [real, scales], graph.float32(f"{step.name}.scaled", shape), ("Mul", {}))
    output = graph.float32(graph.final_name(step), shape)
    options = {"fusedActivationFunction": builder.activation("RELU" if step.has_relu else "NONE")}
    return builder.operator("ADD", [scaled, builder.constant(f"{step.name}.bias", item.bias)], output, ("Add", options))
