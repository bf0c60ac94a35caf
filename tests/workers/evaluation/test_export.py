"""From an evaluation to files: trained as before, and measured as written."""

from dataclasses import replace

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import digest_of, export
from gasearch_workers.export.artifact import ArtifactError, read_artifact
from gasearch_workers.export.packed_reader import unpack
from gasearch_workers.measure.emulators import emulator
from gasearch_workers.measure.footprint import CPUS
from gasearch_workers.measure.toolchains import toolchain
from gasearch_workers.messages import Blueprint, Layer, Recipe
from gasearch_workers.training.resident import target_of

from tests.doubles.requests import request_for
from tests.workers.graph_checks import graph_scores

NETWORK = Blueprint(
    family="mlp",
    input_shape=(1, 8, 8),
    layers=(
        Layer(kind="linear", width=16, weight_bits=3, activation_bits=8),
        Layer(kind="linear", width=10, weight_bits=8),
    ),
)
REQUEST = request_for(NETWORK, recipe=Recipe(epochs=2, batch_size=16), seed=9)


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def evaluator(data):
    return Evaluator(data)


@pytest.fixture(scope="module")
def exported(data, evaluator, tmp_path_factory):
    """The evaluation's metrics and the folder of its export."""
    claimed = evaluator.evaluate(REQUEST).outcome.metrics()
    folder = tmp_path_factory.mktemp("exported") / "model"
    return claimed, export(REQUEST, folder, evaluator=evaluator, data=data, claimed=claimed)


def test_the_written_graph_is_as_accurate_as_claimed_on_both_splits(exported, data):
    claimed, folder = exported
    measured = read_artifact(folder)["description"]["measured"]
    graph = (folder / "model.onnx").read_bytes()
    target = target_of(data)
    for split in ("validation", "test"):
        scores = graph_scores(graph, getattr(data, split), target)
        assert set(scores) == {"accuracy", "macro_f1", "auc"}
        assert {name: measured[f"{split}_{name}"] for name in scores} == scores
    assert measured["validation_accuracy"] == pytest.approx(claimed["accuracy"], abs=0.01)
    assert measured["test_accuracy"] > 0.6
    assert measured["latency_ms"] > 0


def test_the_packed_file_weighs_what_was_claimed_and_holds_the_network(exported, evaluator):
    claimed, folder = exported
    packed = (folder / "model.gap").read_bytes()
    assert len(packed) == claimed["model_bytes"]
    network, again = unpack(packed), evaluator.train(REQUEST).network
    assert network.plan == again.plan
    for read, trained in zip(network.steps, again.steps, strict=True):
        assert (read.weight is None) == (trained.weight is None)
        assert read.weight is None or (read.weight == trained.weight).all()


def test_the_description_tells_how_to_make_it_again(exported, data):
    claimed, folder = exported
    described = read_artifact(folder)["description"]
    assert (described["key"], described["seed"], described["claimed"]) == ("0a", 9, claimed)
    assert described["recipe"]["epochs"] == 2
    assert described["data"]["fingerprint"] == data.fingerprint
    assert "torch" in described["versions"]


def test_an_export_is_replaced_by_the_next_one(exported, data, evaluator):
    claimed, folder = exported
    before = (folder / "model.gap").read_bytes()
    export(REQUEST, folder, evaluator=evaluator, data=data, claimed=claimed)
    assert (folder / "model.gap").read_bytes() == before


def test_a_folder_with_something_else_is_refused_before_the_training(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="is not empty and holds no artifact that could be replaced"):
        export(REQUEST, tmp_path, evaluator=None, data=data, claimed={})


def test_each_class_of_the_test_split_is_reported(exported, data):
    _, folder = exported
    rows = read_artifact(folder)["description"]["test_classes"]
    assert [row["label"] for row in rows] == [str(label) for label in range(10)]
    assert sum(row["support"] for row in rows) == len(data.test)
    right = sum(row["recall"] * row["support"] for row in rows) / len(data.test)
    assert right == pytest.approx(read_artifact(folder)["description"]["measured"]["test_accuracy"])


def test_confusions_stand_beside_the_report(exported, data):
    _, folder = exported
    described = read_artifact(folder)["description"]
    matrix, measured = np.array(described["test_confusion"]), described["measured"]
    assert matrix.sum(axis=1).tolist() == [row["support"] for row in described["test_classes"]]
    assert np.trace(matrix) / matrix.sum() == pytest.approx(measured["test_accuracy"])
    assert "thresholds" not in described


def test_two_classes_come_with_what_thresholds_change(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)), rng.integers(0, 2, 300)
    np.savez(tmp_path / "two.npz", x_train=x + y[:, None], y_train=y)
    two = load_dataset(str(tmp_path / "two.npz"))
    network = Blueprint(family="mlp", input_shape=(3,), layers=(Layer(kind="linear", width=2, weight_bits=8),))
    request = request_for(network, recipe=Recipe(epochs=1, batch_size=16))
    folder = export(request, tmp_path / "model", evaluator=Evaluator(two), data=two, claimed={})
    thresholds = read_artifact(folder)["description"]["thresholds"]
    assert len(thresholds["validation"]) == 19
    assert "## Thresholds for `1`, on the validation split" in (folder / "README.md").read_text()


def test_the_origin_is_noted_with_versions_seeds_and_the_test_samples(exported, data, evaluator, tmp_path):
    claimed, _ = exported
    origin = {"search": {"name": "mine"}, "seeds": {"search": 3}, "versions": {"gasearch": "9"}}
    folder = export(REQUEST, tmp_path / "m", evaluator=evaluator, data=data, claimed=claimed, provenance=origin)
    found = read_artifact(folder)["description"]["provenance"]
    assert found["search"] == {"name": "mine"}
    assert found["seeds"] == {"training": 9, "search": 3}
    assert found["versions"].keys() >= {"gasearch", "python", "torch", "onnxruntime", "safetensors"}
    assert found["data_fingerprint"] == data.fingerprint
    assert found["test_digest"] == digest_of(data.test) != digest_of(data.validation)


def test_the_c_form_comes_with_what_it_takes_on_each_cpu_or_without_a_number(data, evaluator, tmp_path):
    folder = export(REQUEST, tmp_path / "m", evaluator=evaluator, data=data, claimed={}, formats=["c"])
    card, story = (folder / "README.md").read_text(), read_artifact(folder)["description"]
    assert "## In firmware" in card
    if toolchain() is None:
        assert "firmware" not in story
        assert "no cross compiler" in card
        return
    assert [one["cpu"] for one in story["firmware"]] == list(CPUS)
    for one in story["firmware"]:
        assert f"| {one['cpu']} | {one['toolchain']} | {one['flash_bytes']:,} | {one['code_bytes']:,} |" in card
        assert ("instructions" in one) is (emulator() is not None)


def test_of_all_forms_those_that_can_not_hold_the_network_are_noted(data, evaluator, tmp_path):
    floats = replace(NETWORK, layers=tuple(replace(one, weight_bits=32, activation_bits=32) for one in NETWORK.layers))
    request = replace(REQUEST, network=floats, recipe=Recipe(epochs=1, batch_size=64))
    folder = export(request, tmp_path / "m", evaluator=evaluator, data=data, claimed={}, formats=["all"])
    assert read_artifact(folder)["description"]["left_out_forms"] == {"c": "a network that takes floats"}
    assert not (folder / "model.c").exists()
