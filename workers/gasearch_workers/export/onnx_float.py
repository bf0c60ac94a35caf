"""The steps that the graph computes in float: where an input or the weights are float, or no integer kernel exists.

Sequences are (B, T, C).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.export.onnx_integer import embed, geometry, move
from gasearch_workers.network.integer import IntegerStep
from gasearch_workers.network.steps import CODES, LAYER_NORM_EPSILON, MASKED_SCORE, Op

#: Places of our gates (reset, update, new) in ONNX's order (update, reset, new).
GATE_ORDER = (1, 0, 2)


def add_float(builder: GraphBuilder, item: IntegerStep) -> None:
    """Append the nodes of a step that computes in float; its output is put on its grid if it has one."""
    step = item.step
    inputs = [builder.real(name) for name in step.inputs if name != CODES]
    output = builder.float_name(step)
    if step.passes_grid:
        output = move(builder, step, inputs[0], output, is_real=True)
    elif step.op in OPERATORS:
        operator, attributes = OPERATORS[step.op]
        output = builder.node(operator, inputs, output, **attributes)
    else:
        output = COMPUTED[step.op](builder, item, *inputs, output)
    output = builder.relu(step, output)
    if builder.grids[step.name] is None:
        builder.reals[step.name] = output
    else:
        builder.quantize(step.name, output, has_relu=step.has_relu)


# --- matrices and tables ----------------------------------------------------------------------------------------


def _conv(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    return builder.node("Conv", [source, *_real_weights(builder, item)], output, **geometry(item.step))


def _linear(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """A dense layer of a vector, or of each token."""
    step = item.step
    if len(step.input_shape) == 1:
        return builder.node("Gemm", [source, *_real_weights(builder, item)], output, transB=1)
    weight, scale = _weights(item)
    transposed = builder.weight(f"{step.name}.weight", weight.T, None if scale is None else scale.T)
    product = builder.node("MatMul", [source, transposed], f"{step.name}.product")
    return builder.node("Add", [product, builder.constant(f"{step.name}.bias", item.bias)], output)


def _real_weights(builder: GraphBuilder, item: IntegerStep) -> list[str]:
    name, weight = item.step.name, item.real_weight().astype(np.float32)
    return [builder.constant(f"{name}.weight", weight), builder.constant(f"{name}.bias", item.bias)]


def _weights(item: IntegerStep) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Weights of two dimensions, and their scales as a column; these are None for float weights."""
    assert item.weight is not None
    return item.weight, None if item.weight_scale is None else item.weight_scale[:, None]


def _embedding(builder: GraphBuilder, item: IntegerStep, output: str) -> str:
    return embed(builder, item.step, item.real_weight().astype(np.float32), output)


