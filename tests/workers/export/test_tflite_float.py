"""The steps in floats, alone and among steps in integers."""

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.messages import Blueprint, Layer

from tests.workers.export.reference import run_reference
from tests.workers.export.two_layers import network_of
from tests.workers.integer_networks import random_network, random_raw
from tests.workers.tflite_runs import agreement, error_of, operators, run_both


@pytest.mark.parametrize("kind", ["linear", "conv", "separable", "residual"])
def test_float_layers_give_the_reference_s_numbers(tmp_path, kind):
    rng = np.random.default_rng(3)
    network = network_of(kind, rng, weight_bits=32, activation_bits=32, stride=2)
    x = random_raw(rng, network, 10)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs == pytest.approx(run_reference(network, x), abs=1e-4, rel=1e-4)
    assert "QUANTIZE" not in operators(to_tflite(network))


def test_float_weights_between_integers_are_read_as_reals(tmp_path):
    layers = (
        Layer(kind="conv", width=8, kernel=3, weight_bits=4, activation_bits=4),
        Layer(kind="conv", width=8, kernel=3, stride=2, weight_bits=32, activation_bits=4),
        Layer(kind="linear", width=4, weight_bits=32),
    )
    rng = np.random.default_rng(4)
    network = random_network(Blueprint(family="cnn", input_shape=(3, 8, 8), layers=layers), rng)
    x = random_raw(rng, network, 50)
    found = operators(to_tflite(network))
    assert found.count("DEQUANTIZE") == 2
    for outputs in run_both(network, x, tmp_path).values():
        assert agreement(outputs, network, x) >= 0.98
        assert error_of(outputs, network, x) < 0.05
