import numpy as np
import pytest
from gasearch_workers.export.artifact import ArtifactError, write_artifact
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.runtimes.torch_network import open_packed, open_weights, packed_version, version

from tests.workers.integer_networks import random_blueprint, random_network, random_raw


@pytest.mark.parametrize("family", ["cnn", "tagger"])
def test_both_files_give_the_same_answers_which_are_those_of_the_graph(tmp_path, family):
    rng = np.random.default_rng(1)
    blueprint = random_blueprint(rng, family=family, bits=(4, 8), widths=(8, 16), layers=(1, 2))
    network = random_network(blueprint, rng)
    x = random_raw(rng, network, 300)  # more than are computed at a time
    write_artifact(tmp_path, network, blueprint=blueprint, samples=x[:2], description={})
    packed, weights = open_packed(tmp_path)(x), open_weights(tmp_path)(x)
    np.testing.assert_array_equal(packed, weights)
    graph = run_onnx((tmp_path / "model.onnx").read_bytes(), x)
    assert (packed.argmax(axis=-1) == graph.argmax(axis=-1)).mean() >= 0.99
    assert version().startswith("2.")
    assert packed_version() == f"with torch {version()}"


def test_what_is_no_artifact_is_refused(tmp_path):
    for attempt in (open_packed, open_weights):
        with pytest.raises(ArtifactError, match=r"can't be read|no exported folder"):
            attempt(tmp_path)
