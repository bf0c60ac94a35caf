"""The forms of a tensor in a graph of QuantizeLinear and DequantizeLinear: integers between steps, floats inside them.

Every tensor with a grid is quantized and dequantized once. The standard's QuantizeLinear saturates at the ends of its
integer type alone, so where a grid ends before, its step's output is clipped in float first: every runtime has that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.onnx_builder import GraphBuilder
from gasearch_workers.network.integer import Grid
from gasearch_workers.network.steps import Plan, Step

MIDDLE: Final = 128  #: Of 8 bits.


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a grid is held in the file: real value = scale x (integer - zero_point) + offset."""

    scale: float
    zero_point: int
    low: float  #: The grid's lowest real value.
    high: float  #: The grid's highest real value.
    dtype: type[np.uint8] | type[np.int8]
    offset: float = 0.0  #: What its dequantized integers lie below the real values.

    def is_saturating_at(self, end: float) -> bool:
        """Whether a real value beyond this end of the grid becomes it by the integer type alone."""
        limits = np.iinfo(self.dtype)
        limit = limits.max if end == self.high else limits.min
        return round((end - self.offset) / self.scale) + self.zero_point == limit


def hold(grid: Grid, *, is_symmetric: bool) -> Held:
    """The grid as uint8 as it is, or as int8 with zero point 0.

    Symmetric: the integers minus the zero point. Of a grid that reaches beyond -128 or 127 then (8 bits, not signed)
    the integers minus 128, so that no bit is lost: what they stand for are the real values minus an offset, which the
    steps before and behind take into their biases.
    """
    highest = 2**grid.bits - 1 - grid.zero_point
    ends = {"low": -grid.zero_point * grid.scale, "high": highest * grid.scale}
    if not is_symmetric:
        return Held(scale=grid.scale, zero_point=grid.zero_point, dtype=np.uint8, **ends)
    is_fitting = highest <= np.iinfo(np.int8).max and -grid.zero_point >= np.iinfo(np.int8).min
    offset = 0.0 if is_fitting else (MIDDLE - grid.zero_point) * float(np.float32(grid.scale))
    return Held(scale=grid.scale, zero_point=0, dtype=np.int8, offset=offset, **ends)


