"""The steps that the graph computes in float: where an input or the weights are float, or no integer kernel exists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.export.onnx_integer import embed, geometry, max_tokens, window
from gasearch_workers.export.onnx_sequences import attention, gru, layer_norm, mean_tokens
from gasearch_workers.network.integer import IntegerStep
from gasearch_workers.network.steps import CODES


def add_float(builder: GraphBuilder, item: IntegerStep) -> None:
    """Append the nodes of a step that computes in float; its output is put on its grid if it has one."""
    step = item.step
    grid = builder.grids[step.name]
    inputs = [builder.real(name) for name in step.inputs if name != CODES]
    output = builder.relu(step, _computed(builder, item, inputs, builder.float_name(step)))
    if grid is None:
        builder.reals[step.name] = output
    else:
        builder.quantize(step.name, output, grid, low=grid.zero_point if step.has_relu else 0)


def _computed(builder: GraphBuilder, item: IntegerStep, inputs: list[str], name: str) -> str:
    """The output of a step in float before its ReLU; `name` is what it shall be called."""
    step = item.step
    match step.op:
        case "conv":
            return builder.node("Conv", [*inputs, *_real_weights(builder, item)], name, **geometry(step))
        case "linear" if len(step.input_shape) == 2:
            return _tokens_linear(builder, item, inputs[0], name)
        case "linear":
            return builder.node("Gemm", [*inputs, *_real_weights(builder, item)], name, transB=1)
        case "add":
            return builder.node("Add", inputs, name)
        case "product":
            return builder.node("Mul", inputs, name)
        case "concat":
            return builder.node("Concat", inputs, name, axis=1)
        case "global_pool":
            pooled = builder.node("GlobalAveragePool", inputs, f"{step.name}.pooled")
            return builder.node("Flatten", [pooled], name)  # (B, C, 1, 1) -> (B, C)
        case "flatten":
            return builder.node("Flatten", inputs, name)
        case "max_pool":
            return builder.node("MaxPool", inputs, name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        case "embedding":
            return embed(builder, step, item.real_weight().astype(np.float32), name)
        case "position":
            return builder.node("Add", [*inputs, builder.weight(f"{step.name}.table", *_weights(item))], name)
        case "window":
            return window(builder, step, inputs[0], _zero(builder), name)
        case "max_tokens":
            return max_tokens(builder, step, inputs[0], _zero(builder), name)
        case "gru":
            return gru(builder, item, inputs[0], name)
        case "attention":
            return attention(builder, step, inputs[0], name)
        case "layer_norm":
            return layer_norm(builder, item, inputs[0], name)
        case "mean_tokens":
            return mean_tokens(builder, step, inputs[0], name)


def _tokens_linear(builder: GraphBuilder, item: IntegerStep, source: str, name: str) -> str:
    """A dense layer of each token: (B, T, in) -> (B, T, out)."""
    step = item.step
    weight, scale = _weights(item)
    transposed = builder.weight(f"{step.name}.weight", weight.T, None if scale is None else scale.T)
    product = builder.node("MatMul", [source, transposed], f"{step.name}.product")
    assert item.bias is not None
    return builder.node("Add", [product, builder.constant(f"{step.name}.bias", item.bias)], name)


def _weights(item: IntegerStep) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Weights of two dimensions, and their scales as a column; these are None for float weights."""
    assert item.weight is not None
    return item.weight, None if item.weight_scale is None else item.weight_scale[:, None]


def _real_weights(builder: GraphBuilder, item: IntegerStep) -> list[str]:
    name = item.step.name
    weight = item.real_weight().astype(np.float32)
    assert item.bias is not None
    return [builder.constant(f"{name}.weight", weight), builder.constant(f"{name}.bias", item.bias)]


def _zero(builder: GraphBuilder) -> str:
    return builder.constant("zero", np.float32(0))
