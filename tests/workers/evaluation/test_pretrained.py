"""A trained network of the user's, found, checked and evaluated."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.pretrained import PretrainedError, with_pretrained
from gasearch_workers.messages import Failure, Measurement, Recipe, network_from_json
from gasearch_workers.sandbox.data_file import make_folder, open_data, read_data

from tests.doubles.requests import request_for
from tests.workers.trained_modules import dense, of_table, residual, saved, settled, trained

HERE = "tests.workers.trained_modules"


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def data(digits, tmp_path_factory):
    x, y = torch.from_numpy(digits.train.x).float() / 16, torch.from_numpy(digits.train.y)
    path = trained(dense, tmp_path_factory.mktemp("weights"), x, y)
    return with_pretrained(digits, f"{HERE}:dense", path, deviation=(16.0,))


def with_bits(data, bits):
    network = network_from_json(data.pretrained.network)
    flatten, hidden, head = network.layers
    layers = (flatten, replace(hidden, weight_bits=bits, activation_bits=8), replace(head, weight_bits=bits))
    return replace(network, layers=layers)


@pytest.mark.parametrize("epochs", [0, 1])
def test_an_evaluation_begins_with_the_trained_weights(data, epochs) -> None:
    request = request_for(with_bits(data, 8), recipe=Recipe(epochs=epochs))
    outcome = Evaluator(data).evaluate(request).outcome
    assert isinstance(outcome, Measurement)
    assert outcome.accuracy > 0.9
    assert outcome.model_bytes < 2000
    assert len(outcome.curve) == epochs


def test_workers_get_arrays_and_no_module(data) -> None:
    descriptor = open_data(data, make_folder())
    found = read_data(descriptor).pretrained
    assert found.network == data.pretrained.network
    assert [(a == b).all() for a, b in zip(found.weights, data.pretrained.weights, strict=True)] == [True, True]


def test_another_trained_network_than_the_search_began_with_is_a_failure(data, digits) -> None:
    request = request_for(replace(with_bits(data, 8), trained="0" * 16))
    for given in (data, digits):
        outcome = Evaluator(given).evaluate(request).outcome
        assert isinstance(outcome, Failure)
        assert "begins with the trained network 0000000000000000; loaded is" in outcome.message


def test_a_regression_gives_the_module_s_own_numbers(tmp_path) -> None:
    diabetes = load_dataset("diabetes")
    data = with_pretrained(diabetes, f"{HERE}:of_table", saved(settled(of_table()), tmp_path))
    assert network_from_json(data.pretrained.network).is_regression


def problem(data, function, path, **options):
    with pytest.raises(PretrainedError) as caught:
        with_pretrained(data, function, path, **options)
    return caught.value.key, str(caught.value)


def test_what_makes_no_module_is_named(digits, tmp_path) -> None:
    path = tmp_path / "none.safetensors"
    assert problem(digits, "no_such_package:make", path)[1].startswith("'no_such_package:make' can't be imported")
    assert problem(digits, f"{HERE}:nothing", path)[1].endswith("has no function 'nothing'")
    assert "made str" in problem(digits, f"{HERE}:no_module", path)[1]
    assert problem(digits, f"{HERE}:raising", path) == (
        "module",
        f"{HERE}:raising raised RuntimeError: no weights here",
    )


def test_weights_that_do_not_fit_are_named(digits, tmp_path) -> None:
    key, text = problem(digits, f"{HERE}:dense", tmp_path / "none.safetensors")
    assert key == "weights"
    assert "No such file" in text
    assert "no safetensors file" in problem(digits, f"{HERE}:dense", Path(__file__))[1]
    key, text = problem(digits, f"{HERE}:dense", saved(residual(), tmp_path))
    assert key == "weights"
    assert "it lacks 1.bias, 1.weight" in text
    assert "the module has no classifier.bias" in text
    wide = torch.nn.Sequential(*list(dense())[:4], torch.nn.Linear(16, 12))
    assert "4.weight is (12, 16) and must be (10, 16)" in problem(digits, f"{HERE}:dense", saved(wide, tmp_path))[1]
    broken = dense()
    torch.nn.init.constant_(broken[1].weight, float("nan"))
    assert "no finite number, in 1.weight" in problem(digits, f"{HERE}:dense", saved(broken, tmp_path))[1]


def test_a_module_for_other_data_is_refused(digits, tmp_path) -> None:
    key, text = problem(load_dataset("diabetes"), f"{HERE}:dense", saved(dense(), tmp_path))
    assert (key, "doesn't take samples of the shape (10,)" in text) == ("module", True)
    classes = replace(digits, outputs=12)
    assert "gives 10 outputs; digits needs 12" in problem(classes, f"{HERE}:dense", saved(dense(), tmp_path))[1]


def test_a_normalization_that_does_not_fit_is_refused(digits, tmp_path) -> None:
    path = saved(dense(), tmp_path)
    assert problem(digits, f"{HERE}:dense", path, mean=(1.0, 2.0)) == ("mean", "must be one number; got 2")
    assert problem(digits, f"{HERE}:dense", path, mean=(300.0,))[0] == "mean"


def test_an_operation_without_a_plan_is_refused_by_its_name(digits, tmp_path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.Sigmoid(), torch.nn.Linear(16, 10)
    )
    key, text = problem(digits, f"{HERE}:with_sigmoid", saved(module, tmp_path))
    assert key == "module"
    assert "uses Sigmoid (at 2); supported are Conv2d" in text
