"""Each operation of the reference against torch's own, or against numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gasearch_workers.network.integer import IntegerStep
from gasearch_workers.network.steps import CODES, LAYER_NORM_EPSILON, OPERATIONS, Step
from torch import nn

from tests.workers.export.reference import compute
from tests.workers.integer_networks import random_blueprint, random_network

RNG = np.random.default_rng(0)
WORDS = np.array([[5, 3, 2, 0], [7, 0, 0, 0], [2, 9, 4, 1]])  #: Three sequences of 3, 1 and 4 tokens.
LENGTHS = (3, 1, 4)


def run(op, x, output_shape, *, codes=WORDS, weight=None, bias=None, **fields):
    """What a float step of that operation gives for `x` (B, ...)."""
    inputs = (CODES,) if op == "embedding" else ("x", *([CODES] if OPERATIONS[op].is_masked else []))
    step = Step(
        name="step",
        op=op,
        inputs=inputs,
        input_shape=x.shape[1:],
        output_shape=output_shape,
        input_bits=32,
        output_bits=32,
        **fields,
    )
    item = IntegerStep(step=step, weight=weight, bias=bias)
    output = compute(item, [x, codes] if OPERATIONS[op].is_masked else [x])
    assert output.shape == (len(x), *output_shape)
    return output


def test_each_code_gives_its_row_and_those_beyond_the_table_the_unknown_ones():
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = run("embedding", np.array([[3, 4, 900, 0]]), (4, 2), weight=table, rows=4)
    np.testing.assert_array_equal(found[0], [[6, 7], [2, 3], [2, 3], [0, 1]])


def test_an_embedding_reads_its_column_of_the_codes():
    table = np.arange(6, dtype=np.float32).reshape(6, 1)
    tokens = np.array([[[5, 2], [4, 1]]])  # (B, T, columns)
    np.testing.assert_array_equal(run("embedding", tokens, (2, 1), weight=table, rows=6, column=1), [[[2], [1]]])
    pair = tokens[0]  # (B, columns)
    np.testing.assert_array_equal(run("embedding", pair, (1,), weight=table, rows=6, column=0), [[5], [4]])


def test_a_window_has_the_earliest_token_first_and_zeros_outside():
    x = np.array([[[1.0, 10], [2, 20], [3, 30]]])
    found = run("window", x, (3, 6), kernel=3)
    np.testing.assert_array_equal(found[0], [[0, 0, 1, 10, 2, 20], [1, 10, 2, 20, 3, 30], [2, 20, 3, 30, 0, 0]])


def test_a_gru_is_torchs_in_both_directions_over_the_tokens_that_are_there():
    channels, hidden = 5, 4
    oracle = nn.GRU(channels, hidden, batch_first=True, bidirectional=True).double()
    nn.init.zeros_(oracle.bias_hh_l0)
    nn.init.zeros_(oracle.bias_hh_l0_reverse)
    x = RNG.normal(size=(3, 4, channels))
    packed = nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(x), torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(oracle(packed)[0], batch_first=True, total_length=4)
    with torch.no_grad():
        directions = [("weight_ih_l0", "weight_hh_l0"), ("weight_ih_l0_reverse", "weight_hh_l0_reverse")]
        weight = torch.cat([torch.cat([getattr(oracle, name) for name in pair], dim=1) for pair in directions])
        bias = torch.cat([oracle.bias_ih_l0, oracle.bias_ih_l0_reverse])
    found = run("gru", x, (4, 2 * hidden), weight=weight.numpy(), bias=bias.numpy())
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-9)


def test_attention_is_torchs_with_padding_masked_as_key():
    heads, size = 2, 3
    x = RNG.normal(size=(3, 4, 3 * heads * size))
    parts = [part.reshape(3, 4, heads, size).swapaxes(1, 2) for part in np.split(x, 3, axis=2)]
    mask = torch.from_numpy((WORDS != 0)[:, None, None, :])
    expected = F.scaled_dot_product_attention(*(torch.from_numpy(part) for part in parts), attn_mask=mask)
    found = run("attention", x, (4, heads * size), heads=heads)
    np.testing.assert_allclose(found, expected.transpose(1, 2).reshape(3, 4, -1).numpy(), atol=1e-12)


def test_attention_to_nothing_but_padding_is_finite():
    x = RNG.normal(size=(1, 2, 3))
    found = run("attention", x, (2, 1), codes=np.zeros((1, 2), int))
    np.testing.assert_allclose(found, np.broadcast_to(x[:, :, 2:].mean(axis=1, keepdims=True), (1, 2, 1)))


def test_a_layer_norm_is_torchs():
    x = RNG.normal(size=(3, 4, 6))
    weight, bias = RNG.normal(size=(2, 6))
    expected = F.layer_norm(
        *map(torch.from_numpy, (x,)), (6,), *map(torch.from_numpy, (weight, bias)), LAYER_NORM_EPSILON
    )
    np.testing.assert_allclose(run("layer_norm", x, (4, 6), weight=weight, bias=bias), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("op", ["mean_tokens", "max_tokens"])
def test_tokens_that_are_not_there_count_for_nothing(op):
    x = RNG.uniform(size=(3, 4, 2))
    over = {"mean_tokens": np.mean, "max_tokens": np.max}[op]
    expected = [over(sample[:length], axis=0) for sample, length in zip(x, LENGTHS, strict=True)]
    np.testing.assert_allclose(run(op, x, (2,)), expected)


@pytest.mark.parametrize("op", ["mean_tokens", "max_tokens"])
def test_a_sequence_of_padding_gives_zeros(op):
    np.testing.assert_array_equal(run(op, np.ones((1, 4, 2)), (2,), codes=np.zeros((1, 4), int)), [[0, 0]])


def test_of_several_codes_per_token_the_first_tells_padding():
    codes = np.array([[[4, 0], [0, 3]]])
    np.testing.assert_array_equal(run("mean_tokens", np.array([[[1.0], [5.0]]]), (1,), codes=codes), [[1]])


@pytest.mark.parametrize(("height", "breadth"), [(6, 4), (5, 7), (1, 1)])
def test_a_max_pool_rounds_odd_sides_up(height, breadth):
    x = RNG.normal(size=(2, 3, height, breadth))
    expected = F.max_pool2d(torch.from_numpy(x), 2, ceil_mode=True).numpy()
    np.testing.assert_array_equal(run("max_pool", x, expected.shape[1:]), expected)


def test_a_linear_layer_takes_each_token_alone():
    x, weight, bias = RNG.normal(size=(3, 4, 5)), RNG.normal(size=(2, 5)), RNG.normal(size=2)
    found = run("linear", x, (4, 2), weight=weight, bias=bias)
    np.testing.assert_allclose(found[1, 2], weight @ x[1, 2] + bias)


def test_a_step_without_weights_that_needs_them_says_so():
    step = random_network(random_blueprint(RNG, family="mlp"), RNG).steps[-1]
    with pytest.raises(ValueError, match=r"step 'head' \(linear\) has no weights"):
        compute(dataclasses.replace(step, weight=None), [np.zeros((1, *step.step.input_shape))])
