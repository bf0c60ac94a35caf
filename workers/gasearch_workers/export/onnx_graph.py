"""The deployment form for ONNX Runtime: an integer network as a graph of integer operators, built with onnx.helper.

A step computes in integers where its input, its weights and its output are quantized and ONNX Runtime has a kernel for
it (`onnx_integer`); any other step computes in float, its quantized inputs made real and its output put on its grid
(`onnx_float`). Activation tensors are uint8; below 8 bits a Clip keeps them on their grid, and a ReLU is the clamp at
the zero point. The graph takes the data as the file holds them.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto, helper

from gasearch_workers.export.onnx_builder import MICROSOFT, GraphBuilder, output_name
from gasearch_workers.export.onnx_float import add_float
from gasearch_workers.export.onnx_integer import add_integer, is_integer
from gasearch_workers.export.onnx_stretch import EXACT_KERNELS
from gasearch_workers.network.integer import IntegerNetwork
from gasearch_workers.network.steps import INPUT

OPSET: Final = 17
IR_VERSION: Final = 8  #: The one of that opset's release: runtimes from 2022 on read the file.
#: Of the input, by `InputTransform.dtype`.
ELEMENT: Final = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int32": TensorProto.INT32}


def to_onnx(network: IntegerNetwork) -> onnx.ModelProto:
    """The network as an ONNX model.

    `input` (batch, *input_shape), raw samples -> `logits` (batch, outputs), of a tagger (batch, tokens, tags), or
    `prediction` (batch, 1) of a regression. Equal networks give equal models. The argmax is that of the integer
    network's numbers; the logits are theirs up to the rounding of biases and ties.

    Where weights are larger than `steps.largest_weight`, the model's metadata name the option of ONNX Runtime's
    (`EXACT_KERNELS`) that x86 CPUs without VNNI need.

    Raises:
        ValueError: if the last step's output is quantized.
    """
    require_float_outputs(network)
    plan = network.plan
    builder = GraphBuilder(plan, network.grids)
    _add_input(builder, network)
    for item in network.steps:
        add = add_integer if is_integer(item, builder.grids) else add_float
        add(builder, item)
    graph = helper.make_graph(
        builder.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, ELEMENT[network.input.dtype], ["batch", *plan.input_shape])],
        [helper.make_tensor_value_info(output_name(plan), TensorProto.FLOAT, ["batch", *plan.steps[-1].output_shape])],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="gasearch")
    if builder.is_saturating:
        helper.set_model_props(model, EXACT_KERNELS)
    return model


def require_float_outputs(network: IntegerNetwork) -> None:
    """Refuse a network whose outputs are integers.

    Raises:
        ValueError: naming its last step.
    """
    if network.steps[-1].output_grid is not None:
        raise ValueError(f"the last step must give floats; {network.steps[-1].step.name!r} has an integer grid")


def float_steps(network: IntegerNetwork) -> tuple[str, ...]:
    """Names of the steps that the graph computes in float, in order."""
    grids = network.grids
    return tuple(item.step.name for item in network.steps if not is_integer(item, grids))


def _add_input(builder: GraphBuilder, network: IntegerNetwork) -> None:
    """Raw numbers to integers of the input's grid, or to normalized floats; the codes are made when a step asks."""
    transform, plan = network.input, network.plan
    if not plan.numbers:
        return
    if transform.dtype == "uint8" and transform.grid is not None:
        builder.integers[INPUT] = INPUT  # The raw bytes are the integers.
        return
    raw = INPUT
    if transform.dtype == "uint8":
        raw = builder.node("Cast", [raw], "input.raw_float", to=TensorProto.FLOAT)
    if plan.categories:
        raw = builder.slice(raw, 0, plan.numbers, "input.numbers")
    centred = builder.node("Sub", [raw, builder.constant("input.mean", transform.mean)], "input.minus_mean")
    deviation = builder.constant("input.deviation", transform.deviation)
    normalized = builder.node("Div", [centred, deviation], "input.normalized")
    if transform.grid is None:
        builder.reals[INPUT] = normalized
    else:
        builder.quantize(INPUT, normalized)
