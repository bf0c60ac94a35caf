"""Sequences in a TFLite file: neighbours side by side, and the largest or the mean over the tokens that are there.

Shapes are (batch, tokens, channels). Codes and what is made of them lie among the graph's integers by their names.
"""

from __future__ import annotations

import numpy as np

from gasearch_workers.export.tflite_codes import codes_of
from gasearch_workers.export.tflite_graph import OFFSET, TfliteGraph
from gasearch_workers.network.steps import CODES, PADDING, Step


def window(graph: TfliteGraph, step: Step, source: int, output: int, *, is_real: bool) -> int:
    """Append neighbouring tokens side by side, zeros outside of the sequence: (B, T, C) -> (B, T, kernel x C).

    Args:
        graph: The file.
        step: The window.
        source: Its input.
        output: The tensor that it fills.
        is_real: Whether the input is floats; else integers.
    """
    builder, (tokens, channels) = graph.builder, step.input_shape
    before = step.kernel // 2
    places = builder.constant(
        f"{step.name}.pads", np.array([(0, 0), (before, step.kernel - 1 - before), (0, 0)], np.int32)
    )
    padded = _like(graph, step, f"{step.name}.padded", (tokens + step.kernel - 1, channels), is_real=is_real)
    builder.operator("PAD", [source, places], padded, ("Pad", {}))
    parts = []
    for first in range(step.kernel):
        bounds = [
            builder.constant(f"tokens {ends}", np.array(ends, np.int32))
            for ends in ([0, first, 0], [0, first + tokens, 0], [1, 1, 1])
        ]
        part = _like(graph, step, f"{step.name}.{first}", step.input_shape, is_real=is_real)
        whole = {"beginMask": 0b101, "endMask": 0b101}  # all samples and channels, whatever the ends say
        parts.append(builder.operator("STRIDED_SLICE", [padded, *bounds], part, ("StridedSlice", whole)))
    return builder.operator("CONCATENATION", parts, output, ("Concatenation", {"axis": 2}))


def max_tokens(graph: TfliteGraph, step: Step, source: int, output: int, *, is_real: bool) -> int:
    """Append the largest over the tokens that are no padding, zeros where all are: (B, T, C) -> (B, C).

    Args:
        graph: The file.
        step: The maximum.
        source: Its input.
        output: The tensor that it fills.
        is_real: Whether the input is floats; else integers.
    """
    builder = graph.builder
    if is_real:
        zero = builder.constant(f"{step.name}.zero", np.zeros(1, np.float32))
    else:
        bottom = np.array([graph.grid(step.name).zero_point - OFFSET], np.int8)
        zero = builder.constant(f"{step.name}.zero", bottom, graph.quantization(step.name))
    filled = _like(graph, step, f"{step.name}.filled", step.input_shape, is_real=is_real)
    builder.operator("SELECT_V2", [_present(graph), source, zero], filled, ("SelectV2", {}))
    return builder.operator("REDUCE_MAX", [filled, _axis_of_tokens(graph)], output, ("Reducer", {"keepDims": False}))


def mean_tokens(graph: TfliteGraph, step: Step, source: int, output: int) -> int:
    """Append the mean of floats over the tokens that are no padding, zeros where all are: (B, T, C) -> (B, C).

    Args:
        graph: The file.
        step: The mean.
        source: Its input.
        output: The tensor that it fills.
    """
    builder, (tokens, channels) = graph.builder, step.input_shape
    one = builder.constant("one code", np.ones(1, np.int32))
    smallest = builder.tensor(f"{step.name}.ones", (tokens, 1), np.int32)
    builder.operator("MINIMUM", [_words(graph), one], smallest, ("MaximumMinimum", {}), version=1)
    ones = builder.operator("CAST", [smallest], graph.float32(f"{step.name}.is_there", (tokens, 1)), ("Cast", {}))
    kept = builder.operator("MUL", [source, ones], graph.float32(f"{step.name}.kept", (tokens, channels)), ("Mul", {}))
    total, count = (
        builder.operator(
            "SUM", [summed, _axis_of_tokens(graph)], graph.float32(f"{step.name}.{name}", (width,)), ("Reducer", {})
        )
        for name, summed, width in (("total", kept, channels), ("count", ones, 1))
    )
    least = builder.constant("one", np.ones(1, np.float32))
    divisor = graph.float32(f"{step.name}.at_least_1", (1,))
    builder.operator("MAXIMUM", [count, least], divisor, ("MaximumMinimum", {}))
    return builder.operator("DIV", [total, divisor], output, ("Div", {}))


def _words(graph: TfliteGraph) -> int:
    """The code of each token: (B, T, 1) int32."""
    name = f"{CODES}.words"
    if name not in graph.integers:
        tokens = graph.plan.input_shape[0]
        words = graph.builder.tensor(name, (tokens, 1), np.int32)
        graph.integers[name] = graph.reshape(codes_of(graph, 0), words, (tokens, 1))
    return graph.integers[name]


def _present(graph: TfliteGraph) -> int:
    """Which tokens are no padding: (B, T, 1) bool."""
    name = f"{CODES}.present"
    if name not in graph.integers:
        padding = graph.builder.constant(f"{CODES}.padding", np.array([PADDING], np.int32))
        present = graph.builder.tensor(name, (graph.plan.input_shape[0], 1), np.bool_)
        graph.integers[name] = graph.builder.operator("GREATER", [_words(graph), padding], present, ("Greater", {}))
    return graph.integers[name]


def _axis_of_tokens(graph: TfliteGraph) -> int:
    return graph.builder.constant("axis of tokens", np.array([1], np.int32))


def _like(graph: TfliteGraph, step: Step, name: str, shape: tuple[int, ...], *, is_real: bool) -> int:
    return graph.float32(name, shape) if is_real else graph.int8(step.name, name, shape)
