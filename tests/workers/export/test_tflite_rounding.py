"""Factors and biases by which kernels that round once or twice give the network's own integers."""

import numpy as np
import pytest
from gasearch_workers.export.tflite_rounding import limited, round_once, round_twice, round_weights, sum_ranges
from gasearch_workers.network.integer import Grid

KERNELS = (round_once, round_twice)


def layer(rng, *, bits, source_bits=4, output_bits=4, inputs=24, outputs=16):
    half = 2 ** (bits - 1)
    weight = rng.integers(-half, half, (outputs, inputs)).astype(np.int8)
    scale = rng.uniform(0.02, 0.1, outputs)
    source = Grid(scale=0.11, zero_point=0, bits=source_bits)
    values = np.abs(weight @ rng.integers(0, 2**source_bits, (inputs, 200))) * scale[:, None] * source.scale
    output = Grid(scale=float(values.max()) / 2**output_bits, zero_point=0, bits=output_bits)
    bias = rng.normal(scale=0.2 * values.max(), size=outputs)
    return weight, scale, bias, source, output


def mismatches(made, rounded, truth):
    """Share of integers, of random inputs, that a kernel gives and that aren't the nearest ones."""
    weight, scale, bias, source, output = truth
    integers, fine, biases = made
    x = np.random.default_rng(9).integers(0, 2**source.bits, (weight.shape[1], 4000))
    real = weight.astype(int) @ x * (scale * source.scale)[:, None] + bias[:, None]
    sums = integers.astype(int) @ x + biases[:, None]
    found = rounded(sums.astype(float), (source.scale * fine / output.scale)[:, None])
    top = 2**output.bits - 1
    return float((np.clip(found, 0, top) != np.clip(np.rint(real / output.scale), 0, top)).mean())


@pytest.mark.parametrize("rounded", KERNELS)
@pytest.mark.parametrize(("bits", "most"), [(2, 1e-4), (3, 2e-3), (4, 5e-3), (8, 2e-2)])
def test_few_bit_weights_give_the_nearest_integers(rounded, bits, most):
    truth = layer(np.random.default_rng(bits), bits=bits)
    weight, scale, bias, source, output = truth
    made = round_weights(weight, scale, bias / source.scale, source, output)
    assert mismatches(made, rounded, truth) <= most


def test_weights_stay_the_same_up_to_a_factor():
    weight, scale, bias, source, output = layer(np.random.default_rng(0), bits=3)
    integers, fine, biases = round_weights(weight, scale, bias / source.scale, source, output)
    assert (integers.dtype, biases.dtype) == (np.int8, np.int32)
    assert np.abs(integers.astype(int)).max() <= 127
    assert integers * fine[:, None] == pytest.approx(weight * scale[:, None])
    assert biases * fine * source.scale == pytest.approx(bias, abs=2.5 * float((fine * source.scale).max()))


def test_binary_weights_take_any_factor():
    rng = np.random.default_rng(1)
    weight, scale, bias, source, output = layer(rng, bits=1)
    weight = np.where(rng.random(weight.shape) < 0.5, -7, 7).astype(np.int8)
    integers, fine, _ = round_weights(weight, scale, bias / source.scale, source, output)
    assert (np.abs(integers).max(axis=1) >= 64).all()
    assert integers * fine[:, None] == pytest.approx(weight * scale[:, None])


def test_a_channel_without_weights_keeps_its_bias():
    weight, scale, bias, source, output = layer(np.random.default_rng(2), bits=4)
    weight[3], scale[5] = 0, 1e-12
    integers, fine, biases = round_weights(weight, scale, bias / source.scale, source, output)
    assert (integers[3] == 0).all()
    for channel in (3, 5):
        assert biases[channel] * fine[channel] * source.scale == pytest.approx(bias[channel], abs=0.05)


def test_no_weight_is_below_what_kernels_for_arm_can_add_in_pairs():
    assert limited(np.array([-128, -127, 5, 127], np.int8)).tolist() == [-127, -127, 5, 127]


def test_sums_range_over_all_inputs_of_the_grid():
    weight = np.array([[1, -2], [3, 4]], np.int8)
    lows, highs = sum_ranges(weight, Grid(scale=1.0, zero_point=1, bits=2))  # inputs -1 to 2
    assert (lows.tolist(), highs.tolist()) == ([-5, -7], [4, 14])


def test_the_second_rounding_lifts_what_lies_just_below_the_half():
    sums, ratio = np.array([5.0, 6.0, -5.0]), np.array(0.27)  # 1.35, 1.62; first in steps of 2 sums of 0.54
    assert round_once(sums, ratio).tolist() == [1, 2, -1]
    assert round_twice(sums, ratio).tolist() == [2, 2, -2]
    assert round_twice(np.array([3.0]), np.array(2.5)).tolist() == [8]
