import numpy as np
from gasearch_workers.export.description import describe, describe_files, known_codes
from gasearch_workers.messages import Blueprint, Layer
from gasearch_workers.network.plan import plan

from tests.workers.integer_networks import random_network


def embedded(family, categories, rows=0, **changes):
    layers = (Layer(kind="embedding", width=4, rows=rows, weight_bits=4), Layer(kind="linear", width=2, weight_bits=8))
    shape = (7, len(categories)) if len(categories) > 1 and family != "mlp" else (7,)
    return Blueprint(family=family, input_shape=shape, layers=layers, categories=categories, **changes)


def test_a_network_knows_the_words_that_it_has_vectors_for_and_every_other_code():
    assert known_codes(plan(embedded("text", (40,), rows=5))) == (5,)
    assert known_codes(plan(embedded("text", (40,)))) == (40,)
    assert known_codes(plan(embedded("tagger", (40, 13), rows=5))) == (5, 13)
    assert known_codes(plan(embedded("mlp", (3, 4), rows=5))) == (3, 4)


def test_input_output_steps_and_files_are_described():
    network = random_network(embedded("tagger", (40, 13), rows=5), np.random.default_rng(0))
    found = describe(network, {"vocabulary.json": b"[]"}, (), ("O", "B"))
    assert found["input"]["categories"] == [40, 13]
    assert found["input"]["vocabulary"] == "vocabulary.json"
    assert found["output"]["shape"] == ["batch", 7, 2]
    assert [step["op"] for step in found["steps"]] == ["embedding", "embedding", "add", "linear"]
    assert found["files"] == describe_files({"vocabulary.json": b"[]"})
    assert found["files"]["vocabulary.json"]["bytes"] == 2
