"""The steps that a TFLite file computes in float: where an input or the weights are float."""

from __future__ import annotations

from typing import Final

import numpy as np

from gasearch_workers.export.tflite_codes import embed_real
from gasearch_workers.export.tflite_graph import TfliteGraph, channels_last
from gasearch_workers.export.tflite_moves import KEEP_TOKENS, arranged, convolve, global_pool, move
from gasearch_workers.export.tflite_tokens import mean_tokens
from gasearch_workers.network.integer import IntegerStep
from gasearch_workers.network.steps import CODES, Op

_OPERATORS: Final[dict[Op, tuple[str, str]]] = {
    "linear": ("FULLY_CONNECTED", "FullyConnected"),
    "add": ("ADD", "Add"),
    "position": ("ADD", "Add"),
    "product": ("MUL", "Mul"),
    "concat": ("CONCATENATION", "Concatenation"),
}


def add_float(graph: TfliteGraph, item: IntegerStep) -> None:
    """Append the operators of a step that computes in float; its output is put on its grid if it has one."""
    step, builder = item.step, graph.builder
    shape = channels_last(step.output_shape)
    sources = [graph.real(name) for name in step.inputs if name != CODES]
    activation = {"fusedActivationFunction": builder.activation("RELU" if step.has_relu else "NONE")}
    name = graph.final_name(step)
    if step.op == "embedding":
        output = embed_real(graph, item, name)
    elif step.passes_grid:
        output = move(graph, step, sources[0], name, is_real=True)
    elif step.op == "global_pool":
        output = global_pool(graph, sources[0], graph.float32(name, shape))
    elif step.op == "mean_tokens":
        output = mean_tokens(graph, step, sources[0], graph.float32(name, shape))
    elif step.op == "conv":
        kernel = (sources[0], *_weights(graph, item))
        output = convolve(graph, step, kernel, graph.float32(name, shape), activation, is_real=True)
    else:
        code, options = _OPERATORS[step.op]
        axis = {"axis": 1} if step.op == "concat" else KEEP_TOKENS if step.op == "linear" else {}
        operands = [*sources, *(_weights(graph, item) if step.has_weights else ())]
        output = builder.operator(code, operands, graph.float32(name, shape), (options, {**activation, **axis}))
    if graph.grids[step.name] is None:
        graph.reals[step.name] = output
    else:
        graph.quantize(step.name, output, shape)


def _weights(graph: TfliteGraph, item: IntegerStep) -> tuple[int, ...]:
    """Weights and biases; a table of vectors has none."""
    name, weight = item.step.name, arranged(item.step, item.real_weight().astype(np.float32))
    if item.bias is None:
        return (graph.builder.constant(f"{name}.table", weight[None]),)
    return graph.builder.constant(f"{name}.weight", weight), graph.builder.constant(f"{name}.bias", item.bias)
