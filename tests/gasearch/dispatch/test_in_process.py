import pytest
from gasearch_workers.evaluation.custom import CustomEvaluator

from gasearch.dispatch.in_process import InProcess
from tests.contracts.dispatcher_contract import DispatcherContract


class TestInProcess(DispatcherContract):
    @pytest.fixture
    def dispatcher(self):
        return InProcess(CustomEvaluator())

    def test_nothing_runs_before_it_is_collected(self, dispatcher):
        assert dispatcher.free == 1
        assert dispatcher.collect(0.0) == []
