"""ONNX's reference implementation computes the portable form as it is meant, at every precision."""

import numpy as np
import onnx
import pytest
from gasearch_workers.export.onnx_qdq import to_qdq
from gasearch_workers.messages import FULL_PRECISION
from gasearch_workers.runtimes import onnx_reference

from tests.workers.graph_checks import compare_outputs
from tests.workers.integer_networks import FAMILIES, random_blueprint, random_network, random_raw


def test_its_version_is_that_of_onnx():
    assert onnx_reference.version() == onnx.__version__


@pytest.mark.parametrize("bits", [1, 2, 4, 8, FULL_PRECISION])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_gives_what_the_network_means(family, bits, tmp_path):
    for seed in range(3):
        rng = np.random.default_rng([seed, bits])
        shape = {"bits": (max(bits, 2),), "widths": (8, 13), "layers": (1, 2), "is_compressed": bits == 1 or seed == 1}
        network = random_network(random_blueprint(rng, family=family, **shape), rng)
        x = random_raw(rng, network, 60)
        model = tmp_path / "model.qdq.onnx"
        model.write_bytes(to_qdq(network).SerializeToString())
        agreement, error = compare_outputs(network, x, onnx_reference.run(model, x))
        assert agreement == 1
        assert error < 0.02


def test_more_samples_than_a_batch_come_back_in_their_order(tmp_path):
    rng = np.random.default_rng(0)
    network = random_network(random_blueprint(rng, family="mlp"), rng)
    x = random_raw(rng, network, 600)
    model = tmp_path / "model.qdq.onnx"
    model.write_bytes(to_qdq(network).SerializeToString())
    found = onnx_reference.run(model, x)
    np.testing.assert_allclose(found[-30:], onnx_reference.run(model, x[-30:]), atol=1e-6)
