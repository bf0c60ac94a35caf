"""Early stopping that has nothing to judge by is told, with what is missing."""

import pytest
from gasearch_workers.messages import CurvePoint, Failure, FailureKind, Measurement

from gasearch.jobs.start import launch
from gasearch.objectives.fitness import Objective
from gasearch.search.early_stopping import FIRST_REPORTS, ReportCheck
from gasearch.search.progress import Silent
from gasearch.spec.loader import load_spec

OBJECTIVES = (Objective(metric="error", is_maximized=False), Objective(metric="cost", is_maximized=False))
ADVICE = "call report(step, {'error': ..., 'cost': ...}) at the rungs, or set early_stop.rungs: off"


def finished(*reports):
    points = [CurvePoint(epoch=step, train_loss=None, accuracy=None, metrics=metrics) for step, metrics in reports]
    return Measurement(others=(("cost", 1.0), ("error", 2.0)), curve=tuple(points))


def completed(*outcomes):
    reports, notices = ReportCheck(OBJECTIVES, (10, 30)), []
    for outcome in outcomes:
        reports.note(outcome)
        notices.append(reports.lack())
    return notices


ERROR, COST = ("error", 1.0), ("cost", 1.0)


@pytest.mark.parametrize(
    ("outcome", "lack"),
    [
        (finished(), "the evaluator reported nothing"),
        (finished((5, (ERROR, COST))), "the evaluator's reports ended at step 5, before the first rung (10, 30),"),
        (finished((5, (COST,)), (10, (ERROR,))), "the evaluator did not report cost at its rungs (10, 30)"),
        (finished((10, (("loss", 1.0),))), "the evaluator did not report error and cost at its rungs (10, 30)"),
        (
            finished((10, (ERROR,)), (30, (COST,))),
            "the evaluator never reported error and cost together at a rung (10, 30)",
        ),
    ],
)
def test_what_is_not_reported_is_told(outcome, lack):
    sentence = f"early_stop ends no training: {lack} in the first 3 evaluations; {ADVICE}"
    assert completed(*[outcome] * (FIRST_REPORTS + 3)) == [None] * (FIRST_REPORTS - 1) + [sentence] * 4


def test_one_full_report_is_enough():
    assert completed(finished(), finished((12, (COST, ERROR))), *[finished()] * 5) == [None] * 7


def test_failures_report_nothing_and_count_for_nothing():
    failed = Failure(kind=FailureKind.DIVERGED, message="")
    assert completed(failed, failed, failed, finished(), finished()) == [None] * 5


@pytest.mark.parametrize(("evaluator", "is_said"), [("reports", False), ("conflict", True)])
def test_a_search_whose_evaluator_reports_nothing_says_so(tmp_path, evaluator, is_said):
    notices = []

    class Listener(Silent):
        def on_notice(self, message):
            notices.append(message)

    spec = {
        "name": "reporting",
        "task": {"evaluator": f"tests.doubles.odd_evaluators:{evaluator}"},
        "space": {"family": "custom", "decisions": {name: {"choices": list(range(8))} for name in "abc"}},
        "objectives": {"error": "min", "cost": "min"},
        "early_stop": {"rungs": [1, 2]},
        "evolution": {"population": 4},
        "budget": {"evaluations": 8},
        "workers": {"count": 0},
    }
    launch(load_spec(spec), db_url=f"sqlite:///{tmp_path}/reports.db", observer=Listener())
    found = [text for text in notices if text.startswith("early_stop ends no training: the evaluator reported nothing")]
    assert len(found) == is_said
