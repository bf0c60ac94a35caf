"""Which forms are written: those that can hold the network, or are refused before anything is trained."""

import numpy as np
import pytest
from gasearch_workers.export.artifact import ArtifactError
from gasearch_workers.export.exporters import EXPORTERS, Exporter
from gasearch_workers.export.forms import chosen_forms, left_out_forms, require_forms
from gasearch_workers.messages import FULL_PRECISION, Blueprint, Layer
from gasearch_workers.network.registry import UnknownName

from tests.workers.integer_networks import random_network

NETWORK = random_network(
    Blueprint(
        family="cnn",
        input_shape=(1, 8, 8),
        layers=(
            Layer(kind="conv", width=8, kernel=3, weight_bits=FULL_PRECISION, activation_bits=8),
            Layer(kind="linear", width=5, weight_bits=3),
        ),
    ),
    np.random.default_rng(0),
)


@pytest.fixture
def picky(monkeypatch):
    """Registers a form of two files that holds no network with a convolution."""
    form = Exporter(
        name="picky",
        files=("a.txt", "b.txt"),
        write=lambda network, samples: {"a.txt": b"a", "b.txt": bytes([len(samples)])},
        refusal=lambda plan: "convolutions" if any(step.op == "conv" for step in plan.steps) else "",
    )
    monkeypatch.setitem(EXPORTERS.own, "picky", form)


def test_a_form_that_cannot_hold_a_network_is_refused_with_those_that_can(picky):
    with pytest.raises(ArtifactError, match=r"^picky can't hold convolutions; forms that can hold .*: onnx, gap"):
        require_forms(["onnx", "picky"], NETWORK.plan)


def test_the_usual_forms_are_those_that_can_hold_the_network(picky, monkeypatch):
    monkeypatch.setattr("gasearch_workers.export.forms.PREFERRED", ("picky", "onnx"))
    dense = random_network(
        Blueprint(family="mlp", input_shape=(3,), layers=(Layer(kind="linear", width=2),)), np.random.default_rng(0)
    )
    assert chosen_forms(None, dense.plan) == ("picky", "onnx")
    assert chosen_forms(None, NETWORK.plan) == ("onnx",)


def test_of_all_forms_those_that_are_left_out_are_named_with_what_they_can_not_hold(picky):
    assert left_out_forms(["all"], NETWORK.plan) == {
        "c": "float weights (step layer0)",
        "picky": "convolutions",
    }
    assert left_out_forms(["onnx"], NETWORK.plan) == left_out_forms(None, NETWORK.plan) == {}


def test_all_forms_are_those_that_can_hold_the_network_and_named_ones_must(picky):
    assert "picky" not in chosen_forms(["all"], NETWORK.plan)
    assert {"onnx", "gap", "safetensors"} <= set(chosen_forms(["all"], NETWORK.plan))
    assert chosen_forms([], NETWORK.plan) == ()
    for asked in (["picky"], ["all", "picky"]):
        with pytest.raises(ArtifactError, match="picky can't hold convolutions"):
            chosen_forms(asked, NETWORK.plan)
    with pytest.raises(UnknownName, match="there is no exporter 'fortran'; there are onnx, gap, safetensors"):
        chosen_forms(["fortran"], NETWORK.plan)


def test_zero_points_0_take_the_place_of_the_portable_form_or_are_added():
    for asked in (None, ["qdq"], []):
        assert chosen_forms(asked, NETWORK.plan, is_symmetric=True) == ("qdq-symmetric",)
    chosen = chosen_forms(["all"], NETWORK.plan, is_symmetric=True)
    assert "qdq-symmetric" in chosen
    assert "qdq" not in chosen


def test_two_forms_that_write_the_same_file_are_refused_and_all_has_one_of_them():
    with pytest.raises(ArtifactError, match=r"^qdq and qdq-symmetric both write model\.qdq\.onnx; choose one of them$"):
        chosen_forms(["qdq", "qdq-symmetric"], NETWORK.plan)
    chosen = chosen_forms(["all"], NETWORK.plan)
    assert "qdq" in chosen
    assert "qdq-symmetric" not in chosen
