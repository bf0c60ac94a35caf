"""The steps of a graph of QuantizeLinear and DequantizeLinear: each computes in float, on integers made real.

A runtime with integer kernels fuses what lies between two pairs into one of them; one without computes as written.
Biases are floats: TensorRT takes no others, ONNX Runtime makes int32 of them itself. For its sake the weights are
stretched (`onnx_stretch`). Every operator is in opset 13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from gasearch_workers.export.onnx_float import COMPUTED, GATE_ORDER, OPERATORS
from gasearch_workers.export.onnx_integer import geometry, is_pooled, move, rows_of
from gasearch_workers.export.onnx_qdq_builder import QdqBuilder
from gasearch_workers.export.onnx_stretch import may_saturate, stretch
from gasearch_workers.network.integer import IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, LAYER_NORM_EPSILON, Op, Step

#: What padding adds to a GRU's update gate: its sigmoid is then 1 in float32, and the state stays as it is, exactly.
_STANDSTILL: Final = 100.0


def add_step(builder: QdqBuilder, item: IntegerStep) -> None:
    """Append the nodes of a step; its output is put on its grid if it has one."""
    step, grid = item.step, builder.grids[item.step.name]
    output, offset = _computed(builder, item, builder.float_name(step))
    if grid is None or step.op == "max_tokens":
        builder.reals[step.name] = builder.relu(step, output)
    else:
        is_on_grid = step.passes_grid or step.has_weight_grid
        kept = output if is_on_grid else builder.clamp(step, output, offset=offset)
        builder.round(step.name, kept, offset=offset)


def _computed(builder: QdqBuilder, item: IntegerStep, output: str) -> tuple[str, float]:
    """A step's output before it is clipped, and by how much that lies below the real one."""
    step = item.step
    if step.op in _MATRICES:
        return _MATRICES[step.op](builder, item, output), builder.offset(step.name)
    if step.op in ("flatten", "max_pool", "window") or (step.op == "global_pool" and builder.grids[step.name]):
        source, offset = builder.source(step.inputs[0])
        if step.op == "window":
            return _window(builder, step, source, output, offset=offset), offset
        if step.op == "global_pool":
            return _global_pool(builder, item, source, output), offset
        return move(builder, step, source, output, is_real=True), offset
    inputs = [builder.real(name) for name in step.inputs if name != CODES]
    if step.passes_grid:
        output = move(builder, step, inputs[0], output, is_real=True)
    elif step.op in OPERATORS:
        operator, attributes = OPERATORS[step.op]
        output = builder.node(operator, inputs, output, **attributes)
    else:
        output = _STEPS[step.op](builder, item, *inputs, output)
    return output, 0.0


# --- matrices and tables ----------------------------------------------------------------------------------------


def _conv(builder: QdqBuilder, item: IntegerStep, output: str) -> str:
    step, attributes = item.step, geometry(item.step)
    source, offset = _source(builder, item)
    if offset and any(attributes["pads"]):
        sides = [0, 0, *attributes["pads"][:2], 0, 0, *attributes["pads"][2:]]
        source = builder.padded(step.inputs[0], source, sides, f"{step.name}.padded")
        attributes["pads"] = [0] * len(attributes["pads"])
    weight, scale = _weights(builder, item, offset)
    operands = [source, _weight(builder, item, weight, scale), _bias(builder, item, weight, scale, offset)]
    return builder.node("Conv", operands, output, **attributes)


def _linear(builder: QdqBuilder, item: IntegerStep, output: str) -> str:
    """A dense layer of a vector, or of each token."""
    step = item.step
    source, offset = _source(builder, item)
    weight, scale = _weights(builder, item, offset)
    bias = _bias(builder, item, weight, scale, offset)
    if len(step.input_shape) == 1:
        return builder.node("Gemm", [source, _weight(builder, item, weight, scale), bias], output, transB=1)
    transposed = _weight(builder, item, weight, scale, is_transposed=True)
    product = builder.node("MatMul", [source, transposed], f"{step.name}.product")
    return builder.node("Add", [product, bias], output)


