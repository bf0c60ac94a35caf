"""Exponentials and roots in whole numbers, against real ones."""

import numpy as np
import pytest
from gasearch_workers.export.c99.sequence_rules import (
    LIMIT,
    NormalizationRules,
    gate_rows,
    normalization_rules,
    power,
    run_layer_norm,
    sigmoid,
)
from gasearch_workers.network.integer import Grid, IntegerStep
from gasearch_workers.network.steps import Step

EXPONENTS = np.concatenate([np.arange(0, 2**22, 37), np.random.default_rng(0).integers(0, LIMIT, 1000), [0, LIMIT]])


def test_powers_are_right_to_seven_digits():
    found = power(EXPONENTS) / 2**30
    assert np.abs(found - 2.0 ** -(EXPONENTS / 2**20)).max() < 1e-7
    assert found.max() <= 1


def test_sigmoids_are_right_and_their_halves_mirror():
    for exponents in (EXPONENTS, -EXPONENTS):
        expected = 1 / (1 + 2.0 ** np.clip(-exponents / 2**20, -200, 200))
        assert np.abs(sigmoid(exponents) / 2**30 - expected).max() < 1e-7
    mirrored = EXPONENTS[EXPONENTS > 0]
    assert (sigmoid(mirrored) + sigmoid(-mirrored) == 2**30).all()


def test_rows_of_a_gru_s_gates_go_unit_by_unit():
    step = Step(
        name="x", op="gru", inputs=("input",), input_shape=(1, 1), output_shape=(1, 4), input_bits=8, output_bits=8
    )  # fmt: skip
    assert gate_rows(np.arange(12), step).tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


def normalization(channels, scale):
    """A step over that many channels, with weights 1 and biases 0, and its rules."""
    step = Step(
        name="x", op="layer_norm", inputs=("input",), input_shape=(channels,), output_shape=(channels,),
        input_bits=8, output_bits=8,
    )  # fmt: skip
    item = IntegerStep(
        step=step,
        weight=np.ones(channels, np.float32),
        bias=np.zeros(channels, np.float32),
        output_grid=Grid(scale=0.05, zero_point=128, bits=8),
    )
    return normalization_rules(item, {"input": Grid(scale=scale, zero_point=0, bits=8)})


@pytest.mark.parametrize("channels", [1, 2, 7, 64, 1000, 8192])
@pytest.mark.parametrize("scale", [1e-8, 1e-4, 0.02, 5.0])
def test_normalizations_are_right_at_any_scale(channels, scale):
    rules = normalization(channels, scale)
    assert isinstance(rules, NormalizationRules)
    rng = np.random.default_rng(0)
    x = np.stack([
        rng.integers(0, 256, channels),
        rng.integers(100, 102, channels),
        np.full(channels, 255),
        255 * (np.arange(channels) == 0),
    ])  # fmt: skip
    real = scale * x
    centred = real - real.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-5)
    found = run_layer_norm(x, rules)
    assert np.abs(found - np.clip(np.rint(expected / 0.05) + 128, 0, 255)).max() <= 1
