"""Recurrence, attention, normalization and means of sequences as float nodes of a graph: (B, T, C)."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.network.integer import IntegerStep
from gasearch_workers.network.steps import LAYER_NORM_EPSILON, MASKED_SCORE, Step

#: Places of our gates (reset, update, new) in ONNX's order (update, reset, new).
_GATE_ORDER = (1, 0, 2)


def gru(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """ONNX's GRU in both directions over the tokens that are there: (B, T, C) -> (B, T, 2 x H)."""
    step, name = item.step, item.step.name
    channels, hidden = step.input_shape[-1], step.output_shape[-1] // 2
    assert item.weight is not None and item.bias is not None  # noqa: PT018
    rows = np.arange(6 * hidden).reshape(2, 3, hidden)[:, _GATE_ORDER].reshape(2, 3 * hidden)
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


def attention(builder: GraphBuilder, step: Step, source: str, output: str) -> str:
    """Scaled dot products in heads, padding masked as key: (B, T, 3 x A) -> (B, T, A)."""
    name, (tokens, width) = step.name, step.output_shape
    size = width // step.heads
    by_token = builder.reshape(source, [-1, tokens, 3 * step.heads, size], f"{name}.by_token")
    by_head = builder.node("Transpose", [by_token], f"{name}.by_head", perm=[0, 2, 1, 3])  # (B, 3 x heads, T, size)
    queries, keys, values = builder.split(by_head, [f"{name}.{part}" for part in ("queries", "keys", "values")], axis=1)
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


def layer_norm(builder: GraphBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Each token normalized over its channels, times weight, plus bias."""
    operands = [
        source,
        builder.constant(f"{item.step.name}.weight", item.weight),
        builder.constant(f"{item.step.name}.bias", item.bias),
    ]
    return builder.node("LayerNormalization", operands, output, axis=-1, epsilon=LAYER_NORM_EPSILON)


def mean_tokens(builder: GraphBuilder, step: Step, source: str, output: str) -> str:
    """Mean over the tokens that are there, zeros where none is: (B, T, C) -> (B, C).

    As a product of matrices: (B, 1, T) shares of the tokens, (B, T, C) tokens.
    """
    name = step.name
    is_there = builder.node("Cast", [builder.present()], f"{name}.is_there", to=TensorProto.FLOAT)
    counts = builder.node("Cast", [builder.lengths()], f"{name}.counts", to=TensorProto.FLOAT)
    one = builder.constant(f"{name}.one", np.float32(1))
    divisor = builder.reshape(builder.node("Max", [counts, one], f"{name}.at_least_1"), [-1, 1], f"{name}.divisor")
    axis = builder.whole_numbers(f"{name}.axis", [1])
    row = builder.node("Unsqueeze", [is_there, axis], f"{name}.row")  # (B, T) -> (B, 1, T)
    total = builder.node("MatMul", [row, source], f"{name}.total")  # (B, 1, C)
    flat = builder.node("Flatten", [total], f"{name}.sum", axis=1)
    return builder.node("Div", [flat, divisor], output)
