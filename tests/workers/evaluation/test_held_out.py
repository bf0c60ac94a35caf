import copy
import json
import os

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.data.dataset import DataError
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.export import export
from gasearch_workers.evaluation.held_out import held_out
from gasearch_workers.export.artifact import ArtifactError, read_artifact
from gasearch_workers.messages import Blueprint, Layer, Recipe

from tests.doubles.requests import request_for

NETWORK = Blueprint(family="mlp", input_shape=(1, 8, 8), layers=(Layer(kind="linear", width=10, weight_bits=8),))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    data = load_dataset("digits")
    request = request_for(NETWORK, recipe=Recipe(epochs=1))
    folder = tmp_path_factory.mktemp("held") / "model"
    origin = {"source": {"dataset": "digits", "options": {"kind": "classification", "features": [], "colour": "red"}}}
    export(request, folder, evaluator=Evaluator(data), data=data, claimed={}, provenance=origin)
    return folder, read_artifact(folder)


def changed(content, path, value):
    content = copy.deepcopy(content)
    *before, last = path.split(".")
    place = content
    for name in before:
        place = place[name]
    place[last] = value
    return content


def test_the_test_split_is_that_of_the_data(artifact):
    found = held_out(*artifact)
    np.testing.assert_array_equal(found.split.x, load_dataset("digits").test.x)
    assert (found.source, found.is_same) == ("digits", True)


def test_without_a_source_a_set_that_comes_along_is_found_by_its_name(artifact):
    folder, content = artifact
    assert held_out(folder, changed(content, "description.provenance", {})).is_same
    unknown = changed(changed(content, "description.provenance", {}), "description.data.name", "mine")
    with pytest.raises(
        DataError, match=r"no test split: where the data mine lie only the database of its search knows; .*--data"
    ):
        held_out(folder, unknown)


def test_data_that_are_gone_or_others_now_are_named_with_what_to_do(artifact):
    folder, content = artifact
    gone = {"dataset": "/nowhere/set.npz", "options": {}}
    with pytest.raises(DataError, match=r"no test split: .*nowhere/set.npz.*; name a file of test .* --data"):
        held_out(folder, content, source=gone)
    other = changed(content, "description.data.fingerprint", "f00d")
    with pytest.raises(DataError, match=r"data with the fingerprint f00d, digits now has \w{16}; name a file"):
        held_out(folder, other)


def test_a_file_of_the_same_samples_is_known(artifact, tmp_path):
    test = load_dataset("digits").test
    np.savez(tmp_path / "same.npz", x_train=test.x, y_train=test.y)
    np.savez(tmp_path / "fewer.npz", x_train=test.x[:100], y_train=test.y[:100])
    same, fewer = (held_out(*artifact, str(tmp_path / f"{name}.npz")) for name in ("same", "fewer"))
    assert (same.is_same, fewer.is_same, len(fewer.split)) == (True, False, 100)
    assert same.source == str(tmp_path / "same.npz")


def test_a_description_that_does_not_say_its_task_is_refused(artifact, tmp_path):
    folder, content = artifact
    with pytest.raises(ArtifactError, match="doesn't say what the network is for"):
        held_out(folder, changed(content, "description.data", json.loads("{}")), "x.npz")


@pytest.mark.parametrize("name", ["/etc/passwd", "../vocabulary.json", "vocabulary.json"])
def test_a_vocabulary_is_a_file_of_the_folder_that_was_hashed(artifact, tmp_path, name):
    folder, content = artifact
    np.savez(tmp_path / "x.npz", x_train=np.zeros((3, 8, 8), np.uint8), y_train=np.arange(3))
    with pytest.raises(ArtifactError, match=r"must name vocabulary.json, one of its files, as its vocabulary"):
        held_out(folder, changed(content, "input.vocabulary", name), str(tmp_path / "x.npz"))


def test_a_path_in_a_stranger_s_description_is_not_followed(artifact, tmp_path):
    folder, content = artifact
    os.mkfifo(tmp_path / "set.npz")  # whoever opens it waits forever
    led = changed(content, "description.provenance.source.dataset", str(tmp_path / "set.npz"))
    with pytest.raises(DataError, match=r"no test split: where the data .*set.npz lie only the database"):
        held_out(folder, led)
    led = changed(content, "description.provenance.source.options.test", str(tmp_path / "set.npz"))
    assert held_out(folder, led).is_same
