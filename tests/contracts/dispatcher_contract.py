"""What every dispatcher does; run over each implementation by `tests/gasearch/dispatch`."""

from __future__ import annotations

import time

from gasearch_workers.messages import FailureKind, Measurement

from tests.doubles.requests import custom_request


def collect_all(dispatcher, *, within_s: float = 60.0):
    results = []
    until = time.monotonic() + within_s
    while dispatcher.in_flight and time.monotonic() < until:
        results += dispatcher.collect(1.0)
    return results


class DispatcherContract:
    """Subclasses give a `dispatcher` fixture whose evaluations are real custom evaluators."""

    def test_each_request_gets_exactly_one_result(self, dispatcher):
        for number in range(5):
            dispatcher.submit(custom_request(f"{number:02x}", x=number))
        results = collect_all(dispatcher)
        assert sorted(result.key for result in results) == ["00", "01", "02", "03", "04"]
        assert dispatcher.in_flight == 0
        assert dispatcher.collect(0.0) == []

    def test_a_result_carries_what_was_measured(self, dispatcher):
        dispatcher.submit(custom_request(x=2, y=3))
        (result,) = collect_all(dispatcher)
        assert isinstance(result.outcome, Measurement)
        assert dict(result.outcome.others) == {"cost": 5.0, "seed": 1.0}
        assert [(point.epoch, point.train_loss, point.accuracy) for point in result.outcome.curve] == [(1, 0.5, 0.25)]
        assert result.started_at <= result.finished_at

    def test_a_result_s_duration_heeds_no_clock_that_is_set(self, dispatcher, monkeypatch):
        monkeypatch.setattr(time, "time", time.time)  # restored where it runs in this process
        began = time.monotonic()
        for evaluator in ("clock_set_forward", "clock_set_back", "clock_set_back_and_raises"):
            dispatcher.submit(custom_request(evaluator, evaluator=f"tests.doubles.clocks:{evaluator}", x=1))
            (result,) = collect_all(dispatcher)
            assert 0.05 <= result.seconds <= time.monotonic() - began
            assert result.duration_s == result.seconds

    def test_an_evaluator_that_raises_is_a_user_error_with_its_message(self, dispatcher):
        dispatcher.submit(custom_request(evaluator="tests.doubles.evaluators:raises"))
        (result,) = collect_all(dispatcher)
        failed = result.outcome
        assert (failed.kind, failed.message) == (
            FailureKind.USER_ERROR,
            "RuntimeError: the user's own fault with a second line",
        )
        assert failed.traceback.endswith("RuntimeError: the user's own fault\nwith a second line")
        assert failed.output == "about to raise\n"

    def test_cancelled_requests_get_no_result(self, dispatcher):
        free = dispatcher.free
        for number in range(free + 5):
            dispatcher.submit(custom_request(f"{number:02x}", evaluator="tests.doubles.evaluators:unhurried", x=number))
        dispatcher.cancel_queued()
        assert len(collect_all(dispatcher)) < free + 5
        assert dispatcher.in_flight == 0

    def test_closing_twice_is_harmless(self, dispatcher):
        dispatcher.close()
        dispatcher.close()
