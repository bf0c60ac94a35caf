"""Trainings by a scripted evaluator: each finished one handed over once, retried, interrupted."""

import pytest
from gasearch_workers.messages import Choices, Failure, FailureKind, Measurement

from gasearch.dispatch.in_process import InProcess
from gasearch.errors import GasearchError, Interrupted, Paused, StoreLost
from gasearch.search.attempts import MAX_FAILURES_IN_A_ROW, MAX_LOSSES
from gasearch.search.ownership import StopSignal
from gasearch.search.trainings import Trainings
from tests.doubles.requests import request_for
from tests.doubles.scripted import Scripted, failing, two_objectives

AGAIN = "gasearch tune small 0a"


def asked(*values):
    """Requests for one network each, all of the same key and attempt."""
    return [request_for(Choices(values=(("a", value),)), key="0a", seed=value) for value in values]


def fails_first(kind, times, truth=two_objectives):
    """The first attempts fail so; whatever is asked."""
    left = [Failure(kind=kind, message="scripted")] * times
    return lambda request: left.pop() if left else truth(request)


class Made:
    """Trainings by a scripted evaluator, with what was handed over."""

    def __init__(self, truth=two_objectives, *, stop=None, dispatcher=None):
        self.evaluator = Scripted(truth)
        self.stop, self.done = stop or StopSignal(), []
        self.trainings = Trainings(
            dispatcher or InProcess(self.evaluator), again=AGAIN, on_result=self.keep, stop=self.stop
        )

    def keep(self, request, result):
        self.done.append((request, result))

    def run(self, requests):
        self.trainings.run(requests)
        return self

    @property
    def seeds(self):
        return [request.seed for request, _ in self.done]


class Parallel(InProcess):
    """Several slots; the newest request is finished first, and each answer comes twice."""

    slots = 3

    @property
    def free(self):
        return self.slots - len(self.waiting)

    def collect(self, timeout_s):
        return 2 * [self.evaluator.evaluate(self.waiting.pop())] if self.waiting else []


def test_each_request_is_handed_over_once_with_its_result():
    made = Made().run(asked(3, 1, 2))
    assert made.seeds == [3, 1, 2]
    assert all(isinstance(result.outcome, Measurement) for _, result in made.done)
    assert all((result.key, result.attempt) == (request.key, request.attempt) for request, result in made.done)


def test_requests_of_one_network_are_told_apart_whatever_order_they_end_in():
    made = Made(dispatcher=Parallel(Scripted())).run(asked(*range(7)))
    assert sorted(made.seeds) == list(range(7))
    assert made.seeds != list(range(7))
    for request, result in made.done:
        assert result.outcome == two_objectives(request)


def test_a_generator_is_asked_only_when_a_worker_is_free():
    made, seen = Made(), []

    def requests():
        for request in asked(1, 2, 3):
            seen.append(len(made.done))
            yield request

    made.run(requests())
    assert seen == [0, 1, 2]


def test_nothing_to_train_is_done_at_once():
    assert Made().run([]).done == []


@pytest.mark.parametrize(
    ("kind", "times"),
    [(FailureKind.OUT_OF_MEMORY, 1), (FailureKind.DIED, 1), (FailureKind.WORKER_LOST, MAX_LOSSES - 1)],
)
def test_what_may_end_differently_is_tried_again(kind, times):
    made = Made(fails_first(kind, times)).run(asked(1))
    [(request, result)] = made.done
    assert isinstance(result.outcome, Measurement)
    assert result.attempt == request.attempt == 1
    assert [one.attempt for one in made.evaluator.requests] == list(range(1, times + 2))


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [
        (FailureKind.DIED, 2),
        (FailureKind.WORKER_LOST, MAX_LOSSES),
        (FailureKind.DIVERGED, 1),
    ],
)
def test_what_fails_for_good_is_handed_over_with_its_last_failure(kind, attempts):
    made = Made(failing(kind)).run(asked(1))
    [(_, result)] = made.done
    assert result.outcome.kind is kind
    assert len(made.evaluator.requests) == attempts


def test_where_everything_fails_it_pauses_and_names_the_command():
    made = Made(failing(FailureKind.USER_ERROR))
    with pytest.raises(Paused, match=rf"{MAX_FAILURES_IN_A_ROW} evaluations in a row failed .* go on with: {AGAIN}"):
        made.run(asked(*range(100)))
    assert len(made.done) == MAX_FAILURES_IN_A_ROW


def test_where_all_workers_are_lost_it_ends():
    with pytest.raises(GasearchError, match=f"attempts in a row lost their worker, .* go on with: {AGAIN}"):
        Made(failing(FailureKind.WORKER_LOST)).run(asked(*range(100)))


def test_a_stop_lets_what_is_in_flight_finish_and_names_the_command():
    stop = StopSignal()

    def truth(request):
        stop.request("interrupted")
        return two_objectives(request)

    made = Made(truth, stop=stop)
    with pytest.raises(Interrupted, match=rf"stopped \(interrupted\) after 1 trainings; go on with: {AGAIN}"):
        made.run(asked(1, 2, 3))
    assert made.seeds == [1]


def test_an_error_that_stops_is_raised_as_it_is():
    stop = StopSignal()
    stop.request("gone", StoreLost("the file is gone"))
    with pytest.raises(StoreLost, match="the file is gone"):
        Made(stop=stop).run(asked(1))


def test_an_outcome_that_can_t_be_stored_ends_it():
    def refuse(request, result):
        raise StoreLost("full")

    trainings = Trainings(InProcess(Scripted()), again=AGAIN, on_result=refuse)
    with pytest.raises(StoreLost):
        trainings.run(asked(1, 2))
