import pytest
from gasearch_workers.evaluation.custom import CustomEvaluator

from gasearch.dispatch.in_process import InProcess
from tests.contracts.dispatcher_contract import DispatcherContract
from tests.doubles.requests import custom_request


class TestInProcess(DispatcherContract):
    @pytest.fixture
    def dispatcher(self):
        return InProcess(CustomEvaluator())

    def test_nothing_runs_before_it_is_collected(self, dispatcher):
        assert dispatcher.free == 1
        assert dispatcher.collect(0.0) == []

    def test_each_attempt_is_a_line_of_the_log(self, dispatcher, caplog):
        caplog.set_level("DEBUG", logger="gasearch.dispatch")
        dispatcher.submit(custom_request("0a", x=1))
        dispatcher.collect(0.0)
        [line] = caplog.records
        assert (line.getMessage(), line.key, line.attempt) == ("attempt begun", "0a", 1)
