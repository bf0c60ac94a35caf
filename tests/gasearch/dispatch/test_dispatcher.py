import logging

from gasearch_workers.evaluation.custom import CustomEvaluator

from gasearch.dispatch.in_process import InProcess
from tests.doubles.requests import custom_request


def test_an_attempt_is_one_line_of_the_log_with_its_search_its_candidate_and_its_number(caplog):
    caplog.set_level(logging.INFO, logger="gasearch.dispatch")
    dispatcher = InProcess(CustomEvaluator(), search="small")
    dispatcher.submit(custom_request("0a", x=1))
    dispatcher.submit(custom_request("0b", evaluator="tests.doubles.evaluators:raises"))
    dispatcher.collect(0.0)
    dispatcher.collect(0.0)
    assert [(one.search, one.candidate, one.attempt) for one in caplog.records] == [
        ("small", "0a", 1),
        ("small", "0b", 1),
    ]
    well, badly = [one.getMessage() for one in caplog.records]
    assert well.startswith("attempt ended on ")
    assert " as user_error: RuntimeError: the user's own fault" in badly
