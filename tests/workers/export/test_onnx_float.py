"""The steps that the graph computes in float."""

import numpy as np
import pytest
from gasearch_workers.export.onnx_graph import float_steps
from gasearch_workers.messages import FULL_PRECISION

from tests.workers.export.two_layers import network_of
from tests.workers.graph_checks import operators
from tests.workers.integer_networks import random_blueprint, random_network


def test_a_float_network_has_no_integer_operator():
    network = network_of("conv", np.random.default_rng(1), weight_bits=FULL_PRECISION, activation_bits=FULL_PRECISION)
    assert operators(network) == [
        "Cast",
        "Sub",
        "Div",
        "Conv",
        "Relu",
        "Conv",
        "Relu",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    ]
    assert float_steps(network) == ("layer0", "layer1", "pool", "head")


def test_the_steps_that_compute_in_float_are_named():
    rng = np.random.default_rng(1)
    network = network_of("conv", rng, weight_bits=FULL_PRECISION, head_bits=4)
    assert float_steps(network) == ("layer0", "layer1")


@pytest.mark.parametrize("family", ["cnn", "mlp", "text", "transformer", "tagger", "recommender"])
def test_every_family_of_floats_computes_in_float_throughout(family):
    rng = np.random.default_rng(2)
    network = random_network(random_blueprint(rng, family=family, bits=(FULL_PRECISION,)), rng)
    assert float_steps(network) == tuple(step.name for step in network.plan.steps)
    assert not [operator for operator in operators(network) if operator.startswith(("QLinear", "QGemm", "Quantize"))]
