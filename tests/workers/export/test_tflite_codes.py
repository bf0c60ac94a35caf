"""Categories, users, items and words: looked up as the reference does it, whatever the precision."""

import numpy as np
import pytest
from gasearch_workers.export.tflite import to_tflite

from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_network, random_raw
from tests.workers.tflite_runs import error_of, operators, parse, run_both
from tests.workers.trained_networks import blueprint


def made(name, bits):
    network = random_network(blueprint(name, bits=bits), np.random.default_rng(bits))
    return network, random_raw(np.random.default_rng(1), network, 60)


@pytest.mark.parametrize("name", ["mixed table", "table of codes", "recommender", "matrix factorization"])
@pytest.mark.parametrize("bits", [1, 4, 8, 32])
def test_columns_of_codes_are_told_from_numbers(tmp_path, name, bits):
    network, x = made(name, bits)
    for outputs in run_both(network, x, tmp_path).values():
        assert error_of(outputs, network, x) < (0.02 if bits < 32 else 1e-5)


def test_vectors_that_are_put_side_by_side_lie_on_one_grid_from_the_start():
    content = to_tflite(made("mixed table", 4)[0])
    found = operators(content)
    assert found.count("GATHER") == 2
    assert found.count("QUANTIZE") == 3  # the numbers, once more for the concatenation, and what the head reads
    tensors = {tensor.name.decode(): tensor for tensor in parse(content).subgraphs[0].tensors}
    scales = {tensors[name].quantization.scale[0] for name in tensors if ".embedding" in name and "table" in name}
    assert len(scales) == 1


def test_a_word_that_the_table_lacks_is_the_unknown_one(tmp_path):
    network, x = made("bag of words", 4)
    rows = network.plan.steps[0].rows
    x[:, 0] = rows + 7
    same = x.copy()
    same[:, 0] = 1
    assert run_reference(network, x) == pytest.approx(run_reference(network, same))
    for outputs, others in zip(*(run_both(network, each, tmp_path).values() for each in (x, same)), strict=True):
        assert (outputs == others).all()
        assert error_of(outputs, network, x) < 0.02
