"""docs/tflite.md: its program runs an exported file, and the operators that it registers are a CNN's."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.export.onnx_session import run_onnx
from gasearch_workers.messages import Blueprint, Layer, Recipe

from tests.doubles.requests import request_for
from tests.readme.commands import blocks
from tests.workers.tflite_runs import operators

PAGE = "docs/tflite.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    layers = (
        Layer(kind="separable", width=8, kernel=3, stride=2, weight_bits=4, activation_bits=4),
        Layer(kind="residual", width=8, kernel=3, stride=2, downsample="max_pool", weight_bits=4, activation_bits=4),
        Layer(kind="linear", width=10, weight_bits=4),
    )
    network = Blueprint(family="cnn", input_shape=(1, 8, 8), layers=layers)
    data = load_dataset("digits")
    made = tmp_path_factory.mktemp("exported") / "model"
    request = request_for(network, recipe=Recipe(epochs=1, batch_size=32))
    return export(request, made, evaluator=Evaluator(data), data=data, claimed={}, formats=("tflite",))


def test_the_program_gives_the_logits_of_the_onnx_file(folder):
    images = load_dataset("digits").test.x[:5]
    names = {"folder": folder, "pictures": images.transpose(0, 2, 3, 1)}
    exec("\n".join(blocks("python", PAGE)), names)
    expected = run_onnx((folder / "model.onnx").read_bytes(), images[:1])
    assert names["logits"].shape == (1, 10)
    assert names["logits"] == pytest.approx(expected, abs=0.2 * float(np.abs(expected).max()))


def test_the_description_has_the_layout_and_the_arena(folder):
    about = json.loads((folder / "model.json").read_text())
    described = about["files"]["model.tflite"]
    assert described["axes"] == ["batch", "height", "width", "channels"]
    assert described["shape"] == ["batch", 8, 8, 1]
    assert described["bytes"] == (folder / "model.tflite").stat().st_size
    assert about["description"]["measured"]["arena_bytes"] > 1000


def test_the_firmware_registers_what_a_cnn_takes(folder):
    page = (Path(__file__).parents[2] / PAGE).read_text()
    registered = {name.lower() for name in re.findall(r"operators\.Add(\w+)\(", page)}
    used = {name.replace("_", "").lower() for name in operators((folder / "model.tflite").read_bytes())}
    assert used - registered <= {"minimum"}
    assert len(registered) == int(re.search(r"MicroMutableOpResolver<(\d+)>", page).group(1))
