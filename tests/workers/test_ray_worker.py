"""The actor that trains: what it makes of its terms; all else needs Ray."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from gasearch_workers import ray_worker
from gasearch_workers.identity import identity
from gasearch_workers.messages import WorkerTerms
from gasearch_workers.ray_worker import TrainingWorker
from gasearch_workers.sandbox.codec import encode


@pytest.fixture
def made(monkeypatch):
    """The options of the host that a worker makes, on a node of 8 CPUs and 2 GPUs; memory is counted in sharers."""
    made = {}
    ray = SimpleNamespace(
        get=lambda reference: None,
        get_runtime_context=lambda: SimpleNamespace(get_node_id=lambda: "here"),
        nodes=lambda: [
            {"NodeID": "there", "Resources": {}},
            {"NodeID": "here", "Resources": {"CPU": 8.0, "GPU": 2.0}},
        ],
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(ray_worker, "TrialHost", lambda data, **options: made.update(options))
    monkeypatch.setattr(ray_worker, "share_of_memory", lambda sharers: sharers)
    return made


def begin(terms, controller=None):
    TrainingWorker(controller or identity(), ["a reference"], "cpu", encode(terms))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (WorkerTerms(neighbours=3), 3),
        (WorkerTerms(neighbours=1, cpus=0), 1),
        (WorkerTerms(neighbours=64, cpus=2), 4),
        (WorkerTerms(neighbours=64, cpus=0, gpus=0.25), 8),
        (WorkerTerms(neighbours=64, cpus=16), 1),
        (WorkerTerms(neighbours=3, shares_memory=False), None),
    ],
)
def test_a_worker_shares_its_node_with_those_that_it_has_room_for(terms, expected, made):
    begin(terms)
    assert made["memory_limit_bytes"] == expected


@pytest.mark.parametrize(("cpus", "expected"), [(0.5, 0), (1.0, 1), (2.5, 2)])
def test_a_worker_hands_its_cpus_on(cpus, expected, made):
    begin(WorkerTerms(cpus=cpus))
    assert made["threads"] == expected  # the host takes 1 at least


def test_a_worker_of_a_controller_with_other_messages_begins_nothing(made):
    begin(WorkerTerms(), identity() | {"messages": "other"})
    assert made == {}


def test_a_worker_itself_loads_no_training_library():
    code = (
        "import sys, gasearch_workers.ray_worker; "
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
