"""LiteRT runs the file that was written, and says what is wrong with another one."""

import os
import subprocess
import sys
from importlib.metadata import version as installed

import numpy as np
import pytest
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.tflite import to_tflite
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.runtimes.litert import BATCH, channels_last, open_litert, run_litert, version

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_network, random_raw

LAYERS = (Layer(kind="conv", width=8, kernel=3, stride=2, weight_bits=4), Layer(kind="linear", width=4))


@pytest.fixture(scope="module")
def network():
    return random_network(Blueprint(family="cnn", input_shape=(3, 7, 5), layers=LAYERS), np.random.default_rng(0))


@pytest.fixture
def path(tmp_path, network):
    (tmp_path / "model.tflite").write_bytes(to_tflite(network))
    return tmp_path / "model.tflite"


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 3])
def test_it_runs_any_number_of_images_with_their_channels_first(path, network, count):
    x = random_raw(np.random.default_rng(1), network, count)
    expected = run_reference(network, x)
    found = run_litert(path, x)
    assert found.shape == (count, 4)
    assert found == pytest.approx(expected, abs=0.1 * expected.std())


def test_a_file_that_is_opened_once_answers_one_sample_or_many(path, network):
    x = random_raw(np.random.default_rng(1), network, 40)
    run, expected = open_litert(path), run_litert(path, x)
    for some in (slice(0, 1), slice(1, 2), slice(0, 40), slice(3, 4)):
        np.testing.assert_array_equal(run(x[some]), expected[some])


@pytest.mark.parametrize("kept", [0, 4, 200, -200, -4])
def test_a_file_that_was_cut_off_is_named(path, network, kept):
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    with pytest.raises(ArtifactError, match=r"model\.tflite can't be run by LiteRT: "):
        run_litert(path, random_raw(np.random.default_rng(1), network, 1))


def test_it_greets_nobody(path, network):
    np.save(path.parent / "raw.npy", random_raw(np.random.default_rng(1), network, 2))
    program = (
        "import sys, numpy; from pathlib import Path; from gasearch_workers.runtimes.litert import run_litert\n"
        "run_litert(Path(sys.argv[1]), numpy.load(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, path, path.parent / "raw.npy"]  # it greets once in a process
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "workers"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_version_is_that_of_its_package():
    assert version() == installed("ai-edge-litert")


def test_only_images_are_turned():
    assert channels_last(np.zeros((2, 3, 4, 5))).shape == (2, 4, 5, 3)
    assert channels_last(np.zeros((2, 3))).shape == (2, 3)