class QdqBuilder(GraphBuilder):
    """Collects nodes and constants; each tensor with a grid is the output of a DequantizeLinear."""

    def __init__(self, plan: Plan, grids: Mapping[str, Grid | None], *, is_symmetric: bool) -> None:
        super().__init__(plan, grids)
        self.is_symmetric = is_symmetric
        self._dequantized: dict[str, str] = {}

    def held(self, name: str) -> Held:
        """How a tensor's grid is held."""
        grid = self.grids[name]
        assert grid is not None
        return hold(grid, is_symmetric=self.is_symmetric)

    def scale_and_zero(self, name: str) -> list[str]:
        """Names of a tensor's scale and zero point."""
        held = self.held(name)
        zero = self.constant(f"{name}.zero", held.dtype(held.zero_point))
        return [self.constant(f"{name}.scale", np.float32(held.scale)), zero]

    def offset(self, name: str) -> float:
        """What a tensor's dequantized integers lie below its real values."""
        return 0.0 if self.grids[name] is None else self.held(name).offset

    def real(self, name: str) -> str:
        """The real form of a tensor, its offset added where a step first needs that."""
        if name not in self.reals:
            offset = self.constant(f"{name}.offset", np.float32(self.offset(name)))
            self.reals[name] = self.node("Add", [self._dequantized[name], offset], f"{name}.real")
        return self.reals[name]

    def source(self, name: str) -> tuple[str, float]:
        """A tensor as a step takes it that allows for an offset, and by how much that lies below the real one."""
        if name in self._dequantized:
            return self._dequantized[name], self.offset(name)
        return self.reals[name], 0.0

    def take(self, name: str, integers: str) -> None:
        """Let integers of a tensor's grid be its integer form, and dequantize them.

        Args:
            name: Of the tensor.
            integers: Name of them.
        """
        self.integers[name] = integers
        form = "real" if self.offset(name) == 0 else "dequantized"
        found = self.node("DequantizeLinear", [integers, *self.scale_and_zero(name)], f"{name}.{form}")
        self._dequantized[name] = found
        if form == "real":
            self.reals[name] = found

    def round(self, name: str, real: str, *, offset: float = 0.0) -> None:
        """Give a tensor both forms from floats that don't leave its grid, or only where its integers saturate.

        Args:
            name: Of the tensor.
            real: Name of the floats.
            offset: By how much these lie below the real values.
        """
        if missing := self.offset(name) - offset:
            real = self.node("Sub", [real, self.constant(f"{name}.shift", np.float32(missing))], f"{name}.shifted")
        self.take(name, self.node("QuantizeLinear", [real, *self.scale_and_zero(name)], f"{name}.integers"))

    def padded(self, name: str, source: str, pads: list[int], output: str) -> str:
        """A tensor that has an offset, with the real value 0 around it, which is none of what an operator pads with.

        Quantized and dequantized once more: what follows finds a DequantizeLinear before it, as it needs to be fused.

        Args:
            name: Of the tensor.
            source: Its dequantized integers.
            pads: As the operator Pad takes them.
            output: Name of the result.
        """
        nothing = self.constant(f"{name}.nothing", np.float32(-self.offset(name)))
        operands = [source, self.whole_numbers(f"{output}.pads", pads), nothing]
        wider = self.node("Pad", operands, f"{output}.unrounded")
        integers = self.node("QuantizeLinear", [wider, *self.scale_and_zero(name)], f"{output}.integers")
        return self.node("DequantizeLinear", [integers, *self.scale_and_zero(name)], output)

    def clamp(self, step: Step, real: str, *, offset: float = 0.0) -> str:
        """A step's float output kept on its grid, and at or above 0 with a ReLU, as far as rounding won't do it.

        Args:
            step: Its output has a grid.
            real: Name of the output.
            offset: By how much it lies below the real values.
        """
        held = self.held(step.name)
        low = 0.0 if step.has_relu else held.low
        is_low_kept = held.is_saturating_at(low) and (held.offset != 0 or not step.has_relu)
        if not held.is_saturating_at(held.high):
            ends = {"low": low, "high": held.high}
            limits = [self.constant(f"{step.name}.{end}", np.float32(value - offset)) for end, value in ends.items()]
            return self.node("Clip", [real, *limits], f"{step.name}.clipped")
        if is_low_kept:
            return real
        if low == offset:
            return self.node("Relu", [real], f"{step.name}.clipped")
        least = self.constant(f"{step.name}.low", np.float32(low - offset))
        return self.node("Clip", [real, least], f"{step.name}.clipped")

    def unfused(self, name: str) -> str:
        """The real form of a tensor for a step with float weights: the same numbers, in two operators.

        ONNX Runtime 1.31 by default quantizes float weights of a Conv or Gemm to 8 bits on its own where a
        DequantizeLinear stands before and a QuantizeLinear behind it (its WeightBiasQuantization; 0.92 argmax agreement
        with what was meant); the product between hides them.
        """
        if name not in self.integers:
            return self.reals[name]
        scale, zero = self.scale_and_zero(name)
        steps = self.node("DequantizeLinear", [self.integers[name], self.one(), zero], f"{name}.steps")
        if self.offset(name) == 0:
            return self.node("Mul", [steps, scale], f"{name}.unfused")
        product = self.node("Mul", [steps, scale], f"{name}.below")
        return self.node(
            "Add", [product, self.constant(f"{name}.offset", np.float32(self.offset(name)))], f"{name}.unfused"
        )

    def one(self) -> str:
        """Name of the constant 1."""
        return self.constant("one", np.float32(1))

    def weights_alone(self, name: str, weight: NDArray[Any], scale: NDArray[np.float32], axis: int) -> str:
        """Quantized weights in float for a step whose input isn't quantized: the same numbers, in two operators.

        ONNX Runtime 1.31 by default fuses a dequantized matrix and its product with floats to a kernel that
        quantizes these to 8 bits, too (MatMulNBits).

        Args:
            name: Of the constant.
            weight: int8.
            scale: One dimension.
            axis: Of the weights, which the scales run along.
        """
        operands = [self.constant(name, weight), self.one(), self.constant(f"{name}_zero", np.int8(0))]
        whole = self.node("DequantizeLinear", operands, f"{name}_steps")
        shape = [-1 if place == axis else 1 for place in range(weight.ndim)]
        return self.node("Mul", [whole, self.constant(f"{name}_scale", scale.reshape(shape))], f"{name}_real")

    def dequantized(self, name: str, weight: NDArray[Any], scale: NDArray[np.float32] | None, axis: int) -> str:
        """Weights in float; quantized ones are in the file as int8, with a scale for each place along an axis.

        Args:
            name: Of the constant.
            weight: int8, or float32 without scales.
            scale: One dimension.
            axis: Of the weights.
        """
        constant = self.constant(name, weight)
        if scale is None:
            return constant
        zeros = self.constant(f"{name}_zero", np.zeros(len(scale), np.int8))
        operands = [constant, self.constant(f"{name}_scale", scale), zeros]
        return self.node("DequantizeLinear", operands, f"{name}_real", axis=axis)
