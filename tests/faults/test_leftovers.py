"""No evaluation finds what another one left behind in its process."""

import dataclasses
import json
import os
import socket

import pytest
from gasearch_workers.evaluation.custom import CustomEvaluator
from gasearch_workers.messages import Failure, FailureKind, Measurement, StoppingPoint, StoppingRule
from gasearch_workers.sandbox.host import TrialHost

from tests.doubles.careless import LEAVES
from tests.doubles.requests import custom_request


def request(name, **choices):
    made = custom_request(evaluator=f"tests.doubles.careless:{name}", **choices)
    return dataclasses.replace(made, time_limit_s=60.0, memory_limit_bytes=2 * 10**9)


def made(host, name, **choices):
    outcome = host.prepare(request(name, **choices))[0].outcome
    assert isinstance(outcome, Measurement), outcome
    return dict(outcome.others)


def seen_by(host, path):
    """What an evaluation finds; the name of its temporary folder is its process's own."""
    made(host, "looks", file=str(path))
    found = json.loads(path.read_text())
    for name in ("TMPDIR", "TMP", "TEMP"):
        del found["environment"][name]
    return found


@pytest.fixture(scope="module")
def host():
    host = TrialHost(None)
    yield host
    host.close()


@pytest.fixture(scope="module")
def fresh(host, tmp_path_factory):
    return seen_by(host, tmp_path_factory.mktemp("fresh") / "seen")


@pytest.mark.parametrize("what", LEAVES)
def test_what_an_evaluation_leaves_behind_is_gone(what, host, fresh, tmp_path):
    made(host, "leaves", what=what)
    assert seen_by(host, tmp_path / "seen") == fresh


def test_after_a_failure_the_process_is_another_one_and_after_none_the_same(host):
    first = made(host, "tells_its_process", fails=False)
    assert made(host, "tells_its_process", fails=False) == first
    failed = host.prepare(request("tells_its_process", fails=True))[0].outcome
    assert isinstance(failed, Failure)
    assert failed.kind is FailureKind.USER_ERROR
    assert made(host, "tells_its_process", fails=False) != first


@pytest.mark.parametrize("name", ["keeps_a_port", "keeps_a_lock", "waits_for_any_child"])
def test_what_only_one_can_have_is_free_again(name, host, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for _ in range(3):
        made(host, name, port=port, file=str(tmp_path / "locked"))


def test_a_watchdog_that_is_left_ends_no_later_evaluation(host):
    made(host, "sets_a_watchdog")
    made(host, "takes_a_second")


def test_what_is_stopped_early_leaves_nothing_either(host, fresh, tmp_path):
    rule = StoppingRule(
        objectives=(("error", False),),
        known=(None,),
        points=(StoppingPoint(step=1, ends=((1.0, 0.0),)),),
        front=((-1.0,),),
    )
    stopped = dataclasses.replace(request("is_stopped", what="environment"), stopping=rule)
    assert host.prepare(stopped)[0].outcome.kind is FailureKind.STOPPED
    assert seen_by(host, tmp_path / "seen") == fresh


def test_memory_that_is_kept_fails_no_later_evaluation(host):
    limited = dataclasses.replace(request("takes_half"), memory_limit_bytes=700_000_000)
    outcomes = [host.prepare(limited)[0].outcome for _ in range(8)]
    assert [type(outcome) for outcome in outcomes] == [Measurement] * 8
    assert len({dict(outcome.others)["process"] for outcome in outcomes}) > 1


#: What nobody can put back, and what would end or hinder the tests' own process.
OF_A_PROCESS = {
    "hard limit",
    "priority",
    "outputs",
    "closed input",
    "closed stream",
    "threads",
    "descriptors",
    "inference",
}


@pytest.mark.parametrize("what", sorted(set(LEAVES) - OF_A_PROCESS))
def test_in_the_callers_process_all_is_put_back_that_can_be(what, tmp_path):
    evaluator = CustomEvaluator()

    def look():
        result = evaluator.evaluate(
            custom_request(evaluator="tests.doubles.careless:looks", file=str(tmp_path / "seen"))
        )
        assert isinstance(result.outcome, Measurement), result.outcome
        return json.loads((tmp_path / "seen").read_text())

    before = look()
    result = evaluator.evaluate(custom_request(evaluator="tests.doubles.careless:leaves", what=what))
    assert isinstance(result.outcome, Measurement), result.outcome
    assert look() == before


def test_the_caller_draws_as_if_nothing_had_been_evaluated():
    import random

    import numpy as np
    import torch

    def draw():
        return [random.random(), float(np.random.random()), float(torch.rand(1))]

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    CustomEvaluator().evaluate(custom_request(evaluator="tests.doubles.careless:leaves", what="random"))
    assert draw() == expected
    assert os.getcwd()
