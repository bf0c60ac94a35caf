"""Teachers: files that fit the data and files that don't, and the one that is trained here once."""

from dataclasses import replace

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation import teacher as module
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.evaluation.teacher import (
    TeacherError,
    at_full_precision,
    output_shape,
    run_teacher,
    train_teacher,
    with_teacher,
)
from gasearch_workers.messages import Blueprint, Layer, Recipe
from onnx import TensorProto, helper, save

from tests.doubles.requests import request_for

RECIPE = Recipe(epochs=2, batch_size=32, teacher="largest", distill_weight=0.5)


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


def mlp(width=32, **changes):
    layers = (Layer(kind="linear", width=width, **changes), Layer(kind="linear", width=10, **changes))
    return Blueprint(family="mlp", input_shape=(1, 8, 8), layers=layers)


def write_onnx(path, *, shape=(1, 8, 8), outputs=10, element=TensorProto.UINT8, scale=1.0):
    """A graph that casts, flattens and multiplies by ones."""
    inputs = int(np.prod(shape))
    weight = np.full((inputs, outputs), scale, dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["real"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        ],
        "teacher",
        [helper.make_tensor_value_info("input", element, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.flatten())],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


# --- from a file ------------------------------------------------------------------------------------------------


def test_an_onnx_file_answers_for_each_training_sample(data, tmp_path):
    found = run_teacher(write_onnx(tmp_path / "t.onnx"), data)
    assert (found.shape, found.dtype) == (output_shape(data), np.float32)
    np.testing.assert_allclose(found[:, 3], data.train.x.reshape(len(data.train), -1).sum(axis=1, dtype=np.float64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"shape": (1, 9, 9)},
            r"takes samples of shape \(1, 9, 9\) in uint8; the data have shape \(1, 8, 8\) in uint8",
        ),
        ({"shape": (64,)}, r"takes samples of shape \(64,\) in uint8; the data have shape \(1, 8, 8\)"),
        ({"element": TensorProto.FLOAT}, r"in float32; the data have shape \(1, 8, 8\) in uint8"),
        ({"outputs": 4}, r"gives outputs of shape \(4,\); the task needs \(10,\)"),
        ({"scale": np.inf}, r"gives outputs that are no finite numbers"),
    ],
)
def test_a_teacher_of_another_shape_is_refused_with_both_shapes(data, tmp_path, changes, message):
    with pytest.raises(TeacherError, match=message):
        run_teacher(write_onnx(tmp_path / "t.onnx", **changes), data)


def test_a_file_that_is_no_graph_is_refused(data, tmp_path):
    (tmp_path / "t.onnx").write_bytes(b"hello")
    with pytest.raises(TeacherError, match=r"t\.onnx is no graph that ONNX Runtime runs"):
        run_teacher(tmp_path / "t.onnx", data)


@pytest.mark.parametrize(("name", "message"), [("gone.onnx", "No such file"), ("", "is no exported network")])
def test_what_is_not_there_is_refused(data, tmp_path, name, message):
    with pytest.raises(TeacherError, match=message):
        run_teacher(tmp_path / name, data)


def test_an_exported_network_teaches_what_its_graph_answers(data, tmp_path):
    request = request_for(mlp(weight_bits=8), recipe=Recipe(epochs=4, batch_size=32))
    folder = export(request, tmp_path / "model", evaluator=Evaluator(data), data=data, claimed={})
    found = run_teacher(folder, data)
    assert (found.argmax(axis=1) == data.train.y).mean() > 0.8
    with pytest.raises(TeacherError, match=r"was trained on codes of the numbers \(\); the data have \(5,\)"):
        run_teacher(folder, replace(data, categories=(5,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("bad", "good")}, r"its output 0 stands for 'no', that of the data for 'bad'"),
        (
            {"vocabularies": (("<padding>", "<unknown>", "b", "a"),)},
            r"its code 2 stands for 'a', that of the data for 'b'",
        ),
    ],
)
def test_a_teacher_whose_numbers_stand_for_something_else_is_refused(tmp_path, changes, message):
    rows = [f"{'a' if number % 2 else 'a a b'}\t{'yes' if number % 2 else 'no'}" for number in range(60)]
    (tmp_path / "own.tsv").write_text("\n".join(["text\tlabel", *rows]))
    own = load_dataset(str(tmp_path / "own.tsv"))
    layers = (Layer(kind="embedding", width=4), Layer(kind="linear", width=2))
    network = Blueprint(family="text", input_shape=own.input_shape, layers=layers, categories=own.categories)
    folder = export(request_for(network), tmp_path / "model", evaluator=Evaluator(own), data=own, claimed={})
    assert run_teacher(folder, own).shape == output_shape(own)
    with pytest.raises(TeacherError, match=message):
        run_teacher(folder, replace(own, **changes))


