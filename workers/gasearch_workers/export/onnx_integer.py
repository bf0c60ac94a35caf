"""The steps that ONNX Runtime computes in integers: QLinearConv, QGemm, QLinearAdd and their like, and moves of bytes.

The bias of a convolution or dense layer is an int32 multiple of input scale x weight scale. At few weight bits that
grid is coarse (at 2 bits argmax agreement with the fake-quantized network was 0.88), so weights are multiplied by an
integer that brings the bias close to the grid, within the int8 range (`onnx_stretch`). Where that is not enough
for the float outputs of the last step, its biases are added in float.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.export.onnx_stretch import may_saturate, stretch
from gasearch_workers.network.integer import Grid, IntegerStep, weight_grid
from gasearch_workers.network.steps import CODES, UNKNOWN, Op, Step

#: Input scale over output scale and number of places, within which QLinearGlobalAveragePool computes: a margin from its
#: limits of 2**-32 and 256, which it compares in float32.
POOL_RATIOS: Final = (2.0**-31, 255.0)
#: ONNX Runtime's integer kernel of each operation that has one, beside those that only move values.
KERNELS: Final[dict[Op, str]] = {
    "conv": "QLinearConv",
    "linear": "QGemm",
    "add": "QLinearAdd",
    "position": "QLinearAdd",
    "product": "QLinearMul",
    "concat": "QLinearConcat",
    "global_pool": "QLinearGlobalAveragePool",
}
#: Share of the largest bias that rounding may cost any of the last step's biases. Barely trained networks have biases
#: far below one step of the grid: all become 0, and where all inputs are 0, too, the first class wins (measured: 0.82
#: argmax agreement).
BIAS_LOSS: Final = 1e-2


def is_integer(item: IntegerStep, grids: Mapping[str, Grid | None]) -> bool:
    """Whether the graph computes the step in integers.

    Args:
        item: The step.
        grids: Of its inputs and of its output.
    """
    step = item.step
    match step.op:
        case "embedding":
            return step.has_weight_grid
        case "global_pool":
            return _has_pooling_kernel(step, grids[step.inputs[0]], grids[step.name])
        case op if not step.passes_grid and op not in KERNELS:
            return False
    are_weights_integer = item.weight_scale is not None or not step.has_weights
    are_inputs_integer = all(grids[name] is not None for name in step.inputs if name != CODES)
    has_kernel = grids[step.name] is not None or step.op == "linear"  # QGemm can give floats
    return are_weights_integer and are_inputs_integer and has_kernel


def add_integer(builder: GraphBuilder, item: IntegerStep) -> None:
    """Append the nodes of a step for which `is_integer` holds."""
    step = item.step
    if step.passes_grid:
        builder.integers[step.name] = move(builder, step, builder.integers[step.inputs[0]], step.name, is_real=False)
    elif step.op == "embedding":
        builder.integers[step.name] = embed(builder, step, _table(item)[0], step.name)
    elif item.output_grid is None:
        _add_real_linear(builder, item)
    else:
        builder.clip(step.name, _computed(builder, item), has_relu=step.has_relu)


def geometry(step: Step) -> dict[str, Any]:
    """Attributes of a convolution; it pads with the real value 0 on every side."""
    pad = step.kernel // 2
    return {
        "kernel_shape": [step.kernel, step.kernel],
        "strides": [step.stride, step.stride],
        "pads": [pad] * 4,
        "group": step.groups,
    }


def _has_pooling_kernel(step: Step, source: Grid | None, output: Grid | None) -> bool:
    """Whether there are both grids, and such as the kernel takes."""
    return source is not None and output is not None and is_pooled(step, source, output)


def is_pooled(step: Step, source: Grid, output: Grid) -> bool:
    """Whether ONNX Runtime's kernel of a global pooling takes both grids; it refuses an output scale far finer.

    Args:
        step: The pooling.
        source: Grid of its input.
        output: Grid of its output.
    """
    ratio = source.scale / (output.scale * math.prod(step.input_shape[1:]))
    return POOL_RATIOS[0] <= ratio < POOL_RATIOS[1]


# --- steps that move values -------------------------------------------------------------------------------------


def move(builder: GraphBuilder, step: Step, source: str, output: str, *, is_real: bool) -> str:
    """Nodes of a step that gives values of its input as they are.

    Args:
        builder: Of the graph.
        step: Its operation passes the grid.
        source: The input.
        output: Name of the result.
        is_real: Whether the input is floats; else integers.
    """
    if step.op == "flatten":
        return builder.node("Flatten", [source], output)
    if step.op == "max_pool":
        sides = [min(2, side) for side in step.input_shape[1:]]  # OpenVINO refuses a kernel beyond the image
        return builder.node("MaxPool", [source], output, kernel_shape=sides, strides=sides, ceil_mode=1)
    add = {"window": _window, "max_tokens": _max_tokens}[step.op]
    zero = builder.constant("zero", np.float32(0)) if is_real else builder.zero(step.inputs[0])
    return add(builder, step, source, zero, output)


def _window(builder: GraphBuilder, step: Step, source: str, zero: str, output: str) -> str:
    """Neighbouring tokens side by side, zeros outside of the sequence: (B, T, C) -> (B, T, kernel x C)."""
    if step.kernel == 1:
        return builder.node("Identity", [source], output)
    tokens, pad = step.input_shape[0], step.kernel // 2
    pads = builder.whole_numbers(f"{step.name}.pads", [0, pad, 0, 0, step.kernel - 1 - pad, 0])
    padded = builder.node("Pad", [source, pads, zero], f"{step.name}.padded")
    places = np.arange(tokens)[:, None] + np.arange(step.kernel)  # (T, kernel)
    neighbours = builder.constant(f"{step.name}.places", places)
    # Copies whole rows at once, where a slice per neighbour and their concatenation take four operators.
    gathered = builder.node("Gather", [padded, neighbours], f"{step.name}.gathered", axis=1)  # (B, T, kernel, C)
    return builder.reshape(gathered, [-1, *step.output_shape], output)


def _max_tokens(builder: GraphBuilder, step: Step, source: str, zero: str, output: str) -> str:
    """Largest over the tokens that are no padding: (B, T, C) -> (B, C)."""
    filled = builder.node("Where", [builder.present_channels(), source, zero], f"{step.name}.filled")
    return builder.node("ReduceMax", [filled], output, axes=[1], keepdims=0)


def embed(builder: GraphBuilder, step: Step, table: Any, output: str) -> str:
    """The row of a table (rows, features) for each code; tokens that have none take the row of the unknown.

    A category, user or item that has none is an error of ONNX Runtime's.

    Args:
        builder: Of the graph.
        step: The embedding.
        table: Integers or floats.
        output: Name of the result.
    """
    operands = [builder.constant(f"{step.name}.table", table), rows_of(builder, step)]
    return builder.node("Gather", operands, output, axis=0)


def rows_of(builder: GraphBuilder, step: Step) -> str:
    """Which rows of an embedding's table the codes stand for; tokens that have none take the row of the unknown."""
    codes = builder.codes(step.column)
    if len(step.output_shape) != 2:
        return codes
    rows = builder.constant(f"{step.name}.rows", np.int32(step.rows))
    unknown = builder.constant(f"{step.name}.unknown", np.int32(min(UNKNOWN, step.rows - 1)))
    is_known = builder.node("Less", [codes, rows], f"{step.name}.is_known")
    return builder.node("Where", [is_known, codes, unknown], f"{step.name}.codes")


