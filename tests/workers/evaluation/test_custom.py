"""A user's own evaluator: found, called, and its answer checked."""

import contextlib
import os
from dataclasses import replace

import numpy as np
import pytest
from gasearch_workers.evaluation.custom import Budget, CustomEvaluator, EvaluatorError, evaluate_custom, find_evaluator
from gasearch_workers.messages import CurvePoint, FailureKind, Fidelity, Measurement, StoppingPoint, StoppingRule
from gasearch_workers.training.stopping import Stopped

from tests.doubles import evaluators
from tests.doubles.requests import custom_request


def outcome_of(evaluator, **choices):
    return (
        CustomEvaluator().evaluate(custom_request(evaluator=f"tests.doubles.evaluators:{evaluator}", **choices)).outcome
    )


def answering(answer):
    """An evaluator that always gives that answer."""
    return lambda choices, budget, report: answer


def test_an_evaluator_gets_the_choices_the_budget_and_a_way_to_report():
    seen = {}

    def evaluator(choices, budget, report):
        seen.update(choices=choices, budget=budget)
        report(1, {"loss": 0.5, "accuracy": 0.25})
        report(2, {"loss": 0.4})
        return {"error": 1}

    request = replace(
        custom_request(width=8, op="pool"), seed=11, fidelity=Fidelity(epochs=4, data_share=0.5), time_limit_s=9.0
    )
    measurement = evaluate_custom(evaluator, request)
    assert seen["choices"] == {"width": 8, "op": "pool"}
    assert seen["budget"] == Budget(epochs=4, data_share=0.5, seed=11, time_limit_s=9.0)
    assert measurement.metrics() == {"error": 1.0}
    assert measurement.curve == (
        CurvePoint(epoch=1, train_loss=0.5, accuracy=0.25, metrics=(("accuracy", 0.25), ("loss", 0.5))),
        CurvePoint(epoch=2, train_loss=0.4, accuracy=None, metrics=(("loss", 0.4),)),
    )


def test_standard_metrics_take_their_fields_and_own_ones_stand_beside_them():
    measurement = evaluate_custom(
        answering({"accuracy": 0.5, "params": 10.0, "b": 2, "a": np.float32(1)}), custom_request()
    )
    assert (measurement.accuracy, measurement.params) == (0.5, 10)
    assert isinstance(measurement.params, int)
    assert measurement.others == (("a", 1.0), ("b", 2.0))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (3.0, "returns a dict of metric names to numbers; got float"),
        (None, "returns a dict of metric names to numbers; got NoneType"),
        ({}, "returns at least one metric; got an empty dict"),
        ({"error": float("nan")}, "metric 'error' must be a finite number; got nan"),
        ({"error": float("-inf")}, "metric 'error' must be a finite number; got -inf"),
        ({"error": 1.7e308}, "metric 'error' must be at most 1e\\+150 in size; got 1.7e"),
        ({"error": "1.0"}, "metric 'error' must be a finite number; got '1.0'"),
        ({"error": True}, "metric 'error' must be a finite number; got True"),
        ({"error": None}, "metric 'error' must be a finite number; got None"),
        ({"error": 10**400}, "metric 'error' must be a finite number; got 1000"),
        ({"error": [1, 2]}, r"metric 'error' must be a finite number; got \[1, 2\]"),
        ({1: 1.0}, "the name of a metric is up to 63 letters, digits and _ that begin with no digit; got 1"),
        ({"two words": 1.0}, "begin with no digit; got 'two words'"),
        ({"x" * 64: 1.0}, "the name of a metric is up to 63 letters"),
        ({"key": 1.0}, "a metric can't be named 'key'"),
        ({"blueprint": 1.0}, "a metric can't be named 'blueprint'"),
        ({"params": 2.5}, r"metric 'params' counts things and must be a whole number below 2\*\*63; got 2.5"),
        ({"macs": 2.0**63}, r"metric 'macs' counts things and must be a whole number below 2\*\*63"),
    ],
)
def test_an_answer_that_is_no_set_of_metrics_is_refused_with_what_came(answer, complaint):
    with pytest.raises(EvaluatorError, match=complaint):
        evaluate_custom(answering(answer), custom_request())


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        ("raises", "RuntimeError: the user's own fault with a second line"),
        ("not_a_number", "metric 'error' must be a finite number; got nan"),
        ("exits", "SystemExit: 0"),
        ("nowhere", "the module 'tests.doubles.evaluators' has no function 'nowhere'"),
    ],
)
def test_whatever_an_evaluator_does_wrong_is_a_user_error(evaluator, message):
    failed = outcome_of(evaluator)
    assert (failed.kind, failed.message) == (FailureKind.USER_ERROR, message)


def test_an_evaluator_that_runs_out_of_memory_says_so(monkeypatch):
    def greedy(choices, budget, report):
        raise MemoryError

    monkeypatch.setattr(evaluators, "greedy", greedy, raising=False)
    failed = outcome_of("greedy")
    assert (failed.kind, failed.message) == (FailureKind.OUT_OF_MEMORY, "MemoryError")
    assert "in greedy\n" in failed.traceback


def test_a_long_message_is_cut(monkeypatch):
    def verbose(choices, budget, report):
        raise ValueError("x" * 10_000)

    monkeypatch.setattr(evaluators, "verbose", verbose, raising=False)
    assert len(outcome_of("verbose").message) == 500


