"""Files that hang, crash or take all memory, run by the real runtimes."""

import numpy as np
import pytest
from gasearch_workers.evaluation.artifact_runs import ArtifactRuns
from gasearch_workers.export.artifact import write_artifact
from gasearch_workers.machine.isolated import Faulty, kept
from gasearch_workers.runtimes import litert, tflite_micro
from gasearch_workers.runtimes.runtime import LITERT, ONNX_RUNTIME, PACKED, TFLITE_MICRO

from tests.workers.hostile_graphs import endless, of_100_gb
from tests.workers.integer_networks import random_blueprint, random_network, random_raw

X = np.zeros((4, 1, 8, 8), np.uint8)


@pytest.fixture(scope="module", autouse=True)
def _one_process():
    """All of them are run by one process."""
    with kept():
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with an honest network, for LiteRT too, and raw samples."""
    rng = np.random.default_rng(5)
    blueprint = random_blueprint(rng, family="mlp", bits=(8,))
    network = random_network(blueprint, rng)
    folder = tmp_path_factory.mktemp("runs") / "model"
    x = random_raw(rng, network, 30)
    write_artifact(folder, network, blueprint=blueprint, samples=x, description={}, formats=("tflite",))
    return folder, x


@pytest.fixture
def hostile(tmp_path):
    def write(name, content, seconds=60.0):
        (tmp_path / name).write_bytes(content)
        return ArtifactRuns(tmp_path, seconds=seconds)

    return write


def test_honest_files_give_what_their_runtimes_give(written):
    folder, x = written
    with ArtifactRuns(folder) as runs:
        np.testing.assert_array_equal(runs.outputs(ONNX_RUNTIME, x), ONNX_RUNTIME.run(folder, x))
        np.testing.assert_array_equal(runs.outputs(PACKED, x), PACKED.run(folder, x))
        assert min(runs.paired_latency("model.onnx", x[:1])) > 0
        if litert.version() is not None:
            np.testing.assert_array_equal(runs.outputs(LITERT, x), LITERT.run(folder, x))
            assert runs.plain_latency(LITERT, x[:1])[0] > 0
        if tflite_micro.version() is not None:
            assert runs.arena_bytes("model.tflite") > 0


def test_a_loop_that_never_ends_is_ended(hostile):
    with hostile("model.onnx", endless(), 2.0) as runs:
        for run in (lambda: runs.outputs(ONNX_RUNTIME, X), lambda: runs.paired_latency("model.onnx", X[:1])):
            with pytest.raises(Faulty, match=r"^it took more than 2 s, and was ended$"):
                run()


def test_a_tensor_of_100_gb_is_refused_by_the_limit_of_memory(hostile):
    with (
        hostile("model.onnx", of_100_gb()) as runs,
        pytest.raises(Faulty, match=r"allocate|bad_alloc|more than [\d.]+ GB of memory"),
    ):
        runs.outputs(ONNX_RUNTIME, X)


@pytest.mark.skipif(litert.version() is None, reason="LiteRT is not installed")
def test_a_damaged_tflite_file_ends_no_process_but_its_own(written, hostile):
    folder, x = written
    content = bytearray((folder / "model.tflite").read_bytes())
    content[8:200] = b"\x7f" * 192
    with hostile("model.tflite", bytes(content)) as runs:
        for runtime in [LITERT, TFLITE_MICRO] if tflite_micro.version() else [LITERT]:
            with pytest.raises(Faulty):
                runs.outputs(runtime, x)
        with pytest.raises(Faulty):
            runs.plain_latency(LITERT, x[:1])