def _position(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    return builder.node("Add", [source, builder.weight(f"{item.step.name}.table", *_weights(item))], output)


# --- pooling, sequences -----------------------------------------------------------------------------------------


def _global_pool(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    pooled = builder.node("GlobalAveragePool", [source], f"{item.step.name}.pooled")
    return builder.node("Flatten", [pooled], output)  # (B, C, 1, 1) -> (B, C)


def _gru(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """ONNX's GRU in both directions over the tokens that are there: (B, T, C) -> (B, T, 2 x H)."""
    step, name = item.step, item.step.name
    channels, hidden = step.input_shape[-1], step.output_shape[-1] // 2
    assert item.weight is not None and item.bias is not None  # noqa: PT018
    rows = np.arange(6 * hidden).reshape(2, 3, hidden)[:, GATE_ORDER].reshape(2, 3 * hidden)
    weight = item.weight[rows]  # (2, 3 x H, C + H)
    scale = None if item.weight_scale is None else item.weight_scale[rows][:, :, None]
    of_input = builder.weight(f"{name}.input_weight", weight[:, :, :channels], scale)
    of_state = builder.weight(f"{name}.state_weight", weight[:, :, channels:], scale)
    bias = np.concatenate([item.bias[rows], np.zeros_like(item.bias[rows])], axis=1)  # that of the state is 0
    operands = [
        builder.node("Transpose", [source], f"{name}.by_token", perm=[1, 0, 2]),  # (B, T, C) -> (T, B, C)
        of_input,
        of_state,
        builder.constant(f"{name}.bias", bias),
        builder.lengths(),
    ]
    attributes = {"hidden_size": hidden, "direction": "bidirectional", "linear_before_reset": 1}
    states = builder.node("GRU", operands, f"{name}.states", **attributes)
    by_sample = builder.node(
        "Transpose", [states], f"{name}.by_sample", perm=[2, 0, 1, 3]
    )  # (T, 2, B, H) -> (B, T, 2, H)
    return builder.reshape(by_sample, [-1, *step.output_shape], output)


def _attention(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Scaled dot products in heads, padding masked as key: (B, T, 3 x A) -> (B, T, A)."""
    step, name = item.step, item.step.name
    tokens, width = step.output_shape
    size = width // step.heads
    by_token = builder.reshape(source, [-1, tokens, 3 * step.heads, size], f"{name}.by_token")
    by_head = builder.node("Transpose", [by_token], f"{name}.by_head", perm=[0, 2, 1, 3])  # (B, 3 x heads, T, size)
    parts = queries, keys, values = [f"{name}.{part}" for part in ("queries", "keys", "values")]
    builder.nodes.append(helper.make_node("Split", [by_head], parts, name=queries, axis=1))
    # Transposed by itself: ONNX Runtime makes it a part of the product.
    keys = builder.node("Transpose", [keys], f"{name}.keys_by_channel", perm=[0, 1, 3, 2])
    root = builder.constant(f"{name}.root", np.float32(size**-0.5))
    queries = builder.node("Mul", [queries, root], f"{name}.scaled")
    scores = builder.node("MatMul", [queries, keys], f"{name}.scores")  # (B, heads, T, T)
    masked = builder.constant(f"{name}.masked_score", np.float32(MASKED_SCORE))
    scores = builder.node("Where", [builder.present_keys(), scores, masked], f"{name}.masked")
    weights = builder.node("Softmax", [scores], f"{name}.weights", axis=-1)
    mixed = builder.node("MatMul", [weights, values], f"{name}.mixed")  # (B, heads, T, size)
    together = builder.node("Transpose", [mixed], f"{name}.together", perm=[0, 2, 1, 3])  # (B, T, heads, size)
    return builder.reshape(together, [-1, tokens, width], output)


def _layer_norm(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Each token normalized over its channels, times weight, plus bias."""
    operands = [source, *_real_weights(builder, item)]
    return builder.node("LayerNormalization", operands, output, axis=-1, epsilon=LAYER_NORM_EPSILON)


def _mean_tokens(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Mean over the tokens that are there, zeros where none is: (B, T, C) -> (B, C).

    As a product of matrices: (B, 1, T) shares of the tokens, (B, T, C) tokens.
    """
    name = item.step.name
    is_there = builder.node("Cast", [builder.present()], f"{name}.is_there", to=TensorProto.FLOAT)
    counts = builder.node("Cast", [builder.lengths()], f"{name}.counts", to=TensorProto.FLOAT)
    one = builder.constant(f"{name}.one", np.float32(1))
    divisor = builder.reshape(builder.node("Max", [counts, one], f"{name}.at_least_1"), [-1, 1], f"{name}.divisor")
    axis = builder.whole_numbers(f"{name}.axis", [1])
    row = builder.node("Unsqueeze", [is_there, axis], f"{name}.row")  # (B, T) -> (B, 1, T)
    total = builder.node("MatMul", [row, source], f"{name}.total")  # (B, 1, C)
    flat = builder.node("Flatten", [total], f"{name}.sum", axis=1)
    return builder.node("Div", [flat, divisor], output)


#: Operations that are one operator of ONNX's, with its attributes.
OPERATORS: Final[dict[Op, tuple[str, dict[str, Any]]]] = {
    "add": ("Add", {}),
    "product": ("Mul", {}),
    "concat": ("Concat", {"axis": 1}),
}
#: The others: each appends its nodes before the ReLU, given the inputs and what the output shall be called.
COMPUTED: Final[dict[Op, Callable[..., str]]] = {
    "conv": _conv,
    "linear": _linear,
    "embedding": _embedding,
    "position": _position,
    "global_pool": _global_pool,
    "gru": _gru,
    "attention": _attention,
    "layer_norm": _layer_norm,
    "mean_tokens": _mean_tokens,
}
