"""A trained network in its deployment form: integer weights and the scales that give them meaning.

Real value = scale x (integer - zero_point). Normalization is folded in. `modules.lower` reads it off a trained
module; the packed file and the ONNX graph are written from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.network.steps import INPUT, Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The integer grid of an activation tensor, held in uint8 (a signed tensor has its zero point in the middle)."""

    scale: float
    zero_point: int
    bits: int  #: 2..8; the integers run from 0 to 2**bits - 1.


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTransform:
    """How a raw sample becomes the network's input: the normalization that the exported graph carries inside.

    uint8 images: the raw byte is already the integer of `grid`, with scale 1 / standard deviation and the rounded mean
    as its zero point; `mean` and `deviation` hold those two numbers once. Float tables: (x - mean) / deviation per
    feature, then quantized to `grid`. Codes are no part of it: of a table's columns the first `len(mean)` are numbers.
    """

    dtype: str  #: "uint8" (images), "float32" (tables) or "int32" (tokens and ids): the data as the file holds it.
    mean: NDArray[np.float32]  #: Shape (1,) for images, (numeric columns,) for tables, (0,) for tokens and ids.
    deviation: NDArray[np.float32]  #: Same shape as `mean`, greater than 0.
    grid: Grid | None  #: None: the network takes float.


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerStep:
    """One step with its numbers; `weight` is None for steps without parameters."""

    step: Step
    #: Shape `step.weight_shape`; float at 32 bits. Binary weights (1 bit) are -1 and 1, pruned ones of any bits 0.
    weight: NDArray[np.int8] | NDArray[np.float32] | None = None
    weight_scale: NDArray[np.float32] | None = None  #: (step.scales,); None at 32 bits.
    bias: NDArray[np.float32] | None = None  #: (step.biases,), in real values; None for tables of vectors.
    output_grid: Grid | None = None  #: None: float output. See `Step.passes_grid` and `Step.has_weight_grid`.

    def real_weight(self) -> NDArray[np.float64]:
        """The weights as real numbers, shape `step.weight_shape`.

        Raises:
            ValueError: if the step has no weights.
        """
        if self.weight is None:
            raise ValueError(f"step {self.step.name!r} ({self.step.op}) has no weights")
        weight = self.weight.astype(np.float64)
        if self.weight_scale is None:
            return weight
        return np.asarray(weight * self.weight_scale.reshape(-1, *[1] * (weight.ndim - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerNetwork:
    """All steps in order of execution."""

    plan: Plan
    input: InputTransform
    steps: tuple[IntegerStep, ...]

    @property
    def grids(self) -> dict[str, Grid | None]:
        """The grid of each tensor by name, "input" included; None where it is float."""
        grids = {INPUT: self.input.grid}
        for item in self.steps:
            step = item.step
            grids[step.name] = grids[step.inputs[0]] if step.passes_grid else item.output_grid
        return grids


def weight_grid(step: Step, weight_scale: NDArray[np.float32]) -> Grid:
    """The grid of a quantized embedding's output: its integers are the table's, see `Step.has_weight_grid`."""
    bits = max(step.weight_bits, 2)
    zero_point = 1 if step.weight_bits == 1 else 2 ** (bits - 1)
    return Grid(scale=float(weight_scale[0]), zero_point=zero_point, bits=bits)
