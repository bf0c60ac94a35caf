"""What an integer network computes, in plain NumPy: the meaning that packed file and ONNX graph must keep.

Every step is done in real numbers (float64) and its output put on its grid, rounding halves to even as ONNX does. Slow
and simple on purpose.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import CODES, INPUT, LAYER_NORM_EPSILON, OPERATIONS, Plan, Step
from numpy.typing import NDArray

from tests.workers.export import reference_sequences as sequences

Reals = NDArray[np.float64]
Codes = NDArray[np.int64]


def run_reference(network: IntegerNetwork, x: NDArray[Any]) -> Reals:
    """The output of the last step for raw samples `x` (B, *input_shape).

    Of a whole network these are the logits (B, outputs), of a tagger (B, tokens, tags), or the prediction (B, 1).
    """
    tensors = take_in_all(x, network)
    output = next(iter(tensors.values()))
    for item in network.steps:
        output = compute(item, [tensors[name] for name in item.step.inputs])
        if item.output_grid is not None and not item.step.passes_grid:
            output = on_grid(output, item.output_grid)
        tensors[item.step.name] = output
    return np.asarray(output, np.float64)


def take_in_all(x: NDArray[Any], network: IntegerNetwork) -> dict[str, NDArray[Any]]:
    """The tensors "input" and "codes" of raw samples, as far as the network has them."""
    tensors: dict[str, NDArray[Any]] = {}
    if network.plan.numbers:
        tensors[INPUT] = take_in(x, network.input)
    if network.plan.categories:
        tensors[CODES] = codes_of(x, network.plan)
    return tensors


def take_in(x: NDArray[Any], transform: InputTransform) -> Reals:
    """Raw samples as the real numbers that the first step reads, on the input's grid if there is one."""
    grid = transform.grid
    if grid is not None and transform.dtype == "uint8":
        return np.asarray((x.astype(np.float64) - grid.zero_point) * grid.scale)
    numbers = x if transform.dtype == "uint8" else x[:, : len(transform.mean)]
    normalized = (numbers - transform.mean) / transform.deviation  # in float32, as the graph does it
    return normalized.astype(np.float64) if grid is None else on_grid(normalized.astype(np.float64), grid)


def codes_of(x: NDArray[Any], plan: Plan) -> Codes:
    """The codes among raw samples, (B, *plan.codes_shape)."""
    return x[:, plan.numbers :].astype(np.int64) if plan.input_kind == "table" else x.astype(np.int64)


def compute(item: IntegerStep, inputs: list[NDArray[Any]]) -> Reals:
    """One step's real output, (B, *output_shape), before it is put on its grid.

    Args:
        item: The step.
        inputs: The tensors that it reads: reals, or codes (B, columns), (B, tokens) or (B, tokens, columns).
    """
    output = _operate(item, inputs)
    return np.maximum(output, 0.0) if item.step.has_relu else output


def on_grid(values: Reals, grid: Grid) -> Reals:
    """Each value rounded to the nearest real value of the grid; those beyond its ends become its ends."""
    integers = np.clip(np.rint(values / grid.scale) + grid.zero_point, 0, 2**grid.bits - 1)
    return np.asarray((integers - grid.zero_point) * grid.scale)


def _operate(item: IntegerStep, inputs: list[NDArray[Any]]) -> Reals:
    step, x = item.step, inputs[0]
    present = sequences.present_tokens(inputs[-1]) if OPERATIONS[step.op].is_masked else np.ones((1, 1), bool)
    match step.op:
        case "conv":
            return _convolve(x, item.real_weight(), step) + _bias(item).reshape(-1, 1, 1)
        case "linear":
            return np.asarray(x @ item.real_weight().T + _bias(item))  # (B, ..., in) -> (B, ..., out)
        case "add":
            return np.asarray(x + inputs[1])
        case "product":
            return np.asarray(x * inputs[1])
        case "concat":
            return np.concatenate(inputs, axis=-1)
        case "global_pool":
            return np.asarray(x.mean(axis=(2, 3)))  # (B, C, H, W) -> (B, C)
        case "flatten":
            return x.reshape(len(x), -1)
        case "max_pool":
            return _max_pool(x)
        case "embedding":
            return sequences.embed(x, item.real_weight(), step)
        case "position":
            return np.asarray(x + item.real_weight())  # (B, T, C) + (T, C)
        case "window":
            return sequences.window(x, step.kernel)
        case "gru":
            return sequences.gru(x, item.real_weight(), _bias(item), present)
        case "attention":
            return sequences.attention(x, step.heads, present)
        case "layer_norm":
            centred = x - x.mean(axis=-1, keepdims=True)
            variance = np.square(centred).mean(axis=-1, keepdims=True)
            return np.asarray(centred / np.sqrt(variance + LAYER_NORM_EPSILON) * item.real_weight() + _bias(item))
        case "mean_tokens":
            return sequences.mean_tokens(x, present)
        case "max_tokens":
            return sequences.max_tokens(x, present)


def _bias(item: IntegerStep) -> Reals:
    return np.zeros(item.step.biases) if item.bias is None else item.bias.astype(np.float64)


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


def _max_pool(x: Reals) -> Reals:
    """Largest of each 2 x 2 square; those at an odd side's end have fewer: (B, C, H, W) -> (B, C, H', W')."""
    batch, channels, height, breadth = x.shape
    x = np.pad(x, ((0, 0), (0, 0), (0, height % 2), (0, breadth % 2)), constant_values=-np.inf)
    squares = x.reshape(batch, channels, x.shape[2] // 2, 2, x.shape[3] // 2, 2)
    return np.asarray(squares.max(axis=(3, 5)))
