"""What a trained network loses, decision by decision."""

import pytest
import torch
from gasearch_workers.data import load_dataset

from gasearch.errors import BadInput
from gasearch.jobs.sensitivity import Reduced, Sensitivity, measure_sensitivity
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from tests.gasearch.spec.spec_samples import CNN
from tests.workers.trained_modules import dense, trained


def spec_of(path, **space):
    return load_spec(
        {
            "name": "bits",
            "space": {
                "family": "bits",
                "module": "tests.workers.trained_modules:dense",
                "weights": str(path),
                "deviation": 16,
                "weight_bits": [1, 8],
            }
            | space,
            "objectives": {"accuracy": "max", "model_bytes": "min"},
            "recipe": {"epochs": 3},
        }
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    data = load_dataset("digits")
    x, y = torch.from_numpy(data.train.x).float() / 16, torch.from_numpy(data.train.y)
    path = trained(dense, tmp_path_factory.mktemp("weights"), x, y)
    return measure_sensitivity(spec_of(path, activation_bits=[2, 8]), observer=Silent())


def test_each_decision_is_tried_alone_at_each_fewer_bits(found) -> None:
    assert [(row.decision, row.bits) for row in found.rows] == [
        ("layer1.weight_bits", 1),
        ("layer1.activation_bits", 2),
        ("head.weight_bits", 1),
    ]
    assert (found.metric, found.score > 0.9) == ("accuracy", True)
    assert dict(found.most) == {"layer1.weight_bits": 8, "layer1.activation_bits": 8, "head.weight_bits": 8}


def test_fewer_bits_cost_score_and_save_bytes(found) -> None:
    hidden, activations, head = found.rows
    assert hidden.drop == pytest.approx(found.score - hidden.score)
    assert hidden.output_error > 0.01
    assert hidden.saved_bytes == 64 * 16 * 7 / 8
    assert head.saved_bytes == 16 * 10 * 7 / 8
    assert activations.saved_bytes == 0
    assert hidden.model_bytes == found.model_bytes - hidden.saved_bytes


def row(decision, bits, error, saved):
    return Reduced(
        decision=decision, bits=bits, score=0.9, drop=0.0, output_error=error, model_bytes=0, saved_bytes=saved
    )


def test_designs_take_the_step_that_changes_least_per_byte() -> None:
    found = Sensitivity(
        metric="accuracy",
        score=0.9,
        model_bytes=100,
        most={"a": 8, "b": 8, "c": 8},
        rows=(
            row("a", 4, 0.1, 10),
            row("a", 2, 0.3, 15),
            row("b", 4, 0.1, 20),
            row("b", 2, 0.11, 30),
            row("c", 2, 0.0, 0),
        ),
    )
    assert found.designs() == [
        {"a": 8, "b": 8, "c": 8},
        {"a": 8, "b": 4, "c": 8},
        {"a": 8, "b": 2, "c": 8},
        {"a": 4, "b": 2, "c": 8},
        {"a": 2, "b": 2, "c": 8},
    ]
    assert found.designs(2) == [{"a": 8, "b": 8, "c": 8}, {"a": 2, "b": 2, "c": 8}]


def test_another_family_is_refused() -> None:
    with pytest.raises(BadInput, match="sensitivity is of a trained network, family bits; sample has family cnn"):
        measure_sensitivity(load_spec(CNN), observer=Silent())
