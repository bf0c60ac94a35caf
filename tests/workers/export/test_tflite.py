"""Whole networks as TFLite files: both interpreters give what the integer network means."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.export import tflite as module
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.exporters import EXPORTERS, TFLITE
from gasearch_workers.export.forms import require_forms
from gasearch_workers.export.tflite import input_layout, refusal, to_tflite
from gasearch_workers.messages import Blueprint, Layer, Recipe
from gasearch_workers.network.plan import PlanError, plan

from tests.doubles.requests import request_for
from tests.workers.export.reference import run_reference
from tests.workers.integer_networks import random_blueprint, random_network, random_raw
from tests.workers.tflite_runs import agreement, error_of, operators, parse, run_both
from tests.workers.trained_networks import NETWORKS, blueprint


def random_networks(count, **options):
    """Networks that a TFLite file holds, with raw samples."""
    rng = np.random.default_rng(17)
    while count:
        try:
            made = random_blueprint(rng, **options)
        except PlanError:
            continue
        if not refusal(plan(made)):
            network = random_network(made, rng)
            yield network, random_raw(rng, network, 60)
            count -= 1


@pytest.mark.parametrize("is_compressed", [False, True])
def test_both_interpreters_give_the_classes_of_random_networks(tmp_path, is_compressed):
    """Few activations of 2 bits in a random network leave little margin: most must agree, all on average."""
    found = [
        agreement(outputs, network, x)
        for network, x in random_networks(12, is_compressed=is_compressed)
        for outputs in run_both(network, x, tmp_path).values()
    ]
    assert np.mean(found) >= 0.99
    assert min(found) >= 0.9


def test_at_eight_bits_the_logits_are_those_of_the_integer_network(tmp_path):
    for network, x in random_networks(6, bits=(8,)):
        for outputs in run_both(network, x, tmp_path).values():
            assert agreement(outputs, network, x, tie=0.02) == 1.0
            assert error_of(outputs, network, x) < 0.05


def test_a_float_network_is_held_in_floats(tmp_path):
    for network, x in random_networks(4, bits=(32,)):
        for outputs in run_both(network, x, tmp_path).values():
            assert outputs == pytest.approx(run_reference(network, x), abs=1e-3, rel=1e-3)


@pytest.fixture(scope="module")
def digits():
    data = load_dataset("digits")
    return data, Evaluator(data)


def layers_of(kind, **precision):
    if kind == "linear":
        return tuple(Layer(kind="linear", width=32, **precision) for _ in range(2))
    first, second = (Layer(kind=kind, width=width, kernel=3, stride=stride, **precision) for width, stride in SHAPES)
    return first, dataclasses.replace(second, downsample="max_pool")


SHAPES = ((12, 2), (16, 2))


@pytest.mark.parametrize(
    ("family", "kind", "weight_bits", "activation_bits"),
    [("mlp", "linear", 4, 4), ("cnn", "conv", 2, 4), ("cnn", "residual", 8, 8), ("mlp", "linear", 1, 8)],
)
def test_trained_networks_predict_the_same_classes(tmp_path, digits, family, kind, weight_bits, activation_bits):
    data, evaluator = digits
    hidden = layers_of(kind, weight_bits=weight_bits, activation_bits=activation_bits)
    made = Blueprint(
        family=family,
        input_shape=(1, 8, 8),
        layers=(*hidden, Layer(kind="linear", width=10, weight_bits=weight_bits)),
    )
    network = evaluator.train(
        request_for(made, recipe=Recipe(epochs=3, batch_size=16, learning_rate=0.005), seed=2)
    ).network
    x = data.validation.x[:250]
    expected = run_reference(network, x).argmax(axis=1)
    assert (expected == data.validation.truth[:250]).mean() > 0.8
    for outputs in run_both(network, x, tmp_path).values():
        assert (outputs.argmax(axis=1) == expected).mean() >= 0.99


def test_a_regression_is_held_finely(tmp_path):
    made = Blueprint(
        family="mlp",
        input_shape=(6,),
        layers=(Layer(kind="linear", width=24), Layer(kind="linear", width=1)),
        is_regression=True,
    )
    network = random_network(made, np.random.default_rng(3))
    x = random_raw(np.random.default_rng(4), network, 200)
    for outputs in run_both(network, x, tmp_path).values():
        assert outputs.shape == (200, 1)
        assert error_of(outputs, network, x) < 0.01
    assert parse(to_tflite(network)).signatureDefs[0].outputs[0].name == b"prediction"


def test_equal_networks_give_equal_bytes():
    network, x = next(random_networks(1, family="cnn"))
    again, _ = next(random_networks(1, family="cnn"))
    assert TFLITE.write(network, x) == TFLITE.write(again, x[:1]) == {"model.tflite": to_tflite(network)}


def test_the_input_takes_raw_bytes_with_the_channels_last():
    network = random_network(blueprint("images", bits=4), np.random.default_rng(0))
    model = parse(to_tflite(network))
    source = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    assert list(source.shape) == [1, 9, 7, 3]
    assert list(source.shapeSignature) == [-1, 9, 7, 3]
    assert source.type == 3  # uint8
    assert source.quantization.zeroPoint.tolist() == [network.input.grid.zero_point]
    assert model.description == b"made by gasearch; input: uint8 (batch, height, width, channels)"
    layout = {"shape": ["batch", 9, 7, 3], "axes": ["batch", "height", "width", "channels"]}
    assert input_layout(network.plan) == layout
    axes = {name: input_layout(plan(blueprint(name)))["axes"][1:] for name in NETWORKS}
    assert axes["table of numbers"] == axes["mixed table"] == ["columns"]
    assert (axes["bag of words"], axes["tagger"]) == (["tokens"], ["tokens", "codes"])
    assert axes["recommender"] == ["user and item"]


def test_an_integer_network_has_no_float_operator_but_at_its_end():
    network = random_network(blueprint("images", bits=4), np.random.default_rng(0))
    found = operators(to_tflite(network))
    assert found[-5:] == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE", "MUL", "ADD"]
    assert "DEQUANTIZE" not in found[:-5]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gru", "a gru (step layer0)"),
        ("tagger", "a gru (step layer0)"),
        ("transformer", "an attention (step layer0.attention)"),
    ],
)
def test_what_it_cannot_hold_is_said_before_any_training(name, reason):
    layout = plan(blueprint(name, bits=4))
    assert refusal(layout) == reason
    with pytest.raises(ArtifactError, match=rf"tflite can't hold {re.escape(reason)}; forms that can.*: onnx, gap"):
        require_forms(["tflite"], layout)
    network = random_network(blueprint(name, bits=4), np.random.default_rng(0))
    with pytest.raises(ValueError, match=f"a TFLite file can't hold {re.escape(reason)}"):
        to_tflite(network)


def test_every_other_network_is_held(tmp_path):
    for name, (_, layers, _, _) in NETWORKS.items():
        if not {"gru", "transformer"} & {layer.kind for layer in layers}:
            network = random_network(blueprint(name, bits=4), np.random.default_rng(1))
            x = random_raw(np.random.default_rng(2), network, 40)
            for outputs in run_both(network, x, tmp_path).values():
                assert agreement(outputs, network, x) >= 0.97, name
                assert error_of(outputs, network, x) < 0.05, name


def test_without_its_libraries_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    reason = refusal(plan(blueprint("images")))
    assert reason == "anything without ai_edge_litert and flatbuffers: pip install 'gasearch[tflite]'"
    with pytest.raises(ArtifactError, match=r"pip install 'gasearch\[tflite\]'"):
        require_forms(["tflite"], plan(blueprint("images")))


def test_the_form_is_known_without_loading_its_libraries():
    code = "import sys; from gasearch_workers.export.exporters import EXPORTERS; EXPORTERS.get('tflite'); "
    code += "print({'ai_edge_litert', 'flatbuffers', 'tflite_micro'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
    assert "tflite" in EXPORTERS.names()
