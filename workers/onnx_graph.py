"""The deployment form for ONNX Runtime: an integer network as a graph of integer operators, built with onnx.helper.

A step computes in integers where its input, its weights and its output are quantized (QLinearConv, QGemm, QLinearAdd,
QLinearGlobalAveragePool; the head's QGemm gives floats at once); any other step computes in float, its quantized inputs
made real and its output put on its grid. Activation tensors are uint8; below 8 bits a Clip keeps them on their grid,
and a ReLU is the clamp at the zero point. The graph takes the data as the file holds them.

The bias of an integer operator is an int32 multiple of input scale x weight scale. At few weight bits that grid is
coarse (at 2 bits argmax agreement with the fake-quantized network was 0.88), so weights are multiplied by an integer
that brings the bias close to the grid, within the int8 range.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from workers.integer import Grid, IntegerNetwork, IntegerStep
from workers.reference import real_weight
from workers.steps import Step

INPUT, OUTPUT = "input", "logits"  #: Names of the graph's input (batch first) and output.
OPSET: Final = 17
IR_VERSION: Final = 8  #: The one of that opset's release: runtimes from 2022 on read the file.
MICROSOFT: Final = "com.microsoft"  #: ONNX Runtime's own operators.

#: Largest sum of two products of activation and weight that x86 CPUs without VNNI don't saturate (vpmaddubsw).
PAIR_LIMIT: Final = 2**15 - 1
BIAS_LIMIT: Final = 2**30  #: Largest magnitude of an integer bias: leaves as much room again for the products.


def to_onnx(network: IntegerNetwork) -> onnx.ModelProto:
    """The network as an ONNX model: `input` (batch, *input_shape) raw uint8 or float32 -> `logits` (batch, outputs).

    Equal networks give equal models. The argmax agrees with `workers.reference.run_reference`; the logits do up to the
    rounding of biases and ties.

    Raises:
        ValueError: if the last step's output is quantized.
    """
    if network.steps[-1].output_grid is not None:
        raise ValueError(f"the last step must give floats; {network.plan.steps[-1].name!r} has an integer grid")
    builder = _GraphBuilder(network)
    for item in network.steps:
        builder.add(item)
    graph = helper.make_graph(
        builder.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, _ELEMENT[network.input.dtype], ["batch", *network.plan.input_shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", *network.plan.steps[-1].output_shape])],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="gasearch")


def float_steps(network: IntegerNetwork) -> tuple[str, ...]:
    """Names of the steps that the graph computes in float, in order."""
    grids = {INPUT: network.input.grid}
    names = []
    for item in network.steps:
        if not _is_integer(item, [grids[name] for name in item.step.inputs]):
            names.append(item.step.name)
        grids[item.step.name] = _output_grid(item, grids[item.step.inputs[0]])
    return tuple(names)


def most_stretch(weight: NDArray[Any], input_bits: int) -> NDArray[np.int64]:
    """Per output channel the largest integer by which its weights may be multiplied: (out,), at least 1.

    They may fill the int8 range, or as much of it as keeps two products with activations of `input_bits` within 16
    bits: ONNX Runtime's kernels saturate there on x86 CPUs without VNNI. Weights of 8 bits on activations of 8 bits are
    left alone; for them `open_session` asks for the slower exact kernels.
    """
    room = min(127, PAIR_LIMIT // (2 * (2**input_bits - 1)))
    largest = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).max(axis=1)  # (out, ...) -> (out,)
    factor: NDArray[np.int64] = np.maximum(room // np.maximum(largest, 1), 1)
    return factor


def _stretch(
    weight: NDArray[Any], scale: NDArray[np.float64], bias_steps: NDArray[np.float64], input_bits: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Stretched integer weights and their scales (out,), coarser where the bias would not fit int32 otherwise.

    That happens in channels whose normalization has (nearly) died: there the bias is all that counts.

    Args:
        weight: Integers (out, ...).
        scale: Their scales (out,).
        bias_steps: Biases divided by the input's scale, (out,).
        input_bits: Precision of the input.
    """
    factor = _best_factors(bias_steps / scale, most_stretch(weight, input_bits))
    fine = np.maximum(scale / factor, np.abs(bias_steps) / BIAS_LIMIT)
    ratio = (scale / fine).reshape(-1, *[1] * (weight.ndim - 1))  # whole numbers, save in coarsened channels
    return np.rint(weight * ratio).astype(np.int8), fine.astype(np.float32)


