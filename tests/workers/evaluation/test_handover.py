"""The files that a measuring command gets of a network that was just evaluated."""

import json
from dataclasses import replace

import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation.evaluate import Evaluator
from gasearch_workers.evaluation.handover import artifact_files
from gasearch_workers.export.artifact import read_artifact
from gasearch_workers.export.exporters import EXPORTERS, of_one_file
from gasearch_workers.messages import DeviceCommand, FailureKind, Recipe

from tests.doubles.requests import request_for
from tests.workers.evaluation.test_evaluate import mlp

COMMAND = DeviceCommand(arguments=("measure",), metrics=("ram_bytes",), timeout_s=1.0)


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(load_dataset("digits"))


def asked(**changes):
    request = request_for(mlp(), recipe=Recipe(epochs=1, batch_size=64))
    return replace(request, command=replace(COMMAND, **changes))


def test_they_are_an_artifact_that_names_the_network_and_knows_nothing_of_the_test_split(evaluator, tmp_path):
    request = asked()
    result, prepared = evaluator.prepare(request)
    for name, content in prepared.files:
        (tmp_path / name).write_bytes(content)
    found = read_artifact(tmp_path)
    assert found["description"]["key"] == request.key
    assert found["description"]["claimed"]["accuracy"] == result.outcome.accuracy
    assert found["files"]["model.gap"]["bytes"] == result.outcome.model_bytes
    assert "test" not in json.dumps(found["description"])
    assert (prepared.command, prepared.is_timed, prepared.graph) == (request.command, False, b"")


def test_the_same_network_gives_the_same_bytes(evaluator):
    request = asked()
    trained = evaluator.train(request)
    first, second = (
        {
            name: content
            for name, content in artifact_files(request, trained, load_dataset("digits"))
            if name != "model.json"
        }
        for _ in range(2)
    )
    assert first == second


def test_without_a_command_nothing_is_handed_over(evaluator):
    assert evaluator.prepare(replace(asked(), command=None))[1] is None
    prepared = evaluator.prepare(replace(asked(), command=None, measures=frozenset({"latency_ms"})))[1]
    assert (prepared.files, prepared.is_timed, prepared.command) == ((), True, None)


def test_a_form_that_can_not_hold_the_network_is_told_before_the_training(evaluator, monkeypatch):
    picky = of_one_file("picky", "model.picky", lambda network: b"", refusal=lambda plan: "a dense layer")
    monkeypatch.setattr(EXPORTERS, "get", lambda name, get=EXPORTERS.get: picky if name == "picky" else get(name))
    result, prepared = evaluator.prepare(asked(formats=("picky",)))
    assert prepared is None
    assert (result.outcome.kind, result.outcome.curve) == (FailureKind.INFEASIBLE, ())
    assert result.outcome.message.startswith("picky can't hold a dense layer; forms that can hold this network: onnx")
