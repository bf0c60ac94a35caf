"""The portable form: an integer network as QuantizeLinear and DequantizeLinear around operators of the standard domain.

OpenVINO, TensorRT, QNN, TVM and ONNX Runtime take it, each with its own integer kernels, and `onnx.reference` computes
it as it is written. It means what the integer network means at any precision; see `onnx_qdq_builder` for tensors and
`onnx_qdq_steps` for steps.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.onnx_graph import ELEMENT, require_float_outputs
from gasearch_workers.export.onnx_qdq_builder import MIDDLE, QdqBuilder
from gasearch_workers.export.onnx_qdq_steps import add_step
from gasearch_workers.export.onnx_stretch import EXACT_KERNELS
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.steps import INPUT

OPSET: Final = 13  #: The first with a scale per channel.
IR_VERSION: Final = 7  #: The one of that opset's release.


def to_qdq(network: IntegerNetwork, *, is_symmetric: bool = False) -> onnx.ModelProto:
    """The network as an ONNX model; input and output are those of `onnx_graph.to_onnx`.

    Equal networks give equal models.

    Args:
        network: What to write.
        is_symmetric: Whether all tensors are int8 with zero point 0, as TensorRT takes them; the numbers stay the same
            (`onnx_qdq_builder.hold`).

    Raises:
        ValueError: if the last step's output is quantized.
    """
    require_float_outputs(network)
    plan = network.plan
    builder = QdqBuilder(plan, network.grids, is_symmetric=is_symmetric)
    _add_input(builder, network)
    for item in network.steps:
        add_step(builder, item)
    graph = helper.make_graph(
        builder.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, ELEMENT[network.input.dtype], ["batch", *plan.input_shape])],
        [helper.make_tensor_value_info(output_name(plan), TensorProto.FLOAT, ["batch", *plan.steps[-1].output_shape])],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="gasearch")
    if builder.is_saturating:
        helper.set_model_props(model, EXACT_KERNELS)
    return model


def _add_input(builder: QdqBuilder, network: IntegerNetwork) -> None:
    """Raw numbers to the input's grid, or to normalized floats; the codes are made when a step asks."""
    transform, plan, raw = network.input, network.plan, INPUT
    if not plan.numbers:
        return
    grid = transform.grid
    is_of_bytes = transform.dtype == "uint8"
    if is_of_bytes and grid is not None and not builder.is_symmetric:
        builder.take(INPUT, raw)  # The raw bytes are the integers.
        return
    if is_of_bytes:
        raw = builder.node("Cast", [raw], "input.raw_float", to=TensorProto.FLOAT)
    if is_of_bytes and grid is not None:
        offset = builder.offset(INPUT)
        middle = np.float32(MIDDLE if offset else grid.zero_point)
        centred = builder.node("Sub", [raw, builder.constant("input.middle", middle)], "input.c")
        size = builder.constant("input.step", np.float32(grid.scale))
        builder.round(INPUT, builder.node("Mul", [centred, size], "input.unrounded"), offset=offset)
        return
    if plan.categories:
        raw = builder.slice(raw, 0, plan.numbers, "input.numbers")
    centred = builder.node("Sub", [raw, builder.constant("input.mean", transform.mean)], "input.minus_mean")
    deviation = builder.constant("input.deviation", transform.deviation)
    normalized = builder.node("Div", [centred, deviation], "input.normalized")
    if grid is None:
        builder.reals[INPUT] = normalized
    else:
        builder.round(INPUT, normalized)
