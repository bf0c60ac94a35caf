"""Networks and evaluators that fail: typed, visible, never in the front; where all fail, the search says why."""

import json

import pytest
from gasearch_workers.machine.node import free_memory

from gasearch.errors import Paused
from tests.doubles.command_line import CUSTOM, TRAINED

SIZE_OF_THE_GIANT = 8192**2 * 11**2 * 16  #: Bytes: weights, gradients and moments of its largest convolution.

MIXED_SIZES = """
name: small
task: {dataset: digits}
space:
  family: cnn
  layers: [1, 1]
  kind: [residual]
  width: [4, 8192]
  kernel: [11]
  weight_bits: [4, 8]
  activation_bits: [4, 8]
objectives: {accuracy: max, model_bytes: min}
recipe: {epochs: 1}
evolution: {population: 4}
budget: {evaluations: 8}
workers: {count: 0}
"""


def status_of(gasearch):
    return json.loads(gasearch.here("status", "small", "--format", "json").out)


def networks_of(gasearch):
    return gasearch.ask(lambda reader: list(reader.networks(reader.search("small").id)))


EXPLODING = "batch_size: 30, optimizer: sgd, learning_rate: 10, weight_decay: 0.9"  #: Weights grow by 9 each step.


def test_a_training_whose_loss_becomes_nan_is_diverged_and_never_in_the_front(gasearch):
    spec = gasearch.write_spec(
        TRAINED + "early_stop: false\n", **{"batch_size: 128": EXPLODING, "evaluations: 8": "evaluations: 24"}
    )
    done = gasearch.here("run", spec)
    assert done.status == 0, done.err
    failed = [network for network in networks_of(gasearch) if network.failure]
    assert 0 < len(failed) < 24
    assert {network.failure for network in failed} == {"diverged"}
    assert status_of(gasearch)["failures"] == {"diverged": len(failed)}
    assert f"{len(failed)} diverged" in gasearch.here("status", "small").out
    front = gasearch.ask(lambda reader: reader.front(reader.search("small").id))
    assert front
    assert not {network.key for network in front} & {network.key for network in failed}


def test_where_every_training_diverges_the_search_stops_after_20_and_says_why(gasearch):
    spec = gasearch.write_spec(
        TRAINED,
        **{
            "batch_size: 128": f"{EXPLODING}, schedule: constant",
            "epochs: 1": "epochs: 4",
            "evaluations: 8": "evaluations: 60",
        },
    )
    done = gasearch.here("run", spec)
    assert done.status == Paused.exit_status, done.err
    assert "20 evaluations in a row failed (20 diverged), the last one with: the " in done.sentence
    assert "at learning rate 10. Mend the cause, then go on with: gasearch resume small" in done.sentence
    status = status_of(gasearch)
    assert (status["state"], status["failures"]) == ("stopped", {"diverged": 20})
    assert gasearch.here("front", "small").status == 1
    assert (gasearch.here("resume", "small").status, gasearch.completed()) == (Paused.exit_status, 40)


@pytest.mark.skipif(free_memory() > SIZE_OF_THE_GIANT, reason="the giant fits into this machine")
def test_a_network_that_does_not_fit_in_memory_fails_and_the_small_ones_go_on(gasearch):
    done = gasearch.here("run", gasearch.write_spec(MIXED_SIZES))
    assert done.status == 0, done.err
    failed = [network for network in networks_of(gasearch) if network.failure]
    assert failed
    assert {network.failure for network in failed} == {"out_of_memory"}
    assert "GB are free" in failed[0].failure_message
    front = json.loads(gasearch.here("front", "small", "--format", "json").out)
    assert front
    assert all(row["blueprint"]["layers"][0]["width"] == 4 for row in front)
    assert "out_of_memory" in gasearch.here("status", "small").out


def test_a_training_past_its_time_limit_is_timed_out(gasearch):
    spec = gasearch.write_spec(
        TRAINED, **{"count: 0": "count: 0, time_limit_s: 0.001", "evaluations: 8": "evaluations: 6"}
    )
    done = gasearch.here("run", spec)
    assert done.status in (0, 1), done.err
    networks = networks_of(gasearch)
    assert {network.failure for network in networks} == {"timed_out"}
    assert "passed its limit of 0.001 s" in networks[0].failure_message
    assert status_of(gasearch)["front_size"] == 0


@pytest.mark.parametrize(
    ("evaluator", "complaint"),
    [
        (
            "no.such.module:evaluate",
            "'no.such.module:evaluate' can't be imported (ModuleNotFoundError: No module named",
        ),
        ("tests.doubles.evaluators:nowhere", "the module 'tests.doubles.evaluators' has no function 'nowhere'"),
        ("tests.doubles.exits_on_import:evaluate", "can't be imported (SystemExit: 0)"),
    ],
)
def test_an_evaluator_that_can_t_be_found_is_refused_before_any_work(gasearch, evaluator, complaint):
    done = gasearch.here("run", gasearch.write_spec(CUSTOM, **{"tests.doubles.evaluators:truth": evaluator}))
    assert done.status == 2
    assert "task.evaluator: " in done.sentence
    assert complaint in done.sentence
    assert not (gasearch.folder / "store.db").exists()


@pytest.mark.parametrize(
    ("evaluator", "complaint"),
    [
        ("raises", "RuntimeError: the user's own fault with a second line"),
        ("not_a_number", "metric 'error' must be a finite number; got nan"),
        ("no_dict", "an evaluator returns a dict of metric names to numbers; got float"),
        ("measure", "error was not measured; there are cost, seed"),
        ("exits", "SystemExit: 0"),
        ("counts_too_much", "metric 'params' counts things and must be a whole number below 2**63; got 1e+30"),
        ("names_no_metric", "the name of a metric is"),
    ],
)
def test_an_evaluator_that_always_fails_stops_the_search_with_its_reason(gasearch, evaluator, complaint):
    done = gasearch.here("run", gasearch.write_spec(truth=evaluator))
    assert done.status == Paused.exit_status, done.err
    assert "20 evaluations in a row failed (20 user_error), the last one with: " in done.sentence
    assert complaint in done.sentence
    assert status_of(gasearch)["failures"] == {"user_error": 20}
    assert gasearch.record().state.value == "stopped"


def test_an_evaluator_that_prints_disturbs_no_answer(gasearch):
    done = gasearch.here("run", gasearch.write_spec(truth="chatty"))
    assert done.status == 0
    assert "chatter" not in done.out
    assert "the user's own chatter" in done.err
    assert json.loads(gasearch.here("best", "small", "--by", "cost", "--format", "json").out)
