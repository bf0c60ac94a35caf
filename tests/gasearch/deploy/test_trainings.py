"""Trainings outside of a search on the workers of its spec: in this process and on Ray, stopped by signals."""

import os
import signal
import threading
from dataclasses import replace

import pytest
from gasearch_workers.messages import Choices, FailureKind, Task

from gasearch.deploy.trainings import run_trainings
from gasearch.errors import Interrupted
from gasearch.jobs.setup import set_up
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec
from tests.doubles.listening import Listening
from tests.doubles.requests import request_for

AGAIN = "gasearch tune small 0a"
SPEC = {
    "name": "small",
    "seed": 5,
    "task": {"evaluator": "tests.doubles.evaluators:measure"},
    "space": {"family": "custom", "decisions": {name: {"choices": list(range(8))} for name in "abc"}},
    "objectives": {"cost": "min"},
    "budget": {"evaluations": 15},
    "workers": {"count": 0},
}


def asked(*values, key="0a", evaluator="tests.doubles.evaluators:measure"):
    """Requests for one network each, all of the same key and attempt."""
    task = Task(kind=None, evaluator=evaluator)
    return [request_for(Choices(values=(("a", value),)), key=key, task=task, seed=value) for value in values]


def train(requests, *, spec=SPEC, observer=None, **options):
    """The outcomes of a real evaluator, by seed."""
    done = {}
    run_trainings(
        set_up(load_spec(spec)),
        requests,
        again=AGAIN,
        observer=observer or Silent(),
        on_result=lambda request, result: done.setdefault(request.seed, result),
        **options,
    )
    return done


def test_without_workers_it_trains_in_this_process():
    done = train(asked(3, 4))
    assert {seed: dict(result.outcome.others) for seed, result in done.items()} == {
        3: {"cost": 3.0, "seed": 3.0},
        4: {"cost": 4.0, "seed": 4.0},
    }
    assert all(result.worker.endswith(f"/{os.getpid()}") for result in done.values())


def signalled(number, *, times):
    """Requests; this process gets a signal while the second one is asked for."""
    first, *others = asked(1, 2, 3)
    yield first
    for _ in range(times):
        os.kill(os.getpid(), number)
    yield from others


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_after_what_is_in_flight(number):
    observer, handler = Listening(), signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"go on with: {AGAIN}"):
        train(signalled(number, times=1), observer=observer)
    assert observer.notices == ["stopping after the evaluations in flight; once more to stop at once"]
    assert signal.getsignal(number) is handler


def test_a_second_signal_stops_it_at_once():
    with pytest.raises(Interrupted, match=r"stopped at once; .* runs again; go on with"):
        train(signalled(signal.SIGINT, times=2))


def test_in_another_thread_it_minds_no_signals():
    found = []
    thread = threading.Thread(target=lambda: found.append(train(asked(1))))
    thread.start()
    thread.join()
    assert list(found[0]) == [1]


def test_on_ray_it_trains_on_as_many_workers_as_are_asked_for():
    died = asked(9, key="0b", evaluator="tests.doubles.evaluators:dies")
    done = train([*asked(*range(4)), *died], workers=2)
    assert sorted(done) == [0, 1, 2, 3, 9]
    assert done.pop(9).outcome.kind is FailureKind.DIED
    assert {seed: dict(result.outcome.others)["cost"] for seed, result in done.items()} == {0: 0, 1: 1, 2: 2, 3: 3}
    assert all(not result.worker.endswith(f"/{os.getpid()}") for result in done.values())


def test_a_network_of_ours_is_trained_alike_each_time():
    spec = {
        "name": "digits",
        "task": {"dataset": "digits"},
        "space": {"family": "mlp", "layers": [1, 1], "width": [4, 8], "weight_bits": [4]},
        "objectives": {"accuracy": "max", "latency_ms": "min"},
        "recipe": {"epochs": 1},
        "workers": {"count": 0},
    }
    setup = set_up(load_spec(spec))
    network = setup.problem.decode(setup.engine().ask().genome)
    request = replace(request_for(network), recipe=setup.problem.recipe, task=setup.problem.task)
    measured = replace(request, measures=frozenset({"latency_ms"}), seed=2)
    first = train([request], spec=spec)[1].outcome
    both = train([request, measured], spec=spec, calibrations=())
    assert both[1].outcome.accuracy == first.accuracy
    assert first.latency_ms is None
    assert both[2].outcome.latency_ms > 0
