"""The script that holds real searches, part by part, against Optuna's NSGA-II."""

import math
from dataclasses import replace

import optuna
import pytest
from gasearch_workers.messages import CurvePoint, EvaluationResult, Failure, FailureKind, Measurement

from benchmarks import ablation
from benchmarks.ablation import (
    Key,
    Point,
    Results,
    Run,
    common_scaling,
    decide,
    growth,
    make,
    make_setup,
    needed,
    point_of,
    show,
)
from benchmarks.support.timing import Targets
from benchmarks.support.two_workers import VirtualWorkers
from gasearch.space.genome import make_genome

KEY = Key(
    method="optuna-nsga2",
    seed=0,
    evaluations=4,
    epochs=9,
    data="digits",
    data_share=1.0,
    has_latency=False,
    is_virtual=True,
    versions="",
)


def run_of(*wvalues, every=1.0, key=KEY):
    points = [
        Point(
            seconds=(at + 1) * every,
            outcome="measured" if one else "stopped",
            epochs=9.0 if one else 3.0,
            wvalues=one,
        )
        for at, one in enumerate(wvalues)
    ]
    return Run(key=key, points=tuple(points), load=0.5)


@pytest.fixture(scope="module")
def setup():
    return make_setup(KEY)


def result_of(outcome):
    return EvaluationResult(
        key="0a", attempt=1, worker="w", device="cpu", started_at=10.0, finished_at=12.5, outcome=outcome
    )


def test_runs_are_read_back_from_their_file(tmp_path):
    path = tmp_path / "runs.jsonl"
    run = run_of((0.5, -2.0), None)
    Results(path).get_or_make(KEY, lambda: run)
    assert Results(path).get_or_make(KEY, lambda: pytest.fail("made again")) == run


def test_a_stopped_training_costs_its_epochs_and_has_no_worth(setup):
    curve = (CurvePoint(epoch=3.0, train_loss=None, accuracy=0.1),)
    failure = Failure(kind=FailureKind.STOPPED, message="", curve=curve)
    found = point_of(result_of(failure), setup, 10.0)
    assert found == Point(seconds=2.5, outcome="stopped", epochs=3.0, wvalues=None)


def test_a_replicate_costs_its_epochs_and_has_no_worth(setup):
    found = point_of(result_of(Measurement(accuracy=0.9, model_bytes=100)), setup, 10.0, is_replicate=True)
    assert found == Point(seconds=2.5, outcome="replicate", epochs=9.0, wvalues=None)


def test_a_finished_training_counts_with_all_objectives(setup):
    found = point_of(result_of(Measurement(accuracy=0.9, model_bytes=100)), setup, 10.0)
    assert found.wvalues == (0.9, -100.0)


def test_the_cost_is_a_share_of_full_trainings():
    assert run_of((0.5, -2.0), None, None).cost == pytest.approx(15 / 27)


def test_a_stopped_training_adds_no_volume():
    run = run_of((0.5, -2.0), None, (0.9, -1.0))
    curve = growth(run, common_scaling([run]))
    assert curve[0] == curve[1] < curve[2]
    assert needed(run, curve, curve[2]) == (3.0, 3.0)
    assert needed(run, curve, curve[2] + 1.0) == (math.inf, math.inf)


def test_optuna_is_asked_only_for_what_matters(setup):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"depth": 1})
    trial = study.ask()
    genome = make_genome(decide(trial, setup.space), setup.space)
    assert len(setup.problem.decode(genome).layers) == 2  # the head too
    assert not any(name.startswith("layer1.") for name in trial.params)


def test_the_target_is_judged_over_all_pairs_of_seeds(capsys):
    ours = [run_of((0.9, -1.0), every=every, key=replace(KEY, method="gasearch")) for every in (1.0, 2.0)]
    theirs = [run_of((0.5, -2.0), (0.9, -1.0), every=2.0)]
    targets = Targets()
    show({"optuna-nsga2": theirs, "gasearch": ours}, targets)
    with pytest.raises(SystemExit, match=r"last hypervolume must be at most 0.333333; got 0.375"):
        targets.check()
    assert "gasearch" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["optuna-nsga2:4", "gasearch"])
def test_real_trainings_run_on_virtual_workers(setup, monkeypatch, method):
    monkeypatch.setitem(ablation.SPACE, "width", [4])
    key = replace(KEY, method=method, epochs=1, data_share=0.05)
    run = make(key, VirtualWorkers(make_setup(key)))
    assert len(run.points) == 4
    assert run.count("measured") >= 3
    assert [point.seconds for point in run.points] == sorted(point.seconds for point in run.points)
