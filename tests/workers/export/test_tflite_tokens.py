"""Sequences: windows end in zeros, and padding counts in no mean and no maximum."""

import dataclasses

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.integer import Grid

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import present, random_network, random_raw
from tests.workers.tflite_runs import error_of, litert_tensors, micro_tensors, operators, run_both, step_differences
from tests.workers.trained_networks import blueprint


@pytest.mark.parametrize("name", ["bag of words", "convolutions"])
@pytest.mark.parametrize("bits", [1, 2, 8, 32])
def test_sentences_of_any_length_give_the_reference_s_numbers(tmp_path, name, bits):
    network = random_network(blueprint(name, bits=bits), np.random.default_rng(bits))
    x = random_raw(np.random.default_rng(1), network, 40)
    x[0], x[1] = 0, 5  # no word at all; no padding
    for outputs in run_both(network, x, tmp_path).values():
        assert error_of(outputs, network, x) < (0.03 if bits < 32 else 1e-5)


@pytest.mark.parametrize("read", [litert_tensors, micro_tensors])
def test_integers_of_windows_and_maxima_are_the_reference_s(read):
    network = random_network(blueprint("convolutions", bits=2), np.random.default_rng(0))
    found = step_differences(network, random_raw(np.random.default_rng(1), network, 20), read)
    assert {"layer0.window", "layer0", "pool"} <= found.keys()
    assert {name: share for name, (share, _) in found.items() if share > 0.01} == {}


@pytest.mark.parametrize("bits", [4, 32])
def test_words_are_tagged_one_by_one(tmp_path, bits):
    layers = (
        Layer(kind="embedding", width=8, weight_bits=bits, rows=20),
        Layer(kind="conv1d", width=8, kernel=3, weight_bits=bits, activation_bits=bits),
        Layer(kind="linear", width=4, weight_bits=bits),
    )
    made = Blueprint(family="tagger", input_shape=(6, 2), layers=layers, categories=(30, 7))
    network = random_network(made, np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 40)
    counts = present(network, x)
    expected = run_reference(network, x)[counts]
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs.shape == (40, 6, 4)
        assert np.abs(outputs[counts] - expected).max() < (0.1 if bits < 32 else 1e-4) * expected.std()


@pytest.mark.parametrize("bits", [4, 32])
def test_places_have_vectors_of_their_own(tmp_path, bits):
    """Layer kinds of installed packages may add them: of ours only those do that no TFLite file holds."""
    whole = random_network(blueprint("transformer", bits=bits), np.random.default_rng(0))
    bag = random_network(blueprint("bag of words", bits=bits), np.random.default_rng(0))
    place = next(item for item in whole.steps if item.step.op == "position")
    scale = None if bits == 32 else np.float32([0.31])
    weight = np.random.default_rng(2).integers(-7, 8, (9, 8)).astype(np.int8 if bits == 4 else np.float32)
    grid = Grid(scale=0.0313, zero_point=128, bits=8) if bits == 4 else None
    inserted = dataclasses.replace(
        place,
        step=dataclasses.replace(
            place.step, inputs=("embedding0",), input_shape=(9, 8), output_shape=(9, 8), weight_bits=bits
        ),
        weight=weight,
        weight_scale=scale,
        output_grid=grid,
    )
    embedding, pool, *rest = bag.steps
    pool = dataclasses.replace(
        pool, step=dataclasses.replace(pool.step, inputs=(place.step.name, "codes"), input_bits=8 if bits == 4 else 32)
    )
    steps = (embedding, inserted, pool, *rest)
    layout = dataclasses.replace(bag.plan, steps=tuple(item.step for item in steps))
    network = dataclasses.replace(bag, plan=layout, steps=steps)
    x = random_raw(np.random.default_rng(1), network, 40)
    for outputs in run_both(network, x, tmp_path).values():
        assert error_of(outputs, network, x) < (0.05 if bits == 4 else 1e-5)


def test_maxima_stay_in_integers():
    network = random_network(blueprint("convolutions", bits=4), np.random.default_rng(0))
    found = operators(to_tflite(network))
    assert found.count("DEQUANTIZE") == 1  # that of the logits
    assert "REDUCE_MAX" in found