# --- trained here -----------------------------------------------------------------------------------------------


def trained(data, folder, *, recipe=RECIPE, seed=1, network=None, notice=lambda text: None):
    return train_teacher(network or mlp(), data, recipe, seed=seed, device="cpu", folder=folder, notice=notice)


def test_a_teacher_is_trained_once_and_then_read(data, tmp_path, monkeypatch):
    notices: list[str] = []
    first = trained(data, tmp_path / "cache", notice=notices.append)
    assert notices == ["training the teacher: the largest network of the space, once"]
    assert (first.argmax(axis=1) == data.train.y).mean() > 0.8
    monkeypatch.setattr(module, "Evaluator", lambda *_, **__: pytest.fail("it was trained again"))
    np.testing.assert_array_equal(trained(data, tmp_path / "cache", notice=notices.append), first)
    assert len(notices) == 1
    [kept] = (tmp_path / "cache").iterdir()
    assert kept.suffix == ".npy"


@pytest.mark.parametrize("changes", [{"seed": 2}, {"recipe": replace(RECIPE, epochs=1)}, {"network": mlp(16)}], ids=str)
def test_another_network_recipe_or_seed_is_another_teacher(data, tmp_path, changes):
    trained(data, tmp_path)
    trained(data, tmp_path, **changes)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_damaged_file_is_made_again(data, tmp_path, content):
    first = trained(data, tmp_path)
    [kept] = tmp_path.iterdir()
    kept.write_bytes(content)
    np.testing.assert_array_equal(trained(data, tmp_path), first)
    np.testing.assert_array_equal(np.load(kept), first)


def test_a_cache_that_can_t_be_written_costs_a_notice(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    notices: list[str] = []
    assert trained(data, tmp_path / "file", notice=notices.append).shape == output_shape(data)
    assert "it is trained again next time" in notices[-1]


def test_a_teacher_that_diverges_is_refused(data, tmp_path):
    wild = replace(RECIPE, optimizer="sgd", learning_rate=1e9)
    with pytest.raises(TeacherError, match=r"can't be trained as a teacher: the .* became"):
        trained(data, tmp_path, recipe=wild, network=mlp(weight_bits=32))


def test_full_precision_is_without_all_that_makes_a_network_small():
    small = mlp(weight_bits=2, activation_bits=4, sparsity=0.5, rank=0.25)
    assert at_full_precision(small) == mlp()


# --- and the students -------------------------------------------------------------------------------------------


def test_a_student_follows_its_teacher(data):
    """A teacher that calls every digit the next one: who listens to it alone learns that."""
    wrong = np.eye(10, dtype=np.float32)[(data.train.y + 1) % 10] * 10
    evaluator = Evaluator(with_teacher(data, wrong))
    recipe = replace(RECIPE, epochs=6, distill_weight=1.0)
    misled = evaluator.evaluate(request_for(mlp(), recipe=recipe)).outcome
    told = evaluator.evaluate(request_for(mlp(), recipe=replace(recipe, distill_weight=0.0))).outcome
    assert misled.accuracy < 0.1
    assert told.accuracy > 0.8


def test_the_fingerprint_of_the_data_does_not_depend_on_the_teacher(data):
    distilled = with_teacher(data, np.zeros((len(data.train), 10), dtype=np.float32))
    assert distilled.fingerprint == data.fingerprint
    assert distilled.describe() == data.describe()
    assert (distilled.validation.teacher, distilled.test.teacher) == (None, None)
