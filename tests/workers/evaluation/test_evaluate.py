"""A whole evaluation: what it measures, that it repeats bit for bit, and its typed failures."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from gasearch_workers.data import load_dataset
from gasearch_workers.evaluation import evaluate as module
from gasearch_workers.evaluation.evaluate import Evaluator, versions
from gasearch_workers.export.onnx_graph import to_onnx
from gasearch_workers.export.packed import pack, unpack
from gasearch_workers.measure import meter
from gasearch_workers.messages import (
    Blueprint,
    Calibration,
    Failure,
    FailureKind,
    Fidelity,
    Layer,
    Measurement,
    Recipe,
    StoppingPoint,
    StoppingRule,
    network_to_json,
)
from gasearch_workers.network.plan import plan
from gasearch_workers.training.memory import scoring_bytes, training_bytes
from gasearch_workers.training.resident import target_of

from tests.doubles.requests import custom_request, request_for
from tests.workers.graph_checks import graph_scores

RECIPE = Recipe(epochs=2, batch_size=16)


def mlp(width=16, *, input_shape=(1, 8, 8), classes=10):
    return Blueprint(
        family="mlp",
        input_shape=input_shape,
        layers=(
            Layer(kind="linear", width=width, weight_bits=4, activation_bits=8),
            Layer(kind="linear", width=classes, weight_bits=8),
        ),
    )


def cnn():
    return Blueprint(
        family="cnn",
        input_shape=(1, 8, 8),
        layers=(
            Layer(kind="conv", width=8, kernel=3, weight_bits=8, activation_bits=4),
            Layer(kind="residual", width=8, kernel=3, stride=2, weight_bits=3, activation_bits=8),
            Layer(kind="linear", width=10, weight_bits=8),
        ),
    )


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def evaluator(data):
    return Evaluator(data)


def outcome_of(evaluator, request):
    return evaluator.evaluate(request).outcome


@pytest.mark.parametrize("network", [mlp(), cnn()], ids=["mlp", "cnn"])
def test_an_evaluation_measures_what_the_lowered_network_shows(evaluator, data, network):
    trained = evaluator.train(request_for(network, recipe=RECIPE))
    measured = trained.measurement
    graph = to_onnx(trained.network).SerializeToString()
    shown = graph_scores(graph, data.validation, target_of(data))
    assert measured.accuracy == pytest.approx(shown["accuracy"], abs=0.01)
    assert measured.macro_f1 == pytest.approx(shown["macro_f1"], abs=0.01)
    assert measured.auc == pytest.approx(shown["auc"], abs=0.01)
    assert (measured.rmse, measured.entity_f1) == (None, None)
    assert measured.accuracy > 0.4
    assert measured.model_bytes == len(pack(trained.network))
    assert measured.metrics()["flops"] == 2 * measured.macs
    assert measured.params > 0
    assert measured.bops > 0
    assert measured.train_seconds > 0
    assert -0.3 < measured.generalization_gap < 0.3
    assert measured.peak_memory_bytes > 0
    assert (measured.energy_j > 0, measured.energy_source) == (True, "estimate")
    assert measured.images_seen == 2 * len(data.train)
    assert [point.epoch for point in measured.curve] == [1, 2]
    assert measured.curve[-1].accuracy == measured.accuracy
    assert measured.curve[1].train_loss < measured.curve[0].train_loss
    assert measured.latency_ms is None


def test_the_gap_is_taken_on_samples_that_were_shown(evaluator):
    request = request_for(mlp(32), recipe=Recipe(epochs=60, batch_size=8, learning_rate=0.01))
    measured = outcome_of(evaluator, replace(request, fidelity=Fidelity(epochs=60, data_share=0.03)))
    assert measured.accuracy < 0.9
    assert measured.accuracy + measured.generalization_gap > 0.97  # These few it knows by heart.


def test_the_final_form_is_the_network_with_its_scores_on_the_test_split(evaluator, data):
    request = replace(request_for(cnn(), recipe=RECIPE), is_final=True)
    result = evaluator.evaluate(request)
    network = unpack(result.final.packed)
    assert len(result.final.packed) == result.outcome.model_bytes
    shown = graph_scores(to_onnx(network).SerializeToString(), data.test, target_of(data))
    assert dict(result.final.test) == pytest.approx(shown, abs=0.01)
    again = evaluator.evaluate(replace(request, is_final=False))
    assert again.final is None
    assert replace(again.outcome, train_seconds=0.0) == replace(result.outcome, train_seconds=0.0)


def test_the_test_split_is_read_for_the_final_form_alone(data):
    unreadable = replace(data, test=replace(data.test, x=data.test.x[:, :, :3]))  # no such image
    evaluator = Evaluator(unreadable)
    request = request_for(mlp(), recipe=RECIPE)
    assert isinstance(outcome_of(evaluator, request), Measurement)
    failed = evaluator.evaluate(replace(request, is_final=True))
    assert (failed.outcome.kind, failed.final) == (FailureKind.CRASHED, None)


def test_an_evaluation_says_who_made_it_and_on_what(evaluator):
    result = evaluator.evaluate(request_for(mlp(), attempt=2, recipe=RECIPE))
    assert (result.key, result.attempt, result.device) == ("0a", 2, "cpu")
    assert result.versions == versions()
    assert "torch 2." in result.versions
    assert result.finished_at >= result.started_at


def test_latency_is_measured_only_where_it_is_asked_for(evaluator):
    calibration = evaluator.calibrate(())
    request = request_for(mlp(), recipe=Recipe(epochs=1), measures=frozenset({"latency_ms"}), calibration=calibration)
    measured = outcome_of(evaluator, request)
    assert measured.latency_ms > 0
    assert measured.latency_spread_ms >= 0
    assert measured.latency_device == calibration.device
    assert outcome_of(evaluator, replace(request, measures=frozenset())).latency_ms is None


def test_a_reference_latency_is_kept_for_its_device_and_never_used_on_another(evaluator):
    known = Calibration(device=evaluator.calibrate(()).device, reference_latency_ms=123.0)
    other = Calibration(device="another", reference_latency_ms=0.01)
    assert evaluator.calibrate((other, known)) is known
    assert evaluator.calibrate((other,)).device == known.device
    outcome = outcome_of(evaluator, request_for(mlp(), measures=frozenset({"latency_ms"}), calibration=other))
    assert outcome.kind is FailureKind.CRASHED
    assert "another" in outcome.message


def test_the_same_request_gives_the_same_measurement_in_another_process(evaluator):
    code = (
        "import json, sys\n"
        "from dataclasses import asdict\n"
        "from tests.doubles.requests import request_for\n"
        "from gasearch_workers.data import load_dataset\n"
        "from gasearch_workers.evaluation.evaluate import Evaluator\n"
        "from gasearch_workers.messages import Recipe, network_from_json\n"
        "request = request_for(network_from_json(sys.argv[1]), recipe=Recipe(epochs=2, batch_size=16), seed=5)\n"
        "print(json.dumps(asdict(Evaluator(load_dataset('digits')).evaluate(request).outcome)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, network_to_json(cnn())],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    there = json.loads(run.stdout)
    here = json.loads(json.dumps(asdict(outcome_of(evaluator, request_for(cnn(), recipe=RECIPE, seed=5)))))
    for measured in (here, there):
        assert measured.pop("train_seconds") > 0
    assert there == here
    other = outcome_of(evaluator, request_for(cnn(), recipe=RECIPE, seed=6))
    assert other.curve[0].train_loss != here["curve"][0]["train_loss"]


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {
                "recipe": Recipe(
                    epochs=4, batch_size=16, optimizer="sgd", learning_rate=10, weight_decay=0.9, schedule="constant"
                )
            },
            FailureKind.DIVERGED,
            "at learning rate 10",
        ),
        ({"time_limit_s": 1e-6}, FailureKind.TIMED_OUT, "training passed its limit of 1e-06 s in epoch 1 of 1"),
        ({"recipe": Recipe(batch_size=1)}, FailureKind.CRASHED, "ValueError: batches must hold at least 2 samples"),
    ],
)
def test_a_training_that_fails_says_how(evaluator, changes, kind, message):
    outcome = outcome_of(evaluator, request_for(mlp(), **changes))
    assert isinstance(outcome, Failure)
    assert outcome.kind is kind
    assert message in outcome.message
    assert "\n" not in outcome.message


def test_a_network_that_can_t_be_is_infeasible(evaluator):
    wrong = replace(cnn(), input_shape=(64,))
    outcome = outcome_of(evaluator, request_for(wrong))
    assert outcome.kind is FailureKind.INFEASIBLE


def test_a_network_beyond_the_memory_is_refused_before_it_is_built(evaluator, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 10**9)
    monkeypatch.setattr(module, "build", lambda *_, **__: pytest.fail("it was built"))
    outcome = outcome_of(evaluator, request_for(mlp(100_000_000)))
    assert outcome.kind is FailureKind.OUT_OF_MEMORY
    assert "GB at batch size 128; 1.0 GB are free" in outcome.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("no room"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("shapes do not match"), FailureKind.CRASHED),
        (KeyError("layer"), FailureKind.CRASHED),
    ],
)
def test_an_exception_in_the_middle_is_sorted_into_its_kind(evaluator, monkeypatch, error, kind):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(module, "train", fail)
    outcome = outcome_of(evaluator, request_for(mlp()))
    assert outcome.kind is kind
    assert str(error.args[0]) in outcome.message


def test_memory_that_a_gpu_lacks_is_out_of_memory_too(evaluator, monkeypatch):
    import torch

    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "train", fail)
    failed = outcome_of(evaluator, request_for(mlp()))
    assert (failed.kind, failed.message) == (
        FailureKind.OUT_OF_MEMORY,
        "no memory left while building or scoring: CUDA out of memory",
    )
    assert "in fail\n" in failed.traceback


def test_what_scoring_needs_is_refused_before_the_training(evaluator, monkeypatch):
    hidden = Layer(kind="conv", width=4096, weight_bits=8, activation_bits=8)
    wide = replace(cnn(), layers=(hidden, cnn().layers[-1]))
    shown = scoring_bytes(plan(wide), samples=256), training_bytes(plan(wide), batch_size=8)
    assert shown[0] > 2 * shown[1]
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("it was trained"))
    request = replace(request_for(wide, recipe=Recipe(epochs=1, batch_size=8)), memory_limit_bytes=shown[0] - 1)
    outcome = outcome_of(evaluator, request)
    assert outcome.kind is FailureKind.OUT_OF_MEMORY
    assert re.match(r"scoring needs at least .* GB for 256 samples at a time; its limit is .*limit", outcome.message)


def test_a_graph_that_does_not_run_is_a_crash_of_its_evaluation(evaluator, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(meter, "measure_latency", fail)
    calibration = Calibration(device="test", reference_latency_ms=0.01)
    request = request_for(mlp(), measures=frozenset({"latency_ms"}), calibration=calibration)
    failed = outcome_of(evaluator, request)
    assert (failed.kind, failed.message) == (FailureKind.CRASHED, "RuntimeError: no kernel")


def test_choices_are_no_network_to_train(evaluator):
    failed = outcome_of(evaluator, custom_request(a=1))
    assert (failed.kind, failed.message) == (
        FailureKind.CRASHED,
        "TypeError: training needs a blueprint; got Choices",
    )


def test_a_failure_leaves_the_evaluator_fit_for_the_next_request(evaluator):
    outcome_of(evaluator, request_for(mlp(), time_limit_s=1e-6))
    first = outcome_of(evaluator, request_for(mlp(), recipe=RECIPE))
    assert isinstance(first, Measurement)
    assert np.isfinite(first.accuracy)


# --- stopped early ----------------------------------------------------------------------------------------------


def stopping(worst, *, size=-500.0):
    return StoppingRule(
        objectives=(("accuracy", True), ("model_bytes", False)),
        known=(None, size),
        points=(StoppingPoint(step=0.5, ends=((1.0, 0.0), (1.0, 0.0))),),
        front=((worst, -400.0),),
    )


def test_a_hopeless_training_is_a_failure_that_says_why_and_keeps_its_curve(evaluator, tmp_path):
    recipe = replace(RECIPE, is_inheriting=True)
    request = replace(request_for(mlp(), recipe=recipe), stopping=stopping(2.0), weights_folder=str(tmp_path))
    stopped = outcome_of(evaluator, request)
    assert (stopped.kind, stopped.is_retryable) == (FailureKind.STOPPED, False)
    assert stopped.message.endswith("model_bytes 500 at best, and a finished network has accuracy 2, model_bytes 400")
    assert [point.epoch for point in stopped.curve] == [0.5]
    assert dict(stopped.curve[0].metrics) == {"accuracy": stopped.curve[0].accuracy}
    assert list(tmp_path.iterdir()) == []  # It has no children.


def test_a_training_that_passes_its_rungs_measures_as_if_there_were_none(evaluator):
    plain = outcome_of(evaluator, request_for(mlp(), recipe=RECIPE))
    passed = outcome_of(evaluator, replace(request_for(mlp(), recipe=RECIPE), stopping=stopping(2.0, size=-300.0)))
    assert [point.epoch for point in passed.curve] == [0.5, 1, 2]
    assert replace(passed, curve=plain.curve, train_seconds=plain.train_seconds) == plain
