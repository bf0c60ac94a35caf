"""TFLite Micro runs the file that was written, and says how much memory that takes."""

from importlib.metadata import version as installed

import numpy as np
import pytest
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.runtimes import tflite_micro as module
from gasearch_workers.runtimes.tflite_micro import arena_bytes, run_tflite_micro, version

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_network, random_raw


def network_of(width, shape=(3, 8, 8)):
    layers = (Layer(kind="conv", width=width, kernel=3, weight_bits=4), Layer(kind="linear", width=4))
    return random_network(Blueprint(family="cnn", input_shape=shape, layers=layers), np.random.default_rng(0))


def test_it_runs_one_image_after_the_other(tmp_path):
    network = network_of(8)
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(network))
    x = random_raw(np.random.default_rng(1), network, 9)
    expected = run_reference(network, x)
    assert run_tflite_micro(path, x) == pytest.approx(expected, abs=0.1 * expected.std())


def test_a_network_whose_activations_are_far_larger_than_its_file_has_room(tmp_path):
    network = network_of(32, shape=(1, 64, 64))
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(network))
    assert arena_bytes(path.read_bytes()) > 32 * 64 * 64
    assert run_tflite_micro(path, random_raw(np.random.default_rng(1), network, 1)).shape == (1, 4)


@pytest.mark.parametrize("kept", [0, 4, 200, -200, -8])
def test_a_file_that_was_cut_off_is_named(tmp_path, kept):
    network = network_of(8)
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(network)[:kept])
    with pytest.raises(ArtifactError, match=r"model\.tflite can't be run by TFLite Micro: it is no whole TFLite file"):
        run_tflite_micro(path, random_raw(np.random.default_rng(1), network, 1))
    with pytest.raises(ArtifactError, match="the TFLite file can't be run by TFLite Micro"):
        arena_bytes(path.read_bytes())


def test_the_arena_holds_what_a_layer_reads_and_writes(capfd):
    small, large = (arena_bytes(to_tflite(network_of(width))) for width in (8, 64))
    assert small > 3 * 8 * 8 + 8 * 8 * 8
    assert large > small + 56 * 8 * 8
    assert capfd.readouterr().err == ""  # what the library prints was read, not shown


def test_without_the_library_there_is_no_arena(monkeypatch):
    monkeypatch.setattr(module, "version", lambda: None)
    assert arena_bytes(b"") is None


def test_its_version_is_that_of_its_package():
    assert version() == installed("tflite-micro")
