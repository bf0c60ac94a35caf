"""A TFLite file in the making, and the forms in which each tensor of a network is in it.

A tensor has an integer form (int8: our uint8 minus 128), where it has a grid, and a real one (float32); each is made
when a step first asks for it. Images are (height, width, channels) here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from gasearch_workers.export.onnx_builder import output_name
from gasearch_workers.export.tflite_builder import Quantization, TfliteBuilder
from gasearch_workers.export.tflite_scales import can_end_by_relu6, is_ended_by_relu6
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import INPUT, Plan, Shape, Step

OFFSET: Final = 128  #: Of our integers from TFLite's.


def channels_last(shape: Shape) -> Shape:
    """The shape of one sample in the file: of an image (C, H, W) -> (H, W, C), others as they are."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def one_scale(scale: float, zero_point: int = 0) -> Quantization:
    """One scale for a whole tensor."""
    return Quantization(scale=np.array([scale], np.float32), zero_point=zero_point)


class TfliteGraph:
    """Collects operators; knows for each tensor its grid, its declared scale and its two forms."""

    def __init__(self, plan: Plan, grids: Mapping[str, Grid | None], scales: Mapping[str, float]) -> None:
        """An empty file.

        Args:
            plan: Of the network.
            grids: Of its tensors.
            scales: See `declared_scales`.
        """
        self.builder = TfliteBuilder()
        self.plan = plan
        self.shapes = {INPUT: channels_last(plan.numbers_shape)}  #: Of one sample in the file.
        self.shapes |= {step.name: channels_last(step.output_shape) for step in plan.steps}
        self.grids, self.scales = grids, scales
        self.raw = -1  #: The tensor of the raw samples.
        self.integers: dict[str, int] = {}
        self.reals: dict[str, int] = {}
        self.tables: dict[str, IntegerStep] = {}  #: Embeddings, whose vectors come on whatever grid they are asked for.

    def grid(self, name: str) -> Grid:
        """The grid of a tensor that has one."""
        grid = self.grids[name]
        assert grid is not None
        return grid

    def quantization(self, name: str) -> Quantization:
        """What the file declares of a tensor's int8."""
        return one_scale(self.scales[name], self.grid(name).zero_point - OFFSET)

    def int8(self, of: str, name: str, shape: Shape) -> int:
        """A new int8 tensor on the grid of the tensor `of`.

        Args:
            of: Whose grid it has.
            name: Its name.
            shape: Of one sample in the file.
        """
        return self.builder.tensor(name, shape, np.int8, self.quantization(of))

    def float32(self, name: str, shape: Shape) -> int:
        """A new tensor of floats."""
        return self.builder.tensor(name, shape, np.float32)

    # --- from one form to the other ---

    def final_name(self, step: Step) -> str:
        """Name of a step's float output: the file's own for the last step."""
        return output_name(self.plan) if step.name == self.plan.steps[-1].name else f"{step.name}.real"

    def real(self, name: str) -> int:
        """The real form of a tensor, dequantized once where it has none yet."""
        if name not in self.reals:
            real = self.float32(f"{name}.real", self.shapes[name])
            self.reals[name] = self.builder.operator("DEQUANTIZE", [self.integers[name]], real, ("Dequantize", {}))
        return self.reals[name]

    def quantize(self, name: str, real: int, shape: Shape) -> None:
        """Give a tensor its integer form from its real one.

        Args:
            name: Of the tensor.
            real: Its real form.
            shape: Of one sample in the file.
        """
        integers = self.int8(name, f"{name}.raw", shape)
        self.builder.operator("QUANTIZE", [real], integers, ("Quantize", {}), version=1)
        self.clamp(name, integers, shape)

    # --- the ends of a grid ---

    def activation(self, step: Step) -> dict[str, int]:
        """What clamps a kernel's output by itself: an option of the operator."""
        grid = self.grid(step.name)
        is_fused = can_end_by_relu6(step, grid.bits, grid.zero_point) and is_ended_by_relu6(
            grid.bits, self.scales[step.name]
        )
        return {"fusedActivationFunction": self.builder.activation("RELU6" if is_fused else "NONE")}

    def clamp(self, name: str, integers: int, shape: Shape, *, has_relu: bool = False, is_done: bool = False) -> None:
        """Keep an int8 tensor on the grid of `name`, and make it its integer form.

        Args:
            name: Of the tensor.
            integers: The int8 tensor.
            shape: Of one sample in the file.
            has_relu: Whether it is to stay at or above the grid's zero point.
            is_done: Whether the kernel has clamped it.
        """
        grid = self.grid(name)
        low, high = grid.zero_point if has_relu else 0, 2**grid.bits - 1
        ends = [] if is_done else [("MAXIMUM", low)] * (low > 0) + [("MINIMUM", high)] * (high < 255)
        for code, end in ends:
            bound = self.builder.constant(
                f"{name}.{code.lower()}", np.array([end - OFFSET], np.int8), self.quantization(name)
            )
            clamped = self.int8(name, f"{name}.{code.lower()}.clamped", shape)
            integers = self.builder.operator(code, [integers, bound], clamped, ("MaximumMinimum", {}))
        self.integers[name] = integers

    # --- moves ---

    def reshape(self, source: int, target: int, shape: Shape) -> int:
        """A tensor's elements in another shape of each sample.

        Args:
            source: The tensor.
            target: The tensor that gets them.
            shape: Of one sample.
        """
        wanted = np.array([-1, *shape], np.int32)
        constant = self.builder.constant(f"shape {shape}", wanted)
        return self.builder.operator("RESHAPE", [source, constant], target, ("Reshape", {"newShape": wanted.tolist()}))