def test_what_an_evaluator_prints_goes_to_stderr(capsys):
    assert isinstance(outcome_of("chatty", a=1), Measurement)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "the user's own chatter\n")


def test_an_evaluator_that_changes_its_folder_does_not_change_ours(tmp_path):
    def wandering(choices, budget, report):
        os.chdir(tmp_path)
        return {"error": 1.0}

    before = os.getcwd()
    evaluate_custom(wandering, custom_request())
    assert os.getcwd() == before


def test_ctrl_c_is_no_fault_of_the_evaluator():
    def interrupted(choices, budget, report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_custom(interrupted, custom_request())


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no.such:thing", r"'no\.such:thing' can't be imported \(ModuleNotFoundError: .*put its folder on PYTHONPATH"),
        ("tests.doubles.exits_on_import:x", r"can't be imported \(SystemExit: 0\)"),
        ("tests.doubles.evaluators:time", "has no function 'time'"),
    ],
)
def test_an_evaluator_that_is_not_there_is_named_with_the_reason(name, complaint):
    with pytest.raises(EvaluatorError, match=complaint):
        find_evaluator(name)


# --- reports ----------------------------------------------------------------------------------------------------


def reporting(*reports, answer=None):
    """An evaluator that reports (step, error) pairs."""

    def evaluator(choices, budget, report):
        for step, error in reports:
            report(step, {"error": error})
        return answer or {"error": 0.0}

    return evaluator


def judged(*, best=0.1, steps=(2.0, 10.0)):
    """A request whose evaluation is stopped at a rung where it reports an error above the best one."""
    rule = StoppingRule(
        objectives=(("error", False),),
        known=(None,),
        points=tuple(StoppingPoint(step=step, ends=((1.0, 0.0),)) for step in steps),
        front=((-best,),),
    )
    return replace(custom_request(width=8), stopping=rule)


@pytest.mark.parametrize(
    ("reports", "last"),
    [
        ([(1, 0.9), (2, 0.9), (3, 0.0)], 2),
        ([(1, 0.9), (4, 0.9), (5, 0.0)], 4),  # the first report at or after the rung
        ([(2, 0.1), (3, 0.9), (9.5, 0.9), (10, 0.9), (11, 0)], 10),  # each rung once
        ([(2, 0.1), (30, 0.9)], 30),
        ([(50, 0.9), (51, 0.0)], 50),
    ],
)
def test_a_hopeless_evaluation_is_stopped_at_the_first_report_in_the_reach_of_a_rung(reports, last):
    with pytest.raises(
        Stopped, match=rf"stopped at {last} with error 0.9: .* a finished network has error 0.1"
    ) as stop:
        evaluate_custom(reporting(*reports), judged())
    assert stop.value.curve[-1] == CurvePoint(epoch=last, train_loss=None, accuracy=None, metrics=(("error", 0.9),))


def test_an_evaluation_that_is_good_at_its_rungs_goes_on():
    reports = [(1, 0.9), (2, 0.1), (3, 0.9), (10, 0.05), (20, 0.9)]
    assert len(evaluate_custom(reporting(*reports), judged()).curve) == 5


def test_a_stopped_evaluation_is_a_failure_with_its_curve(monkeypatch):
    monkeypatch.setattr(evaluators, "slow", reporting((2, 0.9), (3, 0.9)), raising=False)
    request = replace(judged(), task=custom_request(evaluator="tests.doubles.evaluators:slow").task)
    outcome = CustomEvaluator().evaluate(request).outcome
    assert outcome.kind is FailureKind.STOPPED
    assert outcome.message.startswith("stopped at 2 with error 0.9")
    assert [point.epoch for point in outcome.curve] == [2]


def test_a_stop_passes_through_except_exception_and_runs_finally_where_reports_are_ignored():
    done = []

    def careful(choices, budget, report):
        try:
            report(2, {"error": 0.9})
        except Exception:
            done.append("caught")
        finally:
            report(3, {"error": 0.9})
            done.append("cleaned up")
        return {"error": 0.0}

    with pytest.raises(Stopped) as stop:
        evaluate_custom(careful, judged())
    assert done == ["cleaned up"]
    assert len(stop.value.curve) == 1


def test_a_stop_that_is_swallowed_all_the_same_stays_a_stop():
    def stubborn(choices, budget, report):
        with contextlib.suppress(BaseException):
            report(2, {"error": 0.9})
        return {"error": 0.0}

    with pytest.raises(Stopped):
        evaluate_custom(stubborn, judged())


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ((3, 2.5), r"steps of reports must not decrease; got 2\.5 after 3"),
        ((float("nan"),), "step of a report must be a finite number; got nan"),
        (("2",), "step of a report must be a finite number; got '2'"),
    ],
)
def test_steps_that_cannot_be_a_training_are_refused(steps, complaint):
    with pytest.raises(EvaluatorError, match=complaint):
        evaluate_custom(reporting(*((step, 0.5) for step in steps)), custom_request())


def test_equal_steps_are_no_step_back():
    curve = evaluate_custom(reporting((1, 0.5), (1, 0.4), (1.5, 0.3)), custom_request()).curve
    assert [point.epoch for point in curve] == [1, 1, 1.5]
