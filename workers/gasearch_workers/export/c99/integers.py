"""What the C file computes, in NumPy: the same integers for every sample, and the same floats in the end.

The rule is that of `fixed_point`. The expected outputs in `vectors.h` come from here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.c99.fixed_point import Whole, grid_of, rescaling, summation, table_zero
from gasearch_workers.export.c99.sequence_rules import (
    attention_rules,
    gru_rules,
    normalization_rules,
    run_attention,
    run_gru,
    run_layer_norm,
)
from gasearch_workers.network.integer import Grid, InputTransform, IntegerNetwork, IntegerStep
from gasearch_workers.network.steps import CODES, INPUT, PADDING, UNKNOWN, Plan, Step

BATCH = 64  #: Samples at once: windows of a convolution take many times an image's memory.


def run_integers(network: IntegerNetwork, x: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of raw samples (B, *input_shape): float32 (B, *output_shape).

    Raises:
        ValueError: if a tensor before the last step is float, or a code of a table or an id is beyond its column.
    """
    parts = [_run(network, x[start : start + BATCH]) for start in range(0, len(x), BATCH)]
    return np.concatenate([np.zeros((0, *network.plan.steps[-1].output_shape), np.float32), *parts])


def quantize(numbers: NDArray[np.float32], transform: InputTransform) -> Whole:
    """The integers of a table's numbers (B, columns), halves to even; NaN as what is far below."""
    grid = grid_of({INPUT: transform.grid}, INPUT)
    with np.errstate(all="ignore"):
        steps = (numbers - transform.mean) / input_steps(transform)  # float32 throughout
    steps = np.where(steps > -512, np.minimum(steps, 512), -512)
    return np.asarray(np.clip(np.rint(steps).astype(np.int64) + grid.zero_point, 0, 2**grid.bits - 1))


def input_steps(transform: InputTransform) -> NDArray[np.float32]:
    """What one step of the input's grid is in each column's own unit: (columns,)."""
    scale = grid_of({INPUT: transform.grid}, INPUT).scale
    return np.maximum(transform.deviation.astype(np.float64) * scale, np.finfo(np.float32).tiny).astype(np.float32)


def trace(network: IntegerNetwork, x: NDArray[Any]) -> dict[str, Whole]:
    """The integers of every tensor of raw samples (B, *input_shape), by name; of the last step those of its unit."""
    tensors, grids = _take_in(network, x), network.grids
    for item in network.steps:
        tensors[item.step.name] = _operate(item, tensors, grids)
    return tensors


def _run(network: IntegerNetwork, x: NDArray[Any]) -> NDArray[np.float32]:
    last = network.steps[-1]
    outputs = trace(network, x)[last.step.name].astype(np.float32)
    return outputs * np.float32(rescaling(last, network.grids).unit)


def _take_in(network: IntegerNetwork, x: NDArray[Any]) -> dict[str, Whole]:
    plan, tensors = network.plan, {}
    if plan.input_kind == "image":
        tensors[INPUT] = x.astype(np.int64)
    elif plan.numbers:
        tensors[INPUT] = quantize(x[:, : plan.numbers].astype(np.float32), network.input)
    if plan.categories:
        tensors[CODES] = _codes(x, plan)
    return tensors


def _codes(x: NDArray[Any], plan: Plan) -> Whole:
    """The codes among raw samples: (B, *plan.codes_shape)."""
    if plan.input_kind == "tokens":
        return x.astype(np.int64)
    codes = x[:, plan.numbers :]
    if not ((codes >= 0) & (codes < np.array(plan.categories))).all():
        raise ValueError(f"codes must lie below {plan.categories}, those of their columns, and not below 0")
    return codes.astype(np.int64)


def _operate(item: IntegerStep, tensors: dict[str, Whole], grids: dict[str, Grid | None]) -> Whole:
    """One step's integers."""
    step, x = item.step, tensors[item.step.inputs[0]]
    if step.op == "embedding":
        return _embed(item, x)
    if step.passes_grid:
        return _move(step, tensors, grid_of(grids, step.inputs[0]).zero_point)
    real = [tensors[name] - grid_of(grids, name).zero_point for name in step.inputs if name != CODES]
    match step.op:
        case "concat":
            parts = [summation(item, grids, (name,)).apply(part) for name, part in zip(step.inputs, real, strict=True)]
            return np.concatenate(parts, axis=1)
        case "add":
            return summation(item, grids, step.inputs).apply(*real)
        case "position":
            return summation(item, grids, step.inputs).apply(real[0], _weight(item)[None])
        case "gru":
            return run_gru(item, real[0], _present(tensors[CODES]), gru_rules(item, grids))
        case "attention":
            return run_attention(item, real[0], _present(tensors[CODES]), attention_rules(item, grids))
        case "layer_norm":
            return run_layer_norm(x, normalization_rules(item, grids))
        case "mean_tokens":
            return _mean_tokens(item, real[0], _present(tensors[CODES]), grids)
    channels_last = rescaling(item, grids).apply(_sums(item, real))
    return channels_last.transpose(0, 3, 1, 2) if step.op == "conv" else channels_last


