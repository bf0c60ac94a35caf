"""Weights kept for the children: whole or not there, and plain arrays only."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from gasearch_workers.data import load_dataset
from gasearch_workers.data.normalize import fit_input
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.messages import Blueprint, Layer, Recipe
from gasearch_workers.modules.build import build
from gasearch_workers.network.plan import plan
from gasearch_workers.training.weights import find_parent, save_weights

from tests.doubles.requests import request_for

RECIPE = Recipe(epochs=1, batch_size=64, is_inheriting=True)


def blueprint(width=8, **changes):
    layers = (Layer(kind="linear", width=width, weight_bits=4, activation_bits=8, **changes),)
    return Blueprint(family="mlp", input_shape=(1, 8, 8), layers=(*layers, Layer(kind="linear", width=10)))


def network(seed=0):
    steps = plan(blueprint())
    return build(steps, fit_input(np.zeros((2, 1, 8, 8), np.uint8), input_bits=steps.input_bits), seed=seed)


def test_weights_come_back_as_they_were(tmp_path):
    saved = network()
    save_weights(tmp_path / "new", "0a", saved, images_seen=120)
    found = find_parent(tmp_path / "new", ("0a",))
    assert found.images_seen == 120
    assert found.weights.keys() == saved.state_dict().keys()
    assert all(torch.equal(found.weights[name], value) for name, value in saved.state_dict().items())


def test_the_first_parent_that_is_there_is_taken(tmp_path):
    for images_seen, key in enumerate(("0b", "0c")):
        save_weights(tmp_path, key, network(), images_seen=images_seen)
    assert find_parent(tmp_path, ("0a", "0c", "0b")).images_seen == 1


@pytest.mark.parametrize("parents", [(), ("0a", "0b")])
def test_parents_that_left_nothing_are_no_error(tmp_path, parents):
    assert find_parent(tmp_path / "nowhere", parents) is None


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive", npy(), pickle.dumps({"weight": 1})])
def test_a_damaged_file_is_passed_over(tmp_path, content):
    (tmp_path / "0a.npz").write_bytes(content)
    save_weights(tmp_path, "0b", network(), images_seen=5)
    assert find_parent(tmp_path, ("0a", "0b")).images_seen == 5


def test_objects_in_a_file_are_not_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    with (tmp_path / "0a.npz").open("wb") as file:
        np.savez(file, weight=np.array([Trap()], dtype=object), images_seen=np.int64(1))
    assert find_parent(tmp_path, ("0a",)) is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    save_weights(tmp_path, "0a", network(), images_seen=1)

    def fail(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        save_weights(tmp_path, "0a", network(), images_seen=2)
    assert [path.name for path in tmp_path.iterdir()] == ["0a.npz"]
    assert find_parent(tmp_path, ("0a",)).images_seen == 1


# --- in an evaluation -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(load_dataset("digits"))


def measured(evaluator, folder, *, key="0b", parents=(), recipe=RECIPE, network=None):
    request = replace(
        request_for(network or blueprint(), key=key, recipe=recipe), parents=parents, weights_folder=str(folder)
    )
    return evaluator.evaluate(request).outcome


def test_a_child_begins_where_its_parent_ended_and_counts_its_images(evaluator, tmp_path):
    parent = measured(evaluator, tmp_path, key="0a")
    child = measured(evaluator, tmp_path, parents=("0a",), network=blueprint(16))
    orphan = measured(evaluator, tmp_path, parents=("0c",), network=blueprint(16))
    assert (parent.images_seen, child.images_seen, orphan.images_seen) == (1150, 2300, 1150)
    assert child.curve[0].train_loss < 0.9 * orphan.curve[0].train_loss
    assert {path.name for path in tmp_path.iterdir()} == {"0a.npz", "0b.npz"}
    assert find_parent(tmp_path, ("0b",)).images_seen == 1150  # of the orphan, the newest


def test_a_pruned_parent_passes_on_what_is_left_of_it(evaluator, tmp_path):
    measured(evaluator, tmp_path, key="0a", network=blueprint(16, sparsity=0.5))
    child = measured(evaluator, tmp_path, parents=("0a",), network=blueprint(16, sparsity=0.5))
    assert child.images_seen == 2300


def test_without_inheritance_nothing_is_read_or_kept(evaluator, tmp_path):
    save_weights(tmp_path, "0a", network(), images_seen=7)
    recipe = Recipe(epochs=1, batch_size=64)
    assert measured(evaluator, tmp_path, parents=("0a",), recipe=recipe).images_seen == 1150
    assert [path.name for path in tmp_path.iterdir()] == ["0a.npz"]


def test_the_same_parents_give_the_same_child(evaluator, tmp_path):
    measured(evaluator, tmp_path, key="0a")
    first, again = (measured(evaluator, tmp_path, parents=("0a",)) for _ in range(2))
    assert first.curve == again.curve
