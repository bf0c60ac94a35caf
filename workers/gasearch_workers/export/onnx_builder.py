"""Nodes and constants of an ONNX graph as they come, and the forms in which each tensor of a network is in it.

A tensor has an integer form (uint8), where it has a grid, and a real one (float32); each is made when a step first asks
for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gasearch_workers.network.integer import Grid
from gasearch_workers.network.steps import CODES, INPUT, PADDING, Plan, Step

MICROSOFT: Final = "com.microsoft"  #: ONNX Runtime's own operators.
_OURS = frozenset({"QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearGlobalAveragePool"})


def output_name(plan: Plan) -> str:
    """Name of the graph's output."""
    return "prediction" if plan.is_regression else "logits"


class GraphBuilder:
    """Collects nodes and constants; knows for each tensor its grid and the names of its integer and its real form."""

    def __init__(self, plan: Plan, grids: Mapping[str, Grid | None]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.plan, self.grids = plan, grids
        self.integers: dict[str, str] = {}
        self.reals: dict[str, str] = {}
        self.is_saturating = False  #: Whether kernels that add pairs of products in 16 bits give other answers.
        self._known: set[str] = set()

    # --- nodes and constants ---

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; returns the name of its output. Asked for the same output twice, it is there once.

        Args:
            op: Operator of ONNX's, or of ONNX Runtime's own.
            inputs: Names of its inputs.
            output: Name of its output.
            **attributes: Of the operator.
        """
        if output not in self._known:
            self._known.add(output)
            domain = MICROSOFT if op in _OURS else ""
            self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """A constant of that name; asked for twice, it is stored once."""
        if name not in self._known:
            self._known.add(name)
            self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def whole_numbers(self, name: str, values: list[int]) -> str:
        """A constant int64 vector: a shape, axes, places."""
        return self.constant(name, np.array(values, np.int64))

    def reshape(self, source: str, shape: list[int], output: str) -> str:
        """A tensor in another shape.

        Args:
            source: The tensor.
            shape: Its new shape, the batch included; -1 is what is left.
            output: Name of the result.
        """
        return self.node("Reshape", [source, self.whole_numbers(f"{output}.shape", shape)], output)

    def slice(self, source: str, first: int, end: int, output: str) -> str:
        """A part of a tensor along the axis after the batch.

        Args:
            source: The tensor.
            first: First place.
            end: First place that is left out.
            output: Name of the result.
        """
        ends = {"first": first, "end": end, "axis": 1}
        places = [self.whole_numbers(f"{output}.{name}", [place]) for name, place in ends.items()]
        return self.node("Slice", [source, *places], output)

    # --- forms of a tensor ---

    def grid(self, name: str) -> list[str]:
        """Names of a tensor's scale and zero point."""
        grid = self.grids[name]
        assert grid is not None
        return [self.constant(f"{name}.scale", np.float32(grid.scale)), self.zero(name)]

    def zero(self, name: str) -> str:
        """Name of the integer that is a tensor's real 0."""
        grid = self.grids[name]
        assert grid is not None
        return self.constant(f"{name}.zero", np.uint8(grid.zero_point))

    def real(self, name: str) -> str:
        """The real form of a tensor, dequantized once where it has none yet.

        Not by DequantizeLinear: between it and a QuantizeLinear, ONNX Runtime 1.31 quantizes float weights to 8 bits on
        its own (its WeightBiasQuantization; 0.92 argmax agreement with what was meant, 1.00 without).
        """
        grid = self.grids[name]
        if name not in self.reals and grid is not None:
            real = self.node("Cast", [self.integers[name]], f"{name}.float", to=TensorProto.FLOAT)
            if grid.zero_point:
                zero = self.constant(f"{name}.float_zero", np.float32(grid.zero_point))
                real = self.node("Sub", [real, zero], f"{name}.centred")
            scale = self.constant(f"{name}.scale", np.float32(grid.scale))
            self.reals[name] = self.node("Mul", [real, scale], f"{name}.real")
        return self.reals[name]

    def quantize(self, name: str, real: str, *, has_relu: bool = False) -> None:
        """Give a tensor its integer form from its real one.

        Args:
            name: Of the tensor.
            real: Name of its real form.
            has_relu: See `clip`.
        """
        self.clip(name, self.node("QuantizeLinear", [real, *self.grid(name)], f"{name}.raw"), has_relu=has_relu)

    def clip(self, name: str, integers: str, *, has_relu: bool = False) -> None:
        """Keep a uint8 tensor on the grid of `name`, and make it its integer form.

        Args:
            name: Of the tensor.
            integers: Name of the uint8 tensor.
            has_relu: Whether it is to stay at or above the grid's zero point.
        """
        grid = self.grids[name]
        assert grid is not None
        low, high = grid.zero_point if has_relu else 0, 2**grid.bits - 1
        if (low, high) == (0, 255):
            self.integers[name] = integers
            return
        ends = [self.constant(f"{name}.{end}", np.uint8(at)) for end, at in (("low", low), ("high", high))]
        self.integers[name] = self.node("Clip", [integers, *ends], f"{name}.clipped")

    # --- outputs of steps that compute in float ---

    def float_name(self, step: Step) -> str:
        """Name of a step's float output before its ReLU, if it has one."""
        return f"{step.name}.linear" if step.has_relu else self.final_name(step)

    def final_name(self, step: Step) -> str:
        """Name of a step's float output: the graph's own for the last step."""
        if self.grids[step.name] is not None:
            return f"{step.name}.unrounded"
        return output_name(self.plan) if step.name == self.plan.steps[-1].name else f"{step.name}.real"

    def relu(self, step: Step, output: str) -> str:
        """A step's float output after its ReLU, if it has one."""
        return self.node("Relu", [output], self.final_name(step)) if step.has_relu else output

    def weight(self, name: str, weight: NDArray[Any], scale: NDArray[np.float32] | None) -> str:
        """Weights in float; quantized ones are in the file as int8, a quarter of the bytes.

        ONNX Runtime makes them float once, when it loads the graph.

        Args:
            name: Of the constant.
            weight: int8, or float32 without a scale.
            scale: In a shape that fits the weights'.
        """
        constant = self.constant(name, weight)
        if scale is None:
            return constant
        real = self.node("Cast", [constant], f"{name}_float", to=TensorProto.FLOAT)
        return self.node("Mul", [real, self.constant(f"{name}_scale", scale)], f"{name}_real")

    # --- codes ---

    def codes(self, column: int) -> str:
        """One column of the codes, int32: (B, T) of tokens, else (B,); column -1 where there is one only."""
        codes = INPUT
        if self.plan.input_kind == "table":
            whole = self.slice(INPUT, self.plan.numbers, self.plan.input_shape[0], f"{CODES}.float")
            codes = self.node("Cast", [whole], CODES, to=TensorProto.INT32)
        if column < 0:
            return codes
        place = self.constant(f"{CODES}.column{column}", np.int64(column))
        return self.node("Gather", [codes, place], f"{CODES}.at{column}", axis=len(self.plan.codes_shape))

    def present(self) -> str:
        """Which tokens are no padding: (B, T) bool."""
        words = self.codes(0 if len(self.plan.codes_shape) == 2 else -1)
        padding = self.constant(f"{CODES}.padding", np.int32(PADDING))
        return self.node("Greater", [words, padding], f"{CODES}.present")

    def present_channels(self) -> str:
        """The same for each channel: (B, T, 1) bool."""
        axis = self.whole_numbers(f"{CODES}.last_axis", [-1])
        return self.node("Unsqueeze", [self.present(), axis], f"{CODES}.present_channels")

    def present_keys(self) -> str:
        """The same for each head and query of an attention: (B, 1, 1, T) bool."""
        axes = self.whole_numbers(f"{CODES}.head_axes", [1, 2])
        return self.node("Unsqueeze", [self.present(), axes], f"{CODES}.present_keys")

    def lengths(self) -> str:
        """Number of tokens that are no padding: (B,) int32."""
        present = self.node("Cast", [self.present()], f"{CODES}.ones", to=TensorProto.INT32)
        axis = self.whole_numbers(f"{CODES}.tokens_axis", [1])
        return self.node("ReduceSum", [present, axis], f"{CODES}.lengths", keepdims=0)