def _sums(item: IntegerStep, real: list[Whole]) -> Whole:
    """Exact sums, the channels last."""
    match item.step.op:
        case "conv":
            return _convolve(real[0], _weight(item), item.step)
        case "linear":
            return np.asarray(real[0] @ _weight(item).T)  # (B, ..., in) -> (B, ..., out)
        case "global_pool":
            return np.asarray(real[0].sum(axis=(2, 3)))  # (B, C, H, W) -> (B, C)
        case "product":
            return real[0] * real[1]
        case op:
            raise ValueError(f"the C file has no {op} (step {item.step.name})")


def _weight(item: IntegerStep) -> Whole:
    assert item.weight is not None
    return item.weight.astype(np.int64)


def _convolve(x: Whole, weight: Whole, step: Step) -> Whole:
    """Cross-correlation, zero padding kernel // 2: (B, C, H, W) -> (B, ceil(H / stride), ceil(W / stride), out)."""
    pad = step.kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (step.kernel, step.kernel), axis=(2, 3))
    windows = windows[:, :, :: step.stride, :: step.stride]  # (B, C, H', W', k, k)
    outputs, inputs = len(weight) // step.groups, weight.shape[1]
    parts = [
        np.tensordot(
            windows[:, group * inputs : (group + 1) * inputs],
            weight[group * outputs : (group + 1) * outputs],
            axes=((1, 4, 5), (1, 2, 3)),
        )
        for group in range(step.groups)
    ]  # each (B, H', W', out / groups)
    return np.concatenate(parts, axis=-1)


# --- steps that move values -------------------------------------------------------------------------------------


def _move(step: Step, tensors: dict[str, Whole], zero: int) -> Whole:
    x = tensors[step.inputs[0]]
    match step.op:
        case "flatten":
            return x.reshape(len(x), -1)
        case "max_pool":
            batch, channels, height, width = x.shape
            x = np.pad(x, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)))  # no integer is below 0
            return np.asarray(x.reshape(batch, channels, -(-height // 2), 2, -(-width // 2), 2).max(axis=(3, 5)))
        case "window":
            pad, tokens = step.kernel // 2, x.shape[1]
            padded = np.pad(x, ((0, 0), (pad, step.kernel - 1 - pad), (0, 0)), constant_values=zero)
            return np.concatenate([padded[:, at : at + tokens] for at in range(step.kernel)], axis=-1)
        case "max_tokens":
            return np.asarray(np.where(_present(tensors[CODES])[:, :, None], x, zero).max(axis=1))
        case op:
            raise ValueError(f"the C file has no {op} (step {step.name})")


def _embed(item: IntegerStep, codes: Whole) -> Whole:
    step = item.step
    column = codes if step.column < 0 else codes[..., step.column]
    if len(step.output_shape) == 2:
        is_known = (column >= 0) & (column < step.rows)
        column = np.where(is_known, column, min(UNKNOWN, step.rows - 1))
    return _weight(item)[column] + table_zero(item)


def _present(codes: Whole) -> NDArray[np.bool_]:
    """Which tokens are no padding: (B, T)."""
    words = codes[..., 0] if codes.ndim == 3 else codes
    return np.asarray(words != PADDING)


def _mean_tokens(item: IntegerStep, x: Whole, present: NDArray[np.bool_], grids: dict[str, Grid | None]) -> Whole:
    """The mean over the tokens that are there: the sum's multiple divided by their number, halves up."""
    rule = rescaling(item, grids)
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)  # (B, 1)
    product = np.where(present[:, :, None], x, 0).sum(axis=1) * rule.multipliers
    divisor = count << (rule.first + rule.second)
    return np.asarray(np.clip((product + (divisor >> 1)) // divisor + rule.zero, rule.low, rule.high))
