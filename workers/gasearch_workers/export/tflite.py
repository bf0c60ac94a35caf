"""The deployment form for LiteRT and TFLite Micro: an integer network as a flatbuffer, without a converter.

A step computes in integers where its input and its weights are quantized (`tflite_integer`), else in float
(`tflite_float`). The file takes the data as they are, images as (batch, height, width, channels).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.tflite_codes import columns
from gasearch_workers.export.tflite_float import add_float
from gasearch_workers.export.tflite_graph import TfliteGraph, channels_last, one_scale
from gasearch_workers.export.tflite_integer import add_integer, is_integer
from gasearch_workers.export.tflite_scales import declared_scales
from gasearch_workers.network.integer import InputTransform, IntegerNetwork
from gasearch_workers.network.steps import INPUT, OPERATIONS, Op, Plan

#: What is not held: their exponentials and roots have integer kernels in neither runtime, or not with our rounding.
REFUSED: Final[frozenset[Op]] = frozenset({"gru", "attention", "layer_norm"})
_DTYPES: Final[dict[str, type[np.generic]]] = {"uint8": np.uint8, "float32": np.float32, "int32": np.int32}
NEEDS: Final = "pip install 'gasearch[tflite]'"
_LIBRARIES: Final = ("ai_edge_litert", "flatbuffers")


def to_tflite(network: IntegerNetwork) -> bytes:
    """The network as a TFLite file.

    `input` (batch, height, width, channels) of images, else (batch, columns): raw samples -> `logits` or `prediction`
    (batch, outputs), float32. Equal networks give equal bytes.

    Raises:
        ValueError: if `refusal` refuses the network.
    """
    plan = network.plan
    if reason := refusal(plan):
        raise ValueError(f"a TFLite file can't hold {reason}")
    grids = network.grids
    in_integers = frozenset(item.step.name for item in network.steps if is_integer(item, grids))
    graph = TfliteGraph(plan, grids, declared_scales(network, in_integers))
    _add_input(graph, network.input)
    for item in network.steps:
        add = add_integer if item.step.name in in_integers else add_float
        add(graph, item)
    axes = ", ".join(input_layout(plan)["axes"])
    description = f"made by gasearch; input: {network.input.dtype} ({axes})"
    return graph.builder.finish((INPUT, graph.raw), (output_name(plan), graph.real(plan.steps[-1].name)), description)


def refusal(plan: Plan) -> str:
    """What of a network the file can't hold, by arithmetic alone; "" where it holds all."""
    for step in plan.steps:
        if step.op in REFUSED or step.op not in OPERATIONS:
            article = "an" if step.op[0] in "aeiou" else "a"
            return f"{article} {step.op} (step {step.name})"
    missing = [library for library in _LIBRARIES if find_spec(library) is None]
    return f"anything without {' and '.join(missing)}: {NEEDS}" if missing else ""


def input_layout(plan: Plan) -> dict[str, Any]:
    """Shape and axes of the file's input, as `model.json` says them: channels come last, as cameras give them."""
    axes = ["height", "width", "channels"] if len(plan.input_shape) == 3 else ["columns"]
    match plan.input_kind:
        case "ids":
            axes = ["user and item"]
        case "tokens":
            axes = ["tokens", "codes"][: len(plan.input_shape)]
    return {"shape": ["batch", *channels_last(plan.input_shape)], "axes": ["batch", *axes]}


def _add_input(graph: TfliteGraph, transform: InputTransform) -> None:
    """Raw numbers to integers of the input's grid, or to normalized floats; the codes are made when a step asks."""
    builder, plan, shape, grid = graph.builder, graph.plan, graph.shapes[INPUT], transform.grid
    is_image = transform.dtype == "uint8"
    declared = None
    if is_image:
        declared = one_scale(1.0) if grid is None else one_scale(grid.scale, grid.zero_point)
    dtype = _DTYPES[transform.dtype]
    source = graph.raw = builder.tensor(INPUT, channels_last(plan.input_shape), dtype, declared)
    if not plan.numbers:
        return
    if is_image and grid is not None:
        integers = graph.int8(INPUT, f"{INPUT}.int8", shape)
        graph.integers[INPUT] = builder.operator("QUANTIZE", [source], integers, ("Quantize", {}))
        return
    if is_image:
        source = builder.operator("DEQUANTIZE", [source], graph.float32(f"{INPUT}.float", shape), ("Dequantize", {}))
    if plan.categories:
        source = columns(graph, source, (0, plan.numbers), graph.float32(f"{INPUT}.numbers", shape))
    for code, name, constant in (("SUB", "mean", transform.mean), ("DIV", "deviation", transform.deviation)):
        output = graph.float32(f"{INPUT}.{code.lower()}", shape)
        operands = [source, builder.constant(f"{INPUT}.{name}", constant)]
        source = builder.operator(code, operands, output, (code.title(), {}))
    if grid is None:
        graph.reals[INPUT] = source
    else:
        graph.quantize(INPUT, source, shape)
