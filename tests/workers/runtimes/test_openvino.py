"""OpenVINO runs the portable form: the same answers, and nothing is sent or left behind."""

import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from gasearch_workers.export.onnx_qdq import to_qdq
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.runtimes import openvino

from tests.workers.graph_checks import compare_outputs
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network, random_raw

pytest.importorskip("openvino")

#: Root mean square over networks of the outputs' error in their deviations, by bits: OpenVINO adds two convolutions
#: before it rounds, and a step of 2 bits is a third of the range.
LARGEST_ERROR = {2: 0.06, 4: 0.03, 8: 0.02, FULL_PRECISION: 1e-4}


def write(network, folder, **options):
    model = folder / "model.qdq.onnx"
    model.write_bytes(to_qdq(network, **options).SerializeToString())
    return model


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8, FULL_PRECISION])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_gives_what_the_network_means(family, bits, is_symmetric, tmp_path):
    agreements, errors = [], []
    for seed in range(3):
        rng = np.random.default_rng([seed, bits])
        shape = {"bits": (bits,), "widths": (8, 13), "layers": (1, 2), "is_compressed": seed == 1}
        network = random_network(random_blueprint(rng, family=family, **shape), rng)
        x = random_raw(rng, network, 60)
        model = write(network, tmp_path, is_symmetric=is_symmetric)
        agreement, error = compare_outputs(network, x, openvino.run(model, x))
        agreements.append(agreement)
        errors.append(error)
    assert np.mean(agreements) >= 0.98
    assert np.sqrt(np.mean(np.square(errors))) < LARGEST_ERROR[bits] + 0.02 * is_symmetric


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("width", [1, 4])
def test_the_neighbours_of_a_single_token_are_zeros(width, is_symmetric, tmp_path):
    layer = {"width": width, "weight_bits": 8}
    layers = (
        Layer(kind="embedding", **layer),
        Layer(kind="conv1d", kernel=5, activation_bits=8, **layer),
        Layer(kind="linear", width=4, weight_bits=8),
    )
    blueprint = Blueprint(family="text", input_shape=(1,), categories=(20,), layers=layers)
    network = random_network(blueprint, np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 60)
    model = write(network, tmp_path, is_symmetric=is_symmetric)
    agreement, error = compare_outputs(network, x, openvino.run(model, x))
    assert agreement >= 0.98
    assert error < 0.05


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 1, 9)])
def test_pooling_goes_on_where_a_side_has_one_pixel_left(shape, tmp_path):
    halving = Layer(kind="conv", width=8, kernel=3, stride=2, downsample="max_pool", weight_bits=8, activation_bits=8)
    layers = (halving, halving, halving, Layer(kind="linear", width=4, weight_bits=8))
    network = random_network(Blueprint(family="cnn", input_shape=shape, layers=layers), np.random.default_rng(0))
    x = random_raw(np.random.default_rng(1), network, 60)
    agreement, error = compare_outputs(network, x, openvino.run(write(network, tmp_path), x))
    assert agreement >= 0.98
    assert error < 0.05


@pytest.mark.parametrize("kind", ["gru", "conv1d", "linear"])
def test_sentences_of_any_length_are_answered_as_meant(kind, tmp_path):
    for seed in range(4):
        rng = np.random.default_rng([seed, 7])
        network = random_network(
            random_blueprint(rng, family="text", kinds=(kind,), bits=(8,), layers=(1, 1), widths=(8, 16)), rng
        )
        x = random_raw(rng, network, 60)
        agreement, error = compare_outputs(network, x, openvino.run(write(network, tmp_path), x))
        assert agreement >= 0.98
        assert error < 0.05


def test_its_version_is_that_of_the_package():
    assert openvino.version() == metadata.version("openvino")


def test_it_has_no_version_where_it_is_not_installed(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert openvino.version() is None


SILENT = """
import sys
from pathlib import Path
import numpy as np

def refuse(event, arguments):
    if event.startswith("socket."):
        raise AssertionError(f"a connection was attempted: {event} {arguments}")

sys.addaudithook(refuse)
from gasearch_workers.runtimes import openvino
assert "openvino" not in sys.modules
print(openvino.run(Path(sys.argv[1]), np.load(sys.argv[2])).shape)
"""


def test_a_run_sends_nothing_and_leaves_nothing_in_the_home_folder(tmp_path):
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="mlp"), rng)
    x = random_raw(rng, network, 3)
    np.save(tmp_path / "x.npy", x)
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(write(network, tmp_path)), str(tmp_path / "x.npy")],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(openvino.run(write(network, tmp_path), x).shape) in done.stdout
    assert list(home.iterdir()) == []