# --- steps that compute -----------------------------------------------------------------------------------------


def _computed(builder: GraphBuilder, item: IntegerStep) -> str:
    """A step's integers before they are clipped."""
    step, raw, kernel = item.step, f"{item.step.name}.raw", KERNELS[item.step.op]
    match step.op:
        case "conv":
            *operands, bias = _weighted(builder, item)
            return builder.node(kernel, [*operands, *builder.grid(step.name), bias], raw, **geometry(step))
        case "linear":
            return _product(builder, step, [*_weighted(builder, item), *builder.grid(step.name)], raw)
        case "concat":
            return builder.node(kernel, [*builder.grid(step.name), *_operands(builder, step)], raw, axis=1)
    operands = _operands(builder, step)
    if step.op == "position":
        table, grid = _table(item)
        parts = {"table": table, "table_scale": np.float32(grid.scale), "table_zero": np.uint8(grid.zero_point)}
        operands += [builder.constant(f"{step.name}.{part}", value) for part, value in parts.items()]
    operands += builder.grid(step.name)
    if step.op == "global_pool":
        pooled = builder.node(kernel, operands, f"{step.name}.pooled", channels_last=0)
        return builder.node("Flatten", [pooled], raw)  # (B, C, 1, 1) -> (B, C)
    return builder.node(kernel, operands, raw)


