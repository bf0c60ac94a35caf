"""The whole numbers of the steps that need an exponential or a root: GRU, attention, layer normalization.

Exponents are in steps of 2**-20 of the base 2 (log2(e) is folded into the multipliers), powers in steps of 2**-30, the
states of a GRU in steps of 2**-15, means in an attention in steps of 2**-12 of its input's. 2**-x between 0 and 1 is a
polynomial of degree 5 (Chebyshev; error 6e-8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.export.c99.fixed_point import Rescaling, Whole, grid_of, to_grid, to_steps
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import LAYER_NORM_EPSILON, Step

EXPONENT_BITS, POWER_BITS, STATE_BITS, MEAN_BITS = 20, 30, 15, 12
POLYNOMIAL: Final = (1073741764, -744256774, 257890191, -59375904, 9888282, -1016701)  #: In steps of 2**-30.
LIMIT: Final = 2**29  #: Of an exponent: 512, far beyond what makes a difference.
LARGEST_EPSILON: Final = 2**61
_LOG2E: Final = math.log2(math.e)


@dataclass(frozen=True, slots=True, kw_only=True)
class GruRules:
    """See `gru.c`; rows are the gates of one unit after the other: reset, update, new."""

    gates: Rescaling  #: From the inputs' sums to exponents.
    state_multipliers: Whole  #: From the states' sums, without a bias.
    state_shift: int
    states: Rescaling  #: From states to the output.


def gru_rules(item: IntegerStep, grids: Mapping[str, Grid | None]) -> GruRules:
    """The rules of a GRU."""
    step, scale, bias = item.step, item.weight_scale, item.bias
    assert scale is not None and bias is not None  # noqa: PT018
    exponents = gate_rows(scale.astype(np.float64), step) * _LOG2E * 2.0**EXPONENT_BITS
    biases = gate_rows(bias.astype(np.float64), step) * _LOG2E * 2.0**EXPONENT_BITS
    of_states = to_steps(exponents * 2.0**-STATE_BITS, np.zeros(1))
    return GruRules(
        gates=to_steps(exponents * grid_of(grids, step.inputs[0]).scale, biases),
        state_multipliers=of_states.multipliers,
        state_shift=of_states.first,
        states=to_grid(np.array([2.0**-STATE_BITS]), np.zeros(1), item),
    )


def gate_rows(values: NDArray[Any], step: Step) -> NDArray[Any]:
    """Rows (6 x H, ...) in the order reset, update, new of the first unit, then of the next, then backward."""
    return values.reshape(2, 3, step.width, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRules:
    """See `attention.c`."""

    scores: Rescaling  #: From products' distance to the largest to exponents.
    means: Rescaling  #: From means to the output.


def attention_rules(item: IntegerStep, grids: Mapping[str, Grid | None]) -> AttentionRules:
    """The rules of an attention."""
    scale, size = grid_of(grids, item.step.inputs[0]).scale, item.step.channels // item.step.heads
    ratio = scale**2 / math.sqrt(size) * _LOG2E * 2.0**EXPONENT_BITS
    return AttentionRules(
        scores=to_steps(np.array([ratio]), np.zeros(1)),
        means=to_grid(np.array([scale * 2.0**-MEAN_BITS]), np.zeros(1), item),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizationRules:
    """See `layer_norm.c`."""

    rescaling: Rescaling  #: From normalized values to the output.
    epsilon: int  #: Added to the sum of squares, in steps of 2**-bits.
    bits: int  #: Even: the root is in steps of 2**-(bits / 2).


def normalization_rules(item: IntegerStep, grids: Mapping[str, Grid | None]) -> NormalizationRules:
    """The rules of a layer normalization."""
    channels, scale = item.step.channels, grid_of(grids, item.step.inputs[0]).scale
    assert item.weight is not None and item.bias is not None  # noqa: PT018
    ratios = item.weight.astype(np.float64) * math.sqrt(channels) * 2.0**-POWER_BITS
    epsilon = LAYER_NORM_EPSILON * channels**3 / scale**2
    room = 60 - (channels**3 * 2**16 + math.ceil(min(epsilon, 2.0**100))).bit_length()
    bits = min(max(room - room % 2, 0), POWER_BITS)
    stored = min(epsilon * 2**bits, LARGEST_EPSILON)  # less where it is all that counts: the input is (nearly) dead
    return NormalizationRules(
        rescaling=to_grid(ratios * math.sqrt(stored / (epsilon * 2**bits)), item.bias.astype(np.float64), item),
        epsilon=max(round(stored), 1),
        bits=bits,
    )


# --- what they compute --------------------------------------------------------------------------------------------


def run_gru(item: IntegerStep, x: Whole, present: NDArray[np.bool_], rules: GruRules) -> Whole:
    """The integers of a GRU: (B, T, C) minus the zero point -> (B, T, 2 x H).

    Args:
        item: The step.
        x: Its input.
        present: Which tokens are no padding, (B, T).
        rules: Its rules.
    """
    assert item.weight is not None
    (batch, tokens, channels), units = x.shape, item.step.width
    rows = gate_rows(item.weight.astype(np.int64), item.step)
    output = np.zeros((batch, tokens, 2 * units), np.int64)
    inputs = np.clip(rules.gates.apply(x @ rows[:, :channels].T), -LIMIT, LIMIT)  # (B, T, 6 x H)
    for direction in range(2):
        own = slice(3 * units * direction, 3 * units * (direction + 1))
        states = np.zeros((batch, units), np.int64)
        for token in reversed(range(tokens)) if direction else range(tokens):
            sums = states @ rows[own, channels:].T  # (B, 3 x H)
            before = np.clip(sums * rules.state_multipliers[own] >> rules.state_shift, -LIMIT, LIMIT)
            is_there = present[:, token, None]
            states = np.where(is_there, _next_states(inputs[:, token, own], before, states), states)
            output[:, token, units * direction : units * (direction + 1)] = np.where(is_there, states, 0)
    return rules.states.apply(output)


def _next_states(inputs: Whole, before: Whole, states: Whole) -> Whole:
    """Of exponents (B, 3 x H): (B, H)."""
    reset, update = (sigmoid(inputs[:, gate::3] + before[:, gate::3]) for gate in range(2))
    candidate = np.clip(inputs[:, 2::3] + (reset * before[:, 2::3] >> POWER_BITS), -LIMIT, LIMIT)
    candidate = 2 * sigmoid(2 * candidate) - (1 << POWER_BITS)  # a hyperbolic tangent
    candidate = candidate + (1 << 14) >> POWER_BITS - STATE_BITS
    mixed = ((1 << POWER_BITS) - update) * candidate + update * states
    return np.asarray(mixed + (1 << 29) >> POWER_BITS)


def run_attention(item: IntegerStep, x: Whole, present: NDArray[np.bool_], rules: AttentionRules) -> Whole:
    """The integers of an attention: (B, T, 3 x A) minus the zero point -> (B, T, A).

    Args:
        item: The step.
        x: Its input.
        present: Which tokens are no padding, (B, T).
        rules: Its rules.
    """
    (batch, tokens, width), heads = x.shape, item.step.heads
    queries, keys, values = x.reshape(batch, tokens, 3, heads, width // 3 // heads).transpose(2, 0, 3, 1, 4)
    products = queries @ keys.swapaxes(2, 3)  # (B, heads, T, T)
    is_key = present[:, None, None, :]
    largest = np.where(is_key, products, np.iinfo(np.int64).min).max(axis=-1, keepdims=True)
    distance = np.where(is_key, largest - products, 0)
    weights = np.where(is_key, power(np.minimum(rules.scores.apply(distance), LIMIT)), 0)
    weights = np.where(is_key.any(axis=-1, keepdims=True), weights, 1 << POWER_BITS)
    means = (weights @ values << MEAN_BITS) // weights.sum(axis=-1, keepdims=True)
    return rules.means.apply(means.transpose(0, 2, 1, 3).reshape(batch, tokens, -1))


def run_layer_norm(x: Whole, rules: NormalizationRules) -> Whole:
    """The integers of a layer normalization: (B, ..., C) -> the same."""
    distance = x.shape[-1] * x - x.sum(axis=-1, keepdims=True)
    square = (np.square(distance).sum(axis=-1, keepdims=True) << rules.bits) + rules.epsilon
    shift = np.full_like(square, 31 - rules.bits // 2)
    while (is_small := (square < 1 << 60) & (shift > 0)).any():
        square, shift = np.where(is_small, square * 4, square), shift - is_small
    root = np.vectorize(math.isqrt, otypes=[np.int64])(square)
    return rules.rescaling.apply(distance * ((1 << 61) // root) >> shift)


def sigmoid(exponents: Whole) -> Whole:
    """1 / (1 + 2**-x), in steps of 2**-30."""
    positive = (1 << 2 * POWER_BITS) // ((1 << POWER_BITS) + power(np.abs(exponents)))
    return np.where(exponents < 0, (1 << POWER_BITS) - positive, positive)


def power(exponents: Whole) -> Whole:
    """2**-x of exponents of at least 0, in steps of 2**-30."""
    rest = (exponents & (1 << EXPONENT_BITS) - 1) << POWER_BITS - EXPONENT_BITS
    total = np.full_like(rest, POLYNOMIAL[-1])
    for coefficient in POLYNOMIAL[-2::-1]:
        total = coefficient + (total * rest >> POWER_BITS)
    whole = exponents >> EXPONENT_BITS
    return np.where(whole > POWER_BITS, 0, total >> np.minimum(whole, POWER_BITS))
