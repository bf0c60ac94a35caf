"""Whole numbers of any scales fit 32 bits, and rescale as real numbers do."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.c99.fixed_point import LARGEST, SUM_BITS, rescaling, summation
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import Step

STEP = Step(
    name="x", op="linear", inputs=("input",), input_shape=(4,), output_shape=(3,), input_bits=8, output_bits=8,
    weight_bits=8,
)  # fmt: skip
GRIDS = {"input": Grid(scale=0.02, zero_point=3, bits=8)}


def linear(scale, bias, output=None):
    """A dense layer with these scales and biases."""
    return IntegerStep(
        step=STEP,
        weight=np.full((3, 4), 100, np.int8),
        weight_scale=np.array(scale, np.float32),
        bias=np.array(bias, np.float32),
        output_grid=output,
    )


@pytest.mark.parametrize("output_scale", [1e-8, 1e-3, 0.05, 7.0, 1e9])
@pytest.mark.parametrize("scale", [1e-12, 1e-8, 0.004, 300.0])
@pytest.mark.parametrize("bias", [0.0, 1e-9, -0.3, 4e6])
def test_any_scales_fit_32_bits_and_give_the_nearest_integers(scale, bias, output_scale):
    grid = Grid(scale=output_scale, zero_point=7, bits=8)
    rule = rescaling(linear([scale, scale / 3, scale / 5000], [bias, -bias, 0], grid), GRIDS)
    for values in (rule.multipliers, rule.biases):
        assert np.abs(values).max() <= LARGEST
    assert rule.first >= 0
    assert 0 <= rule.second <= 30
    assert rule.first + rule.second <= 62
    sums = np.random.default_rng(0).integers(-(10**5), 10**5, (200, 3))
    ratios = 0.02 * np.float32([scale, scale / 3, scale / 5000]).astype(np.float64)
    real = (sums * ratios + np.float32([bias, -bias, 0])) / output_scale
    expected = np.clip(np.rint(real) + 7, 0, 255)
    if max(np.abs(bias / output_scale), ratios.max() / output_scale) < 2**31:
        assert np.abs(rule.apply(sums) - expected).max() <= 1


@pytest.mark.parametrize(("scale", "bias"), [(1e-12, 0.0), (0.004, -0.3), (300.0, 4e6)])
def test_floats_are_whole_numbers_of_a_power_of_two(scale, bias):
    rule = rescaling(linear([scale] * 3, [bias] * 3), GRIDS)
    sums = np.random.default_rng(0).integers(-(10**5), 10**5, (200, 3))
    whole = rule.apply(sums)
    real = sums * 0.02 * np.float32(scale).astype(np.float64) + np.float32(bias)
    assert np.abs(whole).max() < 2**30
    assert np.log2(rule.unit) % 1 == 0
    assert np.abs(whole * rule.unit - real).max() <= 1e-6 * np.abs(real).max()


def test_halves_are_rounded_up():
    step = dataclasses.replace(STEP, op="product", inputs=("input", "input"), weight_bits=32)
    item = IntegerStep(step=step, output_grid=Grid(scale=0.0008, zero_point=10, bits=8))
    rule = rescaling(item, GRIDS)  # half an output's step for each product
    assert rule.apply(np.array([1, 2, 3, -1, -3])).tolist() == [11, 11, 12, 10, 9]


@pytest.mark.parametrize("scales", [(1e-9, 1e-9), (0.5, 0.25), (1.0, 1e-9), (1e9, 3e-5)])
def test_sums_of_two_tensors_stay_within_32_bits(scales):
    grids = {"a": Grid(scale=scales[0], zero_point=0, bits=8), "b": Grid(scale=scales[1], zero_point=128, bits=8)}
    step = dataclasses.replace(STEP, op="add", inputs=("a", "b"), weight_bits=32)
    rule = summation(IntegerStep(step=step, output_grid=Grid(scale=1.0, zero_point=9, bits=8)), grids, step.inputs)
    assert max(rule.multipliers) <= 2**SUM_BITS
    assert 2 * 255 * max(rule.multipliers) + (1 << rule.shift >> 1) < 2**31
    a, b = np.arange(256), np.arange(256)[::-1] - 128
    expected = np.clip(np.rint(a * scales[0] + b * scales[1]) + 9, 0, 255)
    assert np.abs(rule.apply(a, b) - expected).max() <= 1