def _best_factors(biases: NDArray[np.float64], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per channel the factor k, 1..most, for which bias x k lies nearest to an integer, relative to k: (out,).

    The best rational approximation of the bias: about a hundredth of the error that the largest factor leaves.
    """
    factors = np.arange(1, most.max() + 1)  # (K,)
    error = np.abs(biases[:, None] - np.rint(biases[:, None] * factors) / factors)  # (out, K)
    error[factors > most[:, None]] = np.inf
    best: NDArray[np.int64] = error.argmin(axis=1) + 1
    return best


_ELEMENT = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}


def _is_integer(item: IntegerStep, input_grids: list[Grid | None]) -> bool:
    is_input_integer = all(grid is not None for grid in input_grids)
    match item.step.op:
        case "flatten":
            return is_input_integer
        case "linear":
            return is_input_integer and item.weight_scale is not None  # QGemm can give floats
        case "conv":
            return is_input_integer and item.weight_scale is not None and item.output_grid is not None
        case "add" | "global_pool":
            return is_input_integer and item.output_grid is not None


def _output_grid(item: IntegerStep, input_grid: Grid | None) -> Grid | None:
    return input_grid if item.step.op == "flatten" else item.output_grid


class _GraphBuilder:
    """Collects nodes and constants; knows for each tensor its grid and the names of its integer and its real form."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._last = network.plan.steps[-1].name
        self._grids: dict[str, Grid | None] = {}
        self._integers: dict[str, str] = {}
        self._reals: dict[str, str] = {}
        self._add_input(network)

    def add(self, item: IntegerStep) -> None:
        """Append the nodes of one step."""
        step = item.step
        grids = [self._grids[name] for name in step.inputs]
        self._grids[step.name] = _output_grid(item, grids[0])
        if _is_integer(item, grids):
            self._add_integer(item)
        else:
            self._add_float(item)

    # --- input ---

    def _add_input(self, network: IntegerNetwork) -> None:
        """Raw data to integers of the input's grid, or to normalized floats."""
        transform = network.input
        self._grids[INPUT] = transform.grid
        if transform.dtype == "uint8" and transform.grid is not None:
            self._integers[INPUT] = INPUT  # The raw bytes are the integers.
            return
        raw = INPUT
        if transform.dtype == "uint8":
            raw = self._node("Cast", [raw], "input.raw_float", to=TensorProto.FLOAT)
        centred = self._node("Sub", [raw, self._constant("input.mean", transform.mean)], "input.minus_mean")
        deviation = self._constant("input.deviation", transform.deviation)
        normalized = self._node("Div", [centred, deviation], "input.normalized")
        if transform.grid is None:
            self._reals[INPUT] = normalized
        else:
            self._quantize(INPUT, normalized, transform.grid, low=0)

    # --- integer steps ---

    def _add_integer(self, item: IntegerStep) -> None:
        step, grid = item.step, item.output_grid
        inputs = [self._integers[name] for name in step.inputs]
        raw = f"{step.name}.raw"
        match step.op:
            case "flatten":
                self._integers[step.name] = self._node("Flatten", inputs, step.name)
                return
            case "linear" if grid is None:
                output = self._node("QGemm", self._weighted(item), self._float_name(step), transB=1)
                self._reals[step.name] = self._relu(step, output)
                return
            case "linear":
                output = self._node("QGemm", [*self._weighted(item), *self._grid(step.name)], raw, transB=1)
            case "conv":
                x, x_scale, x_zero, w, w_scale, w_zero, bias = self._weighted(item)
                operands = [x, x_scale, x_zero, w, w_scale, w_zero, *self._grid(step.name), bias]
                output = self._node("QLinearConv", operands, raw, **_geometry(step))
            case "add":
                pairs = [name for source in step.inputs for name in (self._integers[source], *self._grid(source))]
                output = self._node("QLinearAdd", [*pairs, *self._grid(step.name)], raw)
            case "global_pool":
                operands = [inputs[0], *self._grid(step.inputs[0]), *self._grid(step.name)]
                pooled = self._node("QLinearGlobalAveragePool", operands, f"{step.name}.pooled", channels_last=0)
                output = self._node("Flatten", [pooled], raw)  # (B, C, 1, 1) -> (B, C)
        self._clip(step.name, output, grid, low=grid.zero_point if step.has_relu and grid else 0)

    def _weighted(self, item: IntegerStep) -> list[str]:
        """Operands that QGemm takes: input, its scale and zero point; weight, its scales and zero points; bias."""
        step, source = item.step, item.step.inputs[0]
        grid, weight, scale = self._grids[source], item.weight, item.weight_scale
        assert grid is not None and weight is not None and scale is not None and item.bias is not None  # noqa: PT018
        integers, fine = _stretch(
            weight, scale.astype(np.float64), item.bias.astype(np.float64) / grid.scale, grid.bits
        )
        bias = np.rint(item.bias / (grid.scale * fine.astype(np.float64)))
        return [
            self._integers[source],
            *self._grid(source),
            self._constant(f"{step.name}.weight", integers),
            self._constant(f"{step.name}.weight_scale", fine),
            self._constant(f"{step.name}.weight_zero", np.zeros(len(fine), np.int8)),
            self._constant(f"{step.name}.bias", bias.astype(np.int32)),
        ]

    # --- float steps ---

    def _add_float(self, item: IntegerStep) -> None:
        step, grid = item.step, item.output_grid
        inputs = [self._real(name) for name in step.inputs]
        name = self._float_name(step)
        match step.op:
            case "conv":
                output = self._node("Conv", [*inputs, *self._real_weights(item)], name, **_geometry(step))
            case "linear":
                output = self._node("Gemm", [*inputs, *self._real_weights(item)], name, transB=1)
            case "add":
                output = self._node("Add", inputs, name)
            case "global_pool":
                pooled = self._node("GlobalAveragePool", inputs, f"{step.name}.pooled")
                output = self._node("Flatten", [pooled], name)  # (B, C, 1, 1) -> (B, C)
            case "flatten":
                output = self._node("Flatten", inputs, name)
        output = self._relu(step, output)
        if grid is None or step.op == "flatten":
            self._reals[step.name] = output
        else:
            self._quantize(step.name, output, grid, low=grid.zero_point if step.has_relu else 0)

    def _real_weights(self, item: IntegerStep) -> list[str]:
        name = item.step.name
        weight = real_weight(item).astype(np.float32)
        assert item.bias is not None
        return [self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", item.bias)]

    def _real(self, name: str) -> str:
        """The real form of a tensor, dequantized once where it has none yet.

        Not by DequantizeLinear: between it and a QuantizeLinear, ONNX Runtime 1.31 quantizes float weights to 8 bits on
        its own (its WeightBiasQuantization; 0.92 argmax agreement with what was meant, 1.00 without).
        """
        grid = self._grids[name]
        if name not in self._reals and grid is not None:
            real = self._node("Cast", [self._integers[name]], f"{name}.float", to=TensorProto.FLOAT)
            if grid.zero_point:
                zero = self._constant(f"{name}.float_zero", np.float32(grid.zero_point))
                real = self._node("Sub", [real, zero], f"{name}.centred")
            scale = self._constant(f"{name}.scale", np.float32(grid.scale))
            self._reals[name] = self._node("Mul", [real, scale], f"{name}.real")
        return self._reals[name]

    def _float_name(self, step: Step) -> str:
        """Name of a step's float output before its ReLU, if it has one."""
        return f"{step.name}.linear" if step.has_relu else self._final_name(step)

    def _final_name(self, step: Step) -> str:
        """Name of a step's float output: the graph's own for the last step."""
        if self._grids[step.name] is not None:
            return f"{step.name}.unrounded"
        return OUTPUT if step.name == self._last else f"{step.name}.real"

    def _relu(self, step: Step, output: str) -> str:
        return self._node("Relu", [output], self._final_name(step)) if step.has_relu else output

    # --- parts ---

    def _quantize(self, name: str, real: str, grid: Grid, *, low: int) -> None:
        integers = self._node("QuantizeLinear", [real, *self._grid(name)], f"{name}.raw")
        self._clip(name, integers, grid, low=low)

    def _clip(self, name: str, integers: str, grid: Grid | None, *, low: int) -> None:
        """Keep a uint8 tensor within low .. 2**bits - 1, and make it the integer form of `name`."""
        assert grid is not None
        high = 2**grid.bits - 1
        if (low, high) == (0, 255):
            self._integers[name] = integers
            return
        ends = [self._constant(f"{name}.{end}", np.uint8(at)) for end, at in (("low", low), ("high", high))]
        self._integers[name] = self._node("Clip", [integers, *ends], f"{name}.clipped")

    def _grid(self, name: str) -> list[str]:
        """Names of a tensor's scale and zero point."""
        grid = self._grids[name]
        assert grid is not None
        return [
            self._constant(f"{name}.scale", np.float32(grid.scale)),
            self._constant(f"{name}.zero", np.uint8(grid.zero_point)),
        ]

    def _constant(self, name: str, value: Any) -> str:
        """A constant of that name; asked for twice, it is stored once."""
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        domain = MICROSOFT if op in ("QGemm", "QLinearAdd", "QLinearGlobalAveragePool") else ""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output


def _geometry(step: Step) -> dict[str, Any]:
    """Attributes of a convolution; it pads with the real value 0 on every side."""
    pad = step.kernel // 2
    return {
        "kernel_shape": [step.kernel, step.kernel],
        "strides": [step.stride, step.stride],
        "pads": [pad] * 4,
        "group": step.groups,
    }