def _operands(builder: GraphBuilder, step: Step) -> list[str]:
    """Each input with its scale and zero point."""
    return [name for source in step.inputs for name in (builder.integers[source], *builder.grid(source))]


def _table(item: IntegerStep) -> tuple[NDArray[np.uint8], Grid]:
    """A table of vectors as uint8, and the grid of its integers."""
    assert item.weight is not None and item.weight_scale is not None  # noqa: PT018
    grid = weight_grid(item.step, item.weight_scale)
    return (item.weight.astype(np.int16) + grid.zero_point).astype(np.uint8), grid


def _add_real_linear(builder: GraphBuilder, item: IntegerStep) -> None:
    """A dense layer of integers that gives floats."""
    step = item.step
    is_bias_apart = _loses_bias(builder, item)
    operands = _weighted(builder, item, has_bias=not is_bias_apart)
    name = builder.float_name(step)
    output = _product(builder, step, operands, f"{step.name}.product" if is_bias_apart else name)
    if is_bias_apart:
        output = builder.node("Add", [output, builder.constant(f"{step.name}.bias", item.bias)], name)
    builder.reals[step.name] = builder.relu(step, output)


def _product(builder: GraphBuilder, step: Step, operands: list[str], output: str) -> str:
    """A dense layer of a vector; of a sequence, of all its tokens as if they were a batch."""
    if len(step.input_shape) == 1:
        return builder.node("QGemm", operands, output, transB=1)
    tokens = builder.reshape(operands[0], [-1, step.input_shape[-1]], f"{step.name}.tokens")  # (B, T, C) -> (B x T, C)
    rows = builder.node("QGemm", [tokens, *operands[1:]], f"{step.name}.rows", transB=1)  # (B x T, C) -> (B x T, out)
    return builder.reshape(rows, [-1, *step.output_shape], output)  # (B x T, out) -> (B, T, out)


def _weighted(builder: GraphBuilder, item: IntegerStep, *, has_bias: bool = True) -> list[str]:
    """Operands that QGemm takes: input, its scale and zero point; weight, its scales and zero points; the bias."""
    step, source = item.step, item.step.inputs[0]
    integers, fine, bias = _integer_weights(builder, item, has_bias=has_bias)
    builder.is_saturating |= may_saturate(integers, step.input_bits)
    operands = [
        builder.integers[source],
        *builder.grid(source),
        builder.constant(f"{step.name}.weight", integers),
        builder.constant(f"{step.name}.weight_scale", fine),
        builder.constant(f"{step.name}.weight_zero", np.zeros(len(fine), np.int8)),
    ]
    return [*operands, builder.constant(f"{step.name}.bias", bias.astype(np.int32))] if has_bias else operands


def _integer_weights(
    builder: GraphBuilder, item: IntegerStep, *, has_bias: bool = True
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float64]]:
    """Stretched weights, their scales (out,), and whole biases (out,) in steps of input scale x weight scale."""
    grid, weight, scale = builder.grids[item.step.inputs[0]], item.weight, item.weight_scale
    assert grid is not None and weight is not None and scale is not None and item.bias is not None  # noqa: PT018
    bias_steps = item.bias.astype(np.float64) / grid.scale * has_bias
    integers, fine = stretch(weight, scale.astype(np.float64), bias_steps, grid.bits)
    return integers, fine, np.rint(bias_steps / fine.astype(np.float64))


def _loses_bias(builder: GraphBuilder, item: IntegerStep) -> bool:
    """Whether whole biases miss real ones by more than `BIAS_LOSS`, or need scales too coarse for the weights."""
    grid, scale, bias = builder.grids[item.step.inputs[0]], item.weight_scale, item.bias
    assert grid is not None and scale is not None and bias is not None  # noqa: PT018
    _, fine, whole = _integer_weights(builder, item)
    lost = np.abs(whole * fine * grid.scale - bias).max()
    return bool(lost > BIAS_LOSS * np.abs(bias).max() or (fine > scale * (1 + 1e-6)).any())
