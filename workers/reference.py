"""What an integer network computes, in plain NumPy: the meaning that packed file and ONNX graph must keep.

Every step is done in real numbers (float64) and its output put on its grid, rounding halves to even as ONNX does. Slow
and simple on purpose: it is the oracle of tests and of the verification of an artifact, not a runtime.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from workers.steps import Step

Reals = NDArray[np.float64]


def run_reference(network: IntegerNetwork, x: NDArray[np.uint8] | NDArray[np.float32]) -> Reals:
    """The output of the last step for raw samples `x` (B, *input_shape); the logits (B, outputs) of a whole network."""
    tensors = {"input": take_in(x, network.input)}
    output = tensors["input"]
    for item in network.steps:
        output = compute(item, [tensors[name] for name in item.step.inputs])
        if item.output_grid is not None and item.step.op != "flatten":
            output = on_grid(output, item.output_grid)
        tensors[item.step.name] = output
    return output


def take_in(x: NDArray[np.uint8] | NDArray[np.float32], transform: InputTransform) -> Reals:
    """Raw samples as the real numbers that the first step reads, on the input's grid if there is one."""
    grid = transform.grid
    if grid is not None and transform.dtype == "uint8":
        return np.asarray((x.astype(np.float64) - grid.zero_point) * grid.scale)
    normalized = (x - transform.mean) / transform.deviation  # in float32, as the graph does it
    return normalized.astype(np.float64) if grid is None else on_grid(normalized.astype(np.float64), grid)


def compute(item: IntegerStep, inputs: list[Reals]) -> Reals:
    """One step's real output, (B, *output_shape), before it is put on its grid."""
    output = _operate(item, inputs)
    return np.maximum(output, 0.0) if item.step.has_relu else output


def on_grid(values: Reals, grid: Grid) -> Reals:
    """Each value rounded to the nearest real value of the grid; those beyond its ends become its ends."""
    integers = np.clip(np.rint(values / grid.scale) + grid.zero_point, 0, 2**grid.bits - 1)
    return np.asarray((integers - grid.zero_point) * grid.scale)


def real_weight(item: IntegerStep) -> Reals:
    """The weights as real numbers, shape `item.step.weight_shape`.

    Raises:
        ValueError: if the step has no weights.
    """
    if item.weight is None:
        raise ValueError(f"step {item.step.name!r} ({item.step.op}) has no weights")
    weight = item.weight.astype(np.float64)
    if item.weight_scale is None:
        return weight
    return np.asarray(weight * item.weight_scale.reshape(-1, *[1] * (weight.ndim - 1)))


def _operate(item: IntegerStep, inputs: list[Reals]) -> Reals:
    match item.step.op:
        case "conv":
            return _convolve(inputs[0], real_weight(item), item.step) + _bias(item).reshape(-1, 1, 1)
        case "linear":
            return np.asarray(inputs[0] @ real_weight(item).T + _bias(item))  # (B, in) -> (B, out)
        case "add":
            return inputs[0] + inputs[1]
        case "global_pool":
            return np.asarray(inputs[0].mean(axis=(2, 3)))  # (B, C, H, W) -> (B, C)
        case "flatten":
            return inputs[0].reshape(len(inputs[0]), -1)


def _bias(item: IntegerStep) -> Reals:
    return np.zeros(item.step.output_shape[0]) if item.bias is None else item.bias.astype(np.float64)


def _convolve(x: Reals, weight: Reals, step: Step) -> Reals:
    """Cross-correlation with zero padding kernel // 2: (B, C, H, W) -> (B, out, ceil(H / stride), ceil(W / stride))."""
    pad = step.kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (step.kernel, step.kernel), axis=(2, 3))
    windows = windows[:, :, :: step.stride, :: step.stride]  # (B, C, H', W', k, k)
    batch, _, height, breadth, *_ = windows.shape
    grouped = windows.reshape(batch, step.groups, -1, height, breadth, step.kernel**2).transpose(1, 0, 3, 4, 2, 5)
    columns = grouped.reshape(step.groups, batch * height * breadth, -1)  # (g, B x H' x W', C / g x k x k)
    kernels = weight.reshape(step.groups, len(weight) // step.groups, -1).transpose(0, 2, 1)
    output = columns @ kernels  # (g, B x H' x W', out / g)
    image = output.reshape(step.groups, batch, height, breadth, -1).transpose(1, 0, 4, 2, 3)
    return np.asarray(image.reshape(batch, -1, height, breadth))
