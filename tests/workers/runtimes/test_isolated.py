"""A process of its own for a file that may end it."""

import numpy as np
import pytest
from gasearch_workers.export.artifact import write_artifact
from gasearch_workers.runtimes import litert
from gasearch_workers.runtimes.isolated import run_isolated
from gasearch_workers.runtimes.runtime import LITERT

from tests.workers.integer_networks import random_blueprint, random_network, random_raw


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a TFLite file, and raw samples."""
    rng = np.random.default_rng(5)
    blueprint = random_blueprint(rng, family="mlp", bits=(8,))
    network = random_network(blueprint, rng)
    folder = tmp_path_factory.mktemp("isolated") / "model"
    x = random_raw(rng, network, 30)
    write_artifact(folder, network, blueprint=blueprint, samples=x, description={}, formats=("tflite",))
    return folder, x


def test_it_gives_what_the_runtime_gives(written):
    folder, x = written
    assert run_isolated("gasearch", folder, x).shape[0] == len(x)
    if litert.version() is not None:
        np.testing.assert_array_equal(run_isolated("litert", folder, x), LITERT.run(folder, x))


def test_what_fails_says_why(written, tmp_path):
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        run_isolated("onnxruntime", tmp_path, written[1])


def test_what_takes_too_long_is_ended(written):
    with pytest.raises(RuntimeError, match=r"gasearch took more than 0\.01 s"):
        run_isolated("gasearch", *written, seconds=0.01)


@pytest.mark.skipif(litert.version() is None, reason="LiteRT is not installed")
def test_a_damaged_file_ends_no_process_but_its_own(written, tmp_path):
    folder, x = written
    content = bytearray((folder / "model.tflite").read_bytes())
    content[8:200] = b"\x7f" * 192
    (tmp_path / "model.tflite").write_bytes(content)
    with pytest.raises(RuntimeError):
        run_isolated("litert", tmp_path, x)
