import numpy as np
import pytest
from gasearch_workers.export.exporters import ALWAYS, EXPORTERS, Exporter, of_one_file
from gasearch_workers.messages import Blueprint, Layer
from safetensors.numpy import load

from tests.workers.integer_networks import random_network

BLUEPRINT = Blueprint(family="mlp", input_shape=(3,), layers=(Layer(kind="linear", width=2, weight_bits=4),))


@pytest.fixture
def network():
    return random_network(BLUEPRINT, np.random.default_rng(0))


def test_the_forms_of_every_artifact_hold_any_network(network):
    assert EXPORTERS.names()[:3] == tuple(form.name for form in ALWAYS) == ("onnx", "gap", "safetensors")
    assert not any(form.refusal(network.plan) for form in ALWAYS)


def test_equal_networks_give_equal_bytes_of_the_files_that_are_named(network):
    again = random_network(BLUEPRINT, np.random.default_rng(0))
    for form in ALWAYS:
        files = form.write(network, np.zeros((1, 3), np.float32))
        assert tuple(files) == form.files
        assert files == form.write(again, np.zeros((1, 3), np.float32))


def test_the_weights_are_those_of_a_torch_module(network):
    (content,) = EXPORTERS.get("safetensors").write(network, np.zeros((1, 3), np.float32)).values()
    assert load(content)["steps.head:linear.weight"].shape == (2, 3)


@pytest.mark.parametrize("file", ["", "..", "a/b", "C:x", "a\\b"])
def test_a_file_that_would_lie_elsewhere_is_refused(file):
    with pytest.raises(ValueError, match="must be a name without a folder"):
        of_one_file("mine", file, lambda network: b"")
    with pytest.raises(ValueError, match="the file of exporter 'mine' must be"):
        Exporter(name="mine", files=("good.txt", file), write=lambda network, samples: {})