def _source(builder: QdqBuilder, item: IntegerStep) -> tuple[str, float]:
    """The input of a matrix, and by how much it lies below the real one."""
    name = item.step.inputs[0]
    return (builder.unfused(name), 0.0) if item.weight_scale is None else builder.source(name)


def _bias(
    builder: QdqBuilder, item: IntegerStep, weight: NDArray[Any], scale: NDArray[np.float32] | None, offset: float
) -> str:
    """The bias: with what the input's offset would have given, without the output's own.

    Args:
        builder: Of the graph.
        item: The matrix.
        weight: As it is in the file: (out, ...).
        scale: Of the weights: (out,).
        offset: Of the input.
    """
    assert item.bias is not None
    name, own = f"{item.step.name}.bias", builder.offset(item.step.name)
    if offset == own == 0:
        return builder.constant(name, item.bias)
    bias = item.bias.astype(np.float64) - own
    if offset:
        assert scale is not None
        bias += offset * scale.astype(np.float64) * weight.reshape(len(weight), -1).sum(axis=1, dtype=np.int64)
    return builder.constant(name, bias.astype(np.float32))


def _weight(
    builder: QdqBuilder,
    item: IntegerStep,
    weight: NDArray[Any],
    scale: NDArray[np.float32] | None,
    *,
    is_transposed: bool = False,
) -> str:
    """The weights in float: (out, ...), or transposed (in, out).

    Args:
        builder: Of the graph.
        item: The matrix.
        weight: As `_weights` gives them.
        scale: Likewise.
        is_transposed: Whether to transpose them.
    """
    name = f"{item.step.name}.weight"
    axis = 1 if is_transposed else 0
    weight = np.ascontiguousarray(weight.T) if is_transposed else weight
    if scale is None or item.step.inputs[0] in builder.integers:
        return builder.dequantized(name, weight, scale, axis)
    return builder.weights_alone(name, weight, scale, axis)


def _weights(builder: QdqBuilder, item: IntegerStep, offset: float) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Weights (out, ...) and their scales (out,): stretched where the input is quantized; None for float weights.

    ONNX Runtime computes with int8 activations as with uint8 ones of 8 bits, whatever the bits of their grid.

    Args:
        builder: Of the graph.
        item: The matrix.
        offset: Of its input.
    """
    grid, weight, scale = builder.grids[item.step.inputs[0]], item.weight, item.weight_scale
    assert weight is not None and item.bias is not None  # noqa: PT018
    if grid is None or scale is None:
        return weight, scale
    bits = 8 if builder.is_symmetric else grid.bits
    step_size = builder.held(item.step.inputs[0]).scale
    sums = weight.reshape(len(weight), -1).sum(axis=1, dtype=np.int64)
    bias = item.bias.astype(np.float64) - builder.offset(item.step.name) + offset * scale.astype(np.float64) * sums
    integers, fine = stretch(weight, scale.astype(np.float64), bias / step_size, bits)
    builder.is_saturating |= may_saturate(integers, bits)
    return integers, fine


def _embedding(builder: QdqBuilder, item: IntegerStep, output: str) -> str:
    return builder.node("Gather", [_table(builder, item), rows_of(builder, item.step)], output, axis=0)


def _position(builder: QdqBuilder, item: IntegerStep, source: str, output: str) -> str:
    return builder.node("Add", [source, _table(builder, item)], output)


def _table(builder: QdqBuilder, item: IntegerStep) -> str:
    """A table of vectors in float; a quantized one is in the file as its output's grid is held."""
    assert item.weight is not None
    name = f"{item.step.name}.table"
    if item.weight_scale is None:
        return builder.constant(name, item.weight)
    middle = 0 if builder.is_symmetric else weight_grid(item.step, item.weight_scale).zero_point
    dtype = np.int8 if builder.is_symmetric else np.uint8
    operands = [
        builder.constant(name, (item.weight.astype(np.int16) + middle).astype(dtype)),
        builder.constant(f"{name}_scale", item.weight_scale[0]),
        builder.constant(f"{name}_zero", dtype(middle)),
    ]
    return builder.node("DequantizeLinear", operands, f"{name}_real")


