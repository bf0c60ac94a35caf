"""What integers and floats have in common in a TFLite file: convolutions' geometry, and steps that move values.

Our padding is kernel // 2 on every side. TFLite's SAME splits what a stride leaves over, which on even sides comes to
another image: there a PAD goes before the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.tflite_builder import Quantization
from gasearch_workers.export.tflite_graph import TfliteGraph, channels_last
from gasearch_workers.export.tflite_tokens import max_tokens, window
from gasearch_workers.network.steps import Step

KEEP_TOKENS: Final[dict[str, Any]] = {"keepNumDims": True}  #: Of a dense layer: a sequence stays one, a vector, too.


def convolve(
    graph: TfliteGraph,
    step: Step,
    operands: Sequence[int],
    output: int,
    activation: dict[str, int],
    *,
    is_real: bool,
) -> int:
    """Append a convolution.

    Args:
        graph: The file.
        step: The convolution.
        operands: Its input, weights and bias.
        output: The tensor that it fills.
        activation: What is fused.
        is_real: Whether it computes in floats; else in integers.
    """
    source, is_same = _padded(graph, step, operands[0], is_real=is_real)
    options = {
        "padding": graph.builder.padding(is_same=is_same),
        "strideH": step.stride,
        "strideW": step.stride,
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        **activation,
    }
    inputs = [source, *operands[1:]]
    if not is_depthwise(step):
        return graph.builder.operator("CONV_2D", inputs, output, ("Conv2D", options))
    options["depthMultiplier"] = step.output_shape[0] // step.groups
    return graph.builder.operator("DEPTHWISE_CONV_2D", inputs, output, ("DepthwiseConv2D", options))


def is_depthwise(step: Step) -> bool:
    """Whether each output of a convolution reads one channel of several."""
    return step.groups > 1 and step.groups == step.input_shape[0]


def arranged(step: Step, weight: NDArray[Any]) -> NDArray[Any]:
    """Weights in TFLite's order: (out, in, k, k) -> (out, k, k, in), of a depthwise one (1, k, k, out)."""
    if step.op != "conv":
        return weight
    return weight.transpose(1, 2, 3, 0) if is_depthwise(step) else weight.transpose(0, 2, 3, 1)


def channel_axis(step: Step) -> int:
    """Axis of the outputs in the weights of `arranged`."""
    return 3 if is_depthwise(step) else 0


def move(graph: TfliteGraph, step: Step, source: int, name: str, *, is_real: bool) -> int:
    """Append a step that gives values of its input as they are.

    Args:
        graph: The file.
        step: Its operation passes the grid.
        source: Its input.
        name: Of its output.
        is_real: Whether the input is floats; else integers.
    """
    shape = channels_last(step.output_shape)
    output = _tensor(graph, step, name, shape, is_real=is_real)
    if step.op == "max_pool" and math.prod(step.input_shape[1:]) > 1:  # of a single pixel it is that pixel
        height, width = (min(2, side) for side in step.input_shape[1:])  # LiteRT can't read beyond a side of 1
        options = {"padding": graph.builder.padding(is_same=True), "fusedActivationFunction": 0}
        sides = {"strideH": height, "strideW": width, "filterHeight": height, "filterWidth": width}
        return graph.builder.operator("MAX_POOL_2D", [source], output, ("Pool2D", options | sides))
    if step.op in ("window", "max_tokens"):
        add = window if step.op == "window" else max_tokens
        return add(graph, step, source, output, is_real=is_real)
    if len(step.input_shape) == 3 and step.input_shape[0] > 1 and math.prod(step.input_shape[1:]) > 1:
        order = graph.builder.constant("channels first", np.array([0, 3, 1, 2], np.int32))
        turned = _tensor(graph, step, f"{name}.channels_first", step.input_shape, is_real=is_real)
        source = graph.builder.operator("TRANSPOSE", [source, order], turned, ("Transpose", {}))
    return graph.reshape(source, output, shape)


def global_pool(graph: TfliteGraph, source: int, output: int) -> int:
    """Append a mean over height and width: (B, H, W, C) -> (B, C).

    Args:
        graph: The file.
        source: The images.
        output: The tensor that it fills.
    """
    axes = graph.builder.constant("height and width", np.array([1, 2], np.int32))
    return graph.builder.operator("MEAN", [source, axes], output, ("Reducer", {"keepDims": False}))


def _tensor(graph: TfliteGraph, step: Step, name: str, shape: tuple[int, ...], *, is_real: bool) -> int:
    return graph.float32(name, shape) if is_real else graph.int8(step.name, name, shape)


def _padded(graph: TfliteGraph, step: Step, source: int, *, is_real: bool) -> tuple[int, bool]:
    """A convolution's input, padded where SAME would not pad it as we do; and whether SAME does."""
    before = step.kernel // 2
    sides = [
        (side, max((-(-side // step.stride) - 1) * step.stride + step.kernel - side, 0))
        for side in step.input_shape[1:]
    ]  # of each its length, and how many places a kernel reads beyond it
    if all(beyond // 2 == before for _, beyond in sides):
        return source, True
    afters = [max(beyond - before, 0) for _, beyond in sides]
    shape = [side + before + after for (side, _), after in zip(sides, afters, strict=True)]
    name, channels = f"{step.name}.padded", step.input_shape[0]
    padded = (
        graph.float32(name, (*shape, channels)) if is_real else graph.int8(step.inputs[0], name, (*shape, channels))
    )
    places = np.array([(0, 0), *((before, after) for after in afters), (0, 0)], np.int32)
    constant = graph.builder.constant(f"{step.name}.pads", places)
    return graph.builder.operator("PAD", [source, constant], padded, ("Pad", {})), False


def per_channel(scale: NDArray[Any], axis: int = 0) -> Quantization:
    """A scale for each output, of weights or biases: these have the zero point 0."""
    return Quantization(scale=scale.astype(np.float32), axis=axis)
