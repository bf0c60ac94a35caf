"""The reference's operations on codes and sequences, in NumPy float64; `network.steps.OPERATIONS` defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gasearch_workers.network.steps import MASKED_SCORE, PADDING, UNKNOWN, Step
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


def present_tokens(codes: Codes) -> Mask:
    """Which tokens are there, (B, T): their code, of the first column, is no padding."""
    words = codes[..., 0] if codes.ndim == 3 else codes
    return np.asarray(words != PADDING)


def embed(codes: Codes, table: Reals, step: Step) -> Reals:
    """A row of the table (rows, features) for each code: (B, T, features) of tokens, else (B, features).

    Tokens that have no row take that of the unknown.
    """
    column = codes if step.column < 0 else codes[..., step.column]
    if len(step.output_shape) == 2:
        column = np.where(column < step.rows, column, min(UNKNOWN, step.rows - 1))
    return np.asarray(table[column])


def window(x: Reals, kernel: int) -> Reals:
    """Each token with its neighbours, earliest first, zeros outside: (B, T, C) -> (B, T, kernel x C)."""
    pad, tokens = kernel // 2, x.shape[1]
    padded = np.pad(x, ((0, 0), (pad, kernel - 1 - pad), (0, 0)))
    return np.concatenate([padded[:, at : at + tokens] for at in range(kernel)], axis=-1)


def gru(x: Reals, weight: Reals, bias: Reals, present: Mask) -> Reals:
    """A GRU forward and one backward over the tokens that are there: (B, T, C) -> (B, T, 2 x H), zeros at padding.

    Args:
        x: The sequence.
        weight: (6 x H, C + H); the rows are the gates reset, update, new of both directions.
        bias: (6 x H,); that of the new gate stands outside of the product with the reset gate.
        present: (B, T); padding stands at the end.
    """
    forward, backward = (
        _gru_direction(x, part, offset, present, is_backward=is_backward)
        for part, offset, is_backward in zip(np.split(weight, 2), np.split(bias, 2), (False, True), strict=True)
    )
    return np.concatenate([forward, backward], axis=-1)


def _gru_direction(x: Reals, weight: Reals, bias: Reals, present: Mask, *, is_backward: bool) -> Reals:
    """One direction, (B, T, C) -> (B, T, H): the state stands still where there is no token."""
    batch, tokens, channels = x.shape
    hidden = len(bias) // 3
    gates = x @ weight[:, :channels].T + bias  # (B, T, 3 x H)
    recurrent = weight[:, channels:].T  # (H, 3 x H)
    state = np.zeros((batch, hidden))
    output = np.zeros((batch, tokens, hidden))
    for at in reversed(range(tokens)) if is_backward else range(tokens):
        reset_in, update_in, new_in = np.split(gates[:, at], 3, axis=1)
        reset_state, update_state, new_state = np.split(state @ recurrent, 3, axis=1)
        reset, update = _sigmoid(reset_in + reset_state), _sigmoid(update_in + update_state)
        new = np.tanh(new_in + reset * new_state)
        is_there = present[:, at, None]
        state = np.where(is_there, (1 - update) * new + update * state, state)
        output[:, at] = np.where(is_there, state, 0.0)
    return output


def attention(x: Reals, heads: int, present: Mask) -> Reals:
    """Scaled dot products of queries, keys and values side by side, each heads x size: (B, T, 3 x A) -> (B, T, A)."""
    batch, tokens, width = x.shape
    size = width // 3 // heads
    parts = x.reshape(batch, tokens, 3, heads, size).transpose(2, 0, 3, 1, 4)
    queries, keys, values = parts  # each (B, heads, T, size)
    scores = queries @ keys.swapaxes(2, 3) / np.sqrt(size)  # (B, heads, T, T)
    scores = np.where(present[:, None, None, :], scores, MASKED_SCORE)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.asarray((weights @ values).transpose(0, 2, 1, 3).reshape(batch, tokens, -1))


def mean_tokens(x: Reals, present: Mask) -> Reals:
    """Mean over the tokens that are there, zeros where none is: (B, T, C) -> (B, C)."""
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)  # (B, 1)
    return np.asarray(np.where(present[:, :, None], x, 0.0).sum(axis=1) / count)


def max_tokens(x: Reals, present: Mask) -> Reals:
    """Largest over the tokens that are there, zeros where none is: (B, T, C) of values of at least 0 -> (B, C)."""
    return np.asarray(np.where(present[:, :, None], x, 0.0).max(axis=1))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