# --- pooling, sequences -----------------------------------------------------------------------------------------


def _global_pool(builder: QdqBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Mean over height and width: (B, C, H, W) -> (B, C).

    ONNX Runtime fuses GlobalAveragePool to a kernel that refuses some grids: these get another operator.
    """
    step = item.step
    grid, output_grid = builder.grids[step.inputs[0]], builder.grids[step.name]
    if grid is not None and output_grid is not None and not is_pooled(step, grid, output_grid):
        return builder.node("ReduceMean", [source], output, axes=[2, 3], keepdims=0)
    return builder.node("Flatten", [builder.node("GlobalAveragePool", [source], f"{step.name}.pooled")], output)


def _window(builder: QdqBuilder, step: Step, source: str, output: str, *, offset: float) -> str:
    """Neighbouring tokens side by side, zeros outside of the sequence: (B, T, C) -> (B, T, kernel x C).

    By a slice for each neighbour: OpenVINO 2026.4 crashes on a Gather of all of them behind a DequantizeLinear.

    Args:
        builder: Of the graph.
        step: The window.
        source: The input.
        output: Name of the result.
        offset: By how much the input lies below the real one.
    """
    if step.kernel == 1:
        return builder.node("Identity", [source], output)
    name, tokens, before = step.name, step.input_shape[0], step.kernel // 2
    behind = step.kernel - 1 - before
    zero = builder.constant(f"{name}.nothing" if offset else "zero", np.float32(-offset))
    if tokens == 1:  # its neighbours are zeros: OpenVINO 2026.4 pads an axis of length 1 with what stands there
        flat = builder.node("Mul", [source, builder.constant(f"{name}.none", np.float32(0))], f"{name}.flat")
        beside = builder.node("Add", [flat, zero], f"{name}.beside")
        return builder.node("Concat", [*[beside] * before, source, *[beside] * behind], output, axis=2)
    pads = builder.whole_numbers(f"{name}.pads", [0, before, 0, 0, behind, 0])
    padded = builder.node("Pad", [source, pads, zero], f"{name}.padded")
    parts = [builder.slice(padded, at, at + tokens, f"{name}.neighbour{at}") for at in range(step.kernel)]
    return builder.node("Concat", parts, output, axis=2)


def _gru(builder: QdqBuilder, item: IntegerStep, source: str, output: str) -> str:
    """ONNX's GRU in both directions, padding masked by a channel of its own: (B, T, C) -> (B, T, 2 x H).

    Not by `sequence_lens`, which runtimes leave out without a word. The further channel of the input is 1 at padding,
    where it holds the update gate at 1: in the backward direction the state is still 0 when the first token comes.
    OpenVINO 2026.4 takes weights that were put together of several constants, not a dequantized one as it is.
    """
    step, name = item.step, item.step.name
    channels, hidden = step.input_shape[-1], step.width
    assert item.weight is not None and item.bias is not None  # noqa: PT018
    rows = np.arange(6 * hidden).reshape(2, 3, hidden)[:, GATE_ORDER].reshape(2, 3 * hidden)
    of_input = _by_direction(builder, item, f"{name}.input_weight", rows, slice(0, channels))
    of_state = _by_direction(builder, item, f"{name}.state_weight", rows, slice(channels, None))
    standstill = np.zeros((2, 3 * hidden, 1), np.float32)
    standstill[:, :hidden] = _STANDSTILL  # the update gate is ONNX's first
    of_input = builder.node(
        "Concat", [of_input, builder.constant(f"{name}.standstill", standstill)], f"{name}.of_input", axis=2
    )
    bias = item.bias[rows]
    there = builder.node("Cast", [builder.present_channels()], f"{name}.is_there", to=TensorProto.FLOAT)  # (B, T, 1)
    padding = builder.node("Sub", [builder.one(), there], f"{name}.is_padding")
    marked = builder.node("Concat", [source, padding], f"{name}.marked", axis=2)
    operands = [
        builder.node("Transpose", [marked], f"{name}.by_token", perm=[1, 0, 2]),  # (B, T, C + 1) -> (T, B, C + 1)
        of_input,
        of_state,
        builder.constant(f"{name}.bias", np.concatenate([bias, np.zeros_like(bias)], axis=1)),  # that of the state is 0
    ]
    attributes = {"hidden_size": hidden, "direction": "bidirectional", "linear_before_reset": 1}
    states = builder.node("GRU", operands, f"{name}.states", **attributes)
    by_sample = builder.node("Transpose", [states], f"{name}.by_sample", perm=[2, 0, 1, 3])  # (B, T, 2, H)
    flat = builder.reshape(by_sample, [-1, *step.output_shape], f"{name}.flat")
    return builder.node("Mul", [flat, there], output)


def _by_direction(builder: QdqBuilder, item: IntegerStep, name: str, rows: NDArray[np.int64], columns: slice) -> str:
    """A part of a GRU's weights, (2, 3 x H, columns).

    Args:
        builder: Of the graph.
        item: The GRU.
        name: Of the part.
        rows: Of the weights, for each direction and gate of ONNX's (2, 3 x H).
        columns: Of the weights.
    """
    assert item.weight is not None
    directions = []
    for direction, chosen in zip(("forward", "backward"), rows, strict=True):
        weight = np.ascontiguousarray(item.weight[None, chosen, columns])  # (1, 3 x H, columns)
        scale = None if item.weight_scale is None else item.weight_scale[chosen]
        directions.append(builder.dequantized(f"{name}.{direction}", weight, scale, axis=1))
    return builder.node("Concat", directions, name, axis=0)


def _layer_norm(builder: QdqBuilder, item: IntegerStep, source: str, output: str) -> str:
    """Each token normalized over its channels, times weight, plus bias; one operator only from opset 17 on."""
    name = item.step.name
    constants = {"weight": item.weight, "bias": item.bias, "epsilon": np.float32(LAYER_NORM_EPSILON)}
    weight, bias, epsilon = (builder.constant(f"{name}.{part}", value) for part, value in constants.items())
    over = {"axes": [-1], "keepdims": 1}
    centred = builder.node("Sub", [source, builder.node("ReduceMean", [source], f"{name}.mean", **over)], f"{name}.c")
    square = builder.node("Mul", [centred, centred], f"{name}.square")
    variance = builder.node("ReduceMean", [square], f"{name}.variance", **over)
    deviation = builder.node("Sqrt", [builder.node("Add", [variance, epsilon], f"{name}.above_0")], f"{name}.deviation")
    normalized = builder.node("Div", [centred, deviation], f"{name}.normalized")
    return builder.node("Add", [builder.node("Mul", [normalized, weight], f"{name}.weighted"), bias], output)


#: Those that take offsets into their biases: each appends its nodes, given what the output shall be called.
_MATRICES: Final[dict[Op, Callable[[QdqBuilder, IntegerStep, str], str]]] = {"conv": _conv, "linear": _linear}
#: What isn't one operator of ONNX's: each appends its nodes, given the inputs and what the output shall be called.
_STEPS: Final[dict[Op, Callable[..., str]]] = {
    **COMPUTED,
    "embedding": _embedding,
    "position": _position,
    "global_pool": _global_pool,
    "gru": _gru,
    "layer_norm": _layer_norm,
}
