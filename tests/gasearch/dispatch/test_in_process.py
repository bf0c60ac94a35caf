import pytest

from gasearch.dispatch.in_process import InProcess
from tests.contracts.dispatcher_contract import DispatcherContract
from workers.evaluate import Evaluator


class TestInProcess(DispatcherContract):
    @pytest.fixture
    def dispatcher(self):
        return InProcess(Evaluator(None, device="cpu"))

    def test_nothing_runs_before_it_is_collected(self, dispatcher):
        assert dispatcher.capacity == 1
        assert dispatcher.collect(0.0) == []
